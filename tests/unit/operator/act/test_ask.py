"""Questions to supervisors: what is remembered of each answer."""

import asyncio
from typing import Any

import pytest

from fixtures.objects import NOW, UID, cr, pod, report
from fixtures.operator_world import World
from kubernel_operator.act.ask import describe
from kubernel_operator.decide.actions import Configure, Probe, ProbeReplaced, Question, Restart
from kubernel_operator.observe.observed import Memory
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_wire.control import ControlError

IP = "10.0.0.7"
ANSWER = {"state": "running", "generation": 1, "age": 0, "ip": IP}
PROBE = Probe(IP, 1, ports_tell=True, why="silence")


def after(world: World, memory: Memory, question: Question) -> Memory:
    """Memory after a question."""
    asyncio.run(world.asker.ask(cr(), memory, question))
    return memory


def memory(**fields: Any) -> Memory:
    return Memory(UID, NOW, incarnation_seen=1, pod=pod_facts(pod()), **fields)


def test_restart(world: World) -> None:
    world.supervisors.status[IP] = {"state": "running", "generation": 0}
    remembered = after(world, memory(), Restart(IP, 1, "asked for"))
    assert (remembered.control_sent, remembered.control_failed) == (1, -1)
    assert world.supervisors.asked == [(IP, {"op": "restart", "generation": 1, "env": {}})]


def test_a_restart_brings_the_environment_that_is_asked_for_by_now(world: World) -> None:
    world.supervisors.status[IP] = {"state": "running", "generation": 0}
    renamed = cr(env=[{"name": "JPY_SESSION_NAME", "value": "b.ipynb"}, {"name": "EMPTY"}])
    asyncio.run(world.asker.ask(renamed, memory(), Restart(IP, 1, "asked for")))
    [(_, request)] = world.supervisors.asked
    assert request["env"] == {"JPY_SESSION_NAME": "b.ipynb", "EMPTY": ""}


def test_configure(world: World) -> None:
    world.supervisors.status[IP] = {"state": "running", "generation": 0}
    before = {"k1-1": report(idle_timeout_seconds=600)}
    remembered = after(world, memory(reports=before), Configure(IP, 5, False, "changed"))
    assert remembered.configured == (1, 5, False)
    assert remembered.reports == {"k1-1": report(idle_timeout_seconds=5)}


@pytest.mark.parametrize(("state", "paused"), [("running", True), ("starting", False)])
def test_a_process_that_starts_is_not_paused_yet(world: World, state: str, paused: bool) -> None:
    world.supervisors.status[IP] = {"state": state, "generation": 0}
    remembered = after(world, memory(reports={"k1-1": report()}), Configure(IP, None, True, "changed"))
    assert remembered.configured == (1, None, paused)
    assert remembered.reports["k1-1"].is_paused == paused


def test_configure_without_an_answer(world: World) -> None:
    assert after(world, memory(), Configure(IP, 5, False, "changed")).configured is None


def test_restart_of_a_supervisor_that_does_not_answer(world: World) -> None:
    remembered = after(world, memory(), Restart(IP, 1, "asked for"))
    assert (remembered.control_sent, remembered.control_failed) == (-1, 1)
    assert len(world.supervisors.asked) == 2


def test_restart_that_a_supervisor_refuses(world: World) -> None:
    """E.g. the operator's own key is another one by now: a new pod helps."""

    async def ask(*_: Any) -> dict[str, Any]:
        raise ControlError("authentication failed")

    world.supervisors.ask = ask  # type: ignore[method-assign]
    remembered = after(world, memory(), Restart(IP, 1, "asked for"))
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
    assert after(world, memory(reports=known), PROBE).reports == {"k1-1": said}


def test_a_callback_that_arrives_during_a_probe_wins(world: World) -> None:
    remembered = memory()
    newer = report("exited", generation=1)

    async def ask(*_: Any) -> dict[str, Any]:
        remembered.reports["k1-1"] = newer
        return ANSWER

    world.supervisors.ask = ask  # type: ignore[method-assign]
    assert after(world, remembered, PROBE).reports == {"k1-1": newer}


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
    remembered = after(world, memory(), Probe(IP, 1, ports_tell, "silence"))
    said = report(generation=1, boot="", sequence=-1, time=NOW, supervised=False)
    assert remembered.reports == ({"k1-1": said} if ready else {})


def test_a_supervisor_that_knows_another_key_is_one(world: World) -> None:
    """Two operators that look after one kernel would write its status in turns: with control port, and without."""

    async def ask(*_: Any) -> dict[str, Any]:
        raise ControlError("authentication failed")

    world.supervisors.ask = ask  # type: ignore[method-assign]
    world.supervisors.listening = {IP}
    said = report(generation=1, boot="", sequence=-1, time=NOW, supervised=True)
    assert after(world, memory(), PROBE).reports == {"k1-1": said}


def test_a_kernel_that_was_faster_than_its_supervisor(world: World) -> None:
    """One that listens after milliseconds: its supervisor will say all of it, the control port included."""
    world.supervisors.listening, world.supervisors.starting = {IP}, {IP}
    assert after(world, memory(), PROBE).reports == {}


@pytest.mark.parametrize("listening", [True, False])
def test_probe_of_a_replaced_pod(world: World, listening: bool) -> None:
    world.supervisors.listening = {IP} if listening else set()
    remembered = after(world, memory(), ProbeReplaced((pod_facts(pod()),), "a newer pod is ready"))
    assert remembered.silent_pods == (set() if listening else {"k1-1"})


@pytest.mark.parametrize(
    ("question", "text"),
    [
        pytest.param(Restart(IP, 1, "asked for"), "restart in place: asked for", id="restart"),
        pytest.param(PROBE, "probe the pod: silence", id="probe"),
        pytest.param(
            ProbeReplaced((pod_facts(pod(1)), pod_facts(pod(2))), "silence"), "probe k1-1, k1-2: silence", id="replaced"
        ),
    ],
)
def test_describe(question: Question, text: str) -> None:
    assert describe(question) == text
