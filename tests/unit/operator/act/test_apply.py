"""Writes, and questions to supervisors: what is remembered of each."""

import asyncio
from typing import Any

import pytest

from fixtures.objects import NOW, SETTINGS, UID, cr, pod, report
from fixtures.operator_world import World
from kubernel_api.conditions import Reason
from kubernel_operator.act.apply import describe
from kubernel_operator.build.pod import build_pod
from kubernel_operator.decide.actions import (
    Action,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    Probe,
    ProbeReplaced,
    ReadLease,
    Restart,
)
from kubernel_operator.observe.observed import Memory
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_wire.control import ControlError

IP = "10.0.0.7"
ANSWER = {"state": "running", "generation": 1, "ip": IP}
PROBE = Probe(IP, 1, ports_tell=True, why="silence")


def apply(world: World, memory: Memory, action: Action) -> Memory:
    """Memory after an action."""
    asyncio.run(world.applier.apply(cr(), memory, action))
    return memory


def memory(**fields: Any) -> Memory:
    return Memory(UID, NOW, incarnation_seen=1, **fields)


def test_restart(world: World) -> None:
    world.supervisors.status[IP] = {"state": "running", "generation": 0}
    remembered = apply(world, memory(), Restart(IP, 1, "asked for"))
    assert (remembered.control_sent, remembered.control_failed) == (1, -1)
    assert world.supervisors.asked == [(IP, {"op": "restart", "generation": 1})]


def test_restart_of_a_supervisor_that_does_not_answer(world: World) -> None:
    remembered = apply(world, memory(), Restart(IP, 1, "asked for"))
    assert (remembered.control_sent, remembered.control_failed) == (-1, 1)
    assert len(world.supervisors.asked) == 2


def test_restart_that_a_supervisor_refuses(world: World) -> None:
    """E.g. the operator's own key is another one by now: a new pod helps."""

    async def ask(*_: Any) -> dict[str, Any]:
        raise ControlError("authentication failed")

    world.supervisors.ask = ask  # type: ignore[method-assign]
    remembered = apply(world, memory(), Restart(IP, 1, "asked for"))
    assert (remembered.control_sent, remembered.control_failed) == (-1, 1)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        pytest.param({}, report(generation=1, boot="", sequence=-1, time=NOW), id="first"),
        pytest.param(
            {"k1-1": report("starting", generation=1, boot="", sequence=-1)},
            report(generation=1, boot="", sequence=-1, time=NOW),
            id="again",
        ),
        pytest.param(
            {"k1-1": report("running", generation=0, sequence=7)},
            report(generation=1, sequence=7, time=NOW),
            id="after callbacks that came no more",
        ),
    ],
)
def test_probe(world: World, known: dict[str, Any], said: Any) -> None:
    world.supervisors.status[IP] = ANSWER
    assert apply(world, memory(reports=known), PROBE).reports == {"k1-1": said}


def test_a_callback_that_arrives_during_a_probe_wins(world: World) -> None:
    remembered = memory()
    newer = report("exited", generation=1)

    async def ask(*_: Any) -> dict[str, Any]:
        remembered.reports["k1-1"] = newer
        return ANSWER

    world.supervisors.ask = ask  # type: ignore[method-assign]
    assert apply(world, remembered, PROBE).reports == {"k1-1": newer}


@pytest.mark.parametrize(
    ("ports_tell", "listening", "ready"),
    [
        pytest.param(True, True, True, id="ports accept"),
        pytest.param(True, False, False, id="ports do not accept"),
        pytest.param(False, True, False, id="open ports may be those of the old process"),
    ],
)
def test_probe_without_an_answer(world: World, ports_tell: bool, listening: bool, ready: bool) -> None:
    world.supervisors.listening = {IP} if listening else set()
    remembered = apply(world, memory(), Probe(IP, 1, ports_tell, "silence"))
    said = report(generation=1, boot="", sequence=-1, time=NOW, supervised=False)
    assert remembered.reports == ({"k1-1": said} if ready else {})


def test_a_probe_without_an_answer_is_not_repeated_at_once(world: World) -> None:
    before = report(boot="", sequence=-1, time=NOW - 5)
    world.now = NOW + 1
    remembered = apply(world, memory(reports={"k1-1": before}), Probe(IP, 0, ports_tell=False, why="silence"))
    assert remembered.reports == {"k1-1": report(boot="", sequence=-1, time=NOW + 1)}


@pytest.mark.parametrize("listening", [True, False])
def test_probe_of_a_replaced_pod(world: World, listening: bool) -> None:
    world.supervisors.listening = {IP} if listening else set()
    remembered = apply(world, memory(), ProbeReplaced(pod_facts(pod()), "a newer pod is ready"))
    assert remembered.silent_pods == (set() if listening else {"k1-1"})


def test_a_pod_that_has_another_uid_by_now_is_not_deleted(world: World) -> None:
    newer = pod()
    newer["metadata"]["uid"] = "another"
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", newer)
    apply(world, memory(), DeletePod(pod_facts(pod()), "old"))
    assert world.pods() == [newer]


def test_an_orphan_gets_one_event(world: World) -> None:
    """Its pod's end may wake the operator before the watch says that the KernelInstance is gone."""
    remembered = memory()
    for _ in range(2):
        apply(world, remembered, DeleteInstance("over", Reason.ORPHANED))
    assert world.cluster.writes() == [
        ("create", "events"),
        ("delete", "kernelinstances"),
        ("delete", "kernelinstances"),
    ]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        pytest.param(
            Create("secret", {"metadata": {"name": "s"}, "stringData": {"key": "hidden"}}, "holds the key"),
            "create secret s: holds the key",
            id="create",
        ),
        pytest.param(DeletePod(pod_facts(pod()), "old"), "delete pod k1-1: old", id="delete pod"),
        pytest.param(DeleteInstance("over", Reason.ORPHANED), "delete the KernelInstance: over", id="delete"),
        pytest.param(Restart(IP, 1, "asked for"), "restart in place: asked for", id="restart"),
        pytest.param(PROBE, "probe the pod: silence", id="probe"),
        pytest.param(Explain(pod_facts(pod()), "late"), "read the pod's Events: late", id="explain"),
        pytest.param(ReadLease("server-1", "late"), "read Lease server-1: late", id="read lease"),
    ],
)
def test_describe(action: Action, text: str) -> None:
    assert describe(action) == text


def test_created_pod_is_known_before_any_watch_says_so(world: World) -> None:
    body = build_pod(cr(), SETTINGS, incarnation=1, callback_url=None)
    remembered = apply(world, Memory(UID, NOW, refused_times=3), Create("pod", body, "first start"))
    assert (remembered.incarnation_seen, remembered.refused_times) == (1, 0)
    assert [p["metadata"]["name"] for p in world.reconciler.cache.pods.linked("ns", "k1")] == ["k1-1"]
