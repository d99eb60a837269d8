"""What to do at each stage, and when to look again."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    POD_SECRET,
    SETTINGS,
    SUPERVISOR,
    SUPERVISOR_MAP,
    cr,
    finished_status,
    pod,
    ready_status,
    report,
    secrets_read_by,
    terminated,
)
from fixtures.plans import CONTEXT, GATED, NOT_PULLED, PENDING, UNSCHEDULABLE, URL, planned, probed, seen
from kubernel_api.conditions import Reason
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.service import build_service
from kubernel_operator.build.supervisor import build_supervisor_map
from kubernel_operator.decide.actions import (
    Action,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    Probe,
    ProbeReplaced,
    Restart,
)
from kubernel_operator.decide.plan import Plan
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_supervisor.bootstrap import bootstrap_script
from kubernel_wire.callback import token
from kubernel_wire.keys import ConnectionKeys
from kubernel_wire.sealed_keys import seal_keys

OLD = pod(1, deleting=NOW + 3)
NO_SUPERVISOR = pod(
    phase="Pending",
    ip=None,
    state={"waiting": {"reason": "CreateContainerConfigError", "message": f'configmap "{SUPERVISOR_MAP}" not found'}},
)


def new_pod(instance: dict[str, Any], incarnation: int) -> dict[str, Any]:
    return build_pod(
        instance,
        SETTINGS,
        incarnation=incarnation,
        callback_url=URL,
        pod_secret=POD_SECRET,
        supervisor_map=SUPERVISOR_MAP,
    )


def summary(actions: tuple[Action, ...]) -> list[str]:
    """Each action in a word or two."""
    words = []
    for action in actions:
        match action:
            case Create(kind=kind, body=body):
                words.append(f"create {kind} {body['metadata']['name']}")
            case DeletePod(pod=old):
                words.append(f"delete {old.name}")
            case _:
                words.append(type(action).__name__)
    return words


def test_a_pod_whose_client_has_told_its_keys_reads_no_secret_but_its_own() -> None:
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    connection = {"keyFrom": "Client", "encryption": "Auto"}
    sealed = {**connection, "sealedKeys": seal_keys(CONTEXT.public_key, "ns", "k1", keys)}

    def wanted(instance: dict[str, Any]) -> tuple[str, set[str]]:
        secret, body = (a.body for a in planned(instance, seen(secret=False, pod_secret_made=False)).actions)
        return secret["metadata"]["name"], secrets_read_by(body)

    own, read = wanted(cr(connection=sealed))
    assert read == {own}
    own, read = wanted(cr(connection=connection))
    assert read == {own, "k1-0123abcd45"}


def test_first_start() -> None:
    instance = cr(created=NOW)
    steps = planned(
        instance, seen(secret=False, pod_secret=False, pod_secret_made=False, service=False, service_ip=None)
    )
    secret, pod_secret, service, first = steps.actions
    assert isinstance(secret, Create)
    assert secret.kind == "secret"
    assert secret.body["stringData"] == {"key": "k" * 64}
    assert isinstance(pod_secret, Create)
    assert (pod_secret.kind, pod_secret.body["metadata"]["name"]) == ("pod secret", POD_SECRET)
    assert pod_secret.body["stringData"] == {
        "KUBERNEL_TOKEN": token(b"operator key", "ns/k1-0123abcd45"),
        "KUBERNEL_BOOTSTRAP": bootstrap_script(SUPERVISOR),
    }
    assert service == Create("service", build_service(instance), "keeps the kernel's address")
    assert first == Create("pod", new_pod(instance, 1), "first start")
    assert steps.again_at == pytest.approx(NOW + 299.8, abs=0.001)  # the deadline


def test_no_pod_before_the_supervisor_is_known_to_be_there() -> None:
    """The first kernel of a namespace; its name may be taken by somebody else's ConfigMap."""
    steps = planned(cr(), seen(supervisor_found=None, secret=False))
    assert summary(steps.actions) == ["create secret k1-0123abcd45", f"create supervisor {SUPERVISOR_MAP}"]
    assert steps.actions[-1] == Create("supervisor", build_supervisor_map("ns", SUPERVISOR), "kernels run it")


LEASED = cr(status=ready_status(), lifecycle={"leaseName": "server-1"})
CLUSTER_IP_IS_NOT_NEEDED = {"service": "None"}
RESTARTING = cr(status=ready_status(), restartGeneration=1)


def terminated_pod() -> dict[str, Any]:
    return pod(**terminated(0))


@pytest.mark.parametrize(
    ("instance", "observed", "actions"),
    [
        pytest.param(cr(deleting=NOW), seen(), [], id="being deleted: garbage collection does the rest"),
        pytest.param(cr(deleting=NOW), seen(pod()), ["delete k1-1"], id="being deleted, and kept by a finalizer"),
        pytest.param(cr(deleting=NOW), seen(pod(deleting=NOW + 30)), [], id="being deleted, its pod too"),
        pytest.param(
            cr(connection=CLUSTER_IP_IS_NOT_NEEDED),
            seen(secret=False, service=False),
            ["create secret k1-0123abcd45", "create pod k1-1"],
            id="no Service wanted",
        ),
        pytest.param(
            cr(connection={"keyFrom": "Client"}),
            seen(secret=False),
            ["create pod k1-1"],
            id="its client makes the key",
        ),
        pytest.param(
            cr(),
            seen(pod_secret_made=False),
            [f"create pod secret {POD_SECRET}", "create pod k1-1"],
            id="operator restarted: Secret and Service are known, another version's pod had a Secret of another name",
        ),
        pytest.param(
            cr(restartGeneration=1, status=ready_status()),
            seen(terminated_pod(), pod_secret_made=False),
            ["create pod k1-2"],
            id="operator restarted: the pod that is there names the same",
        ),
        pytest.param(
            cr(),
            seen(PENDING, secret=False, service=False),
            ["create secret k1-0123abcd45", "create service kernel-k1"],
            id="operator killed after the pod: the others are made good",
        ),
        pytest.param(cr(), seen(PENDING), [], id="pod pending, a moment"),
        pytest.param(cr(), seen(PENDING, first_seen=NOW - 2), ["Explain"], id="pod pending, 2 s"),
        pytest.param(
            cr(), seen(PENDING, first_seen=NOW - 9, explained_at=NOW - 7), [], id="pod pending, explained lately"
        ),
        pytest.param(
            cr(),
            seen(PENDING, first_seen=NOW - 12, explained_at=NOW - 10),
            ["Explain"],
            id="pod pending, explained long ago",
        ),
        pytest.param(
            cr(), seen(UNSCHEDULABLE, first_seen=NOW - 9), ["Explain"], id="unschedulable: an autoscaler may add a node"
        ),
        pytest.param(cr(), seen(GATED, first_seen=NOW - 9), [], id="gated: it says so itself"),
        pytest.param(cr(), seen(NOT_PULLED, first_seen=NOW - 9), ["Explain"], id="image not pulled: Events say more"),
        pytest.param(
            cr(),
            seen(NO_SUPERVISOR),
            [f"create supervisor {SUPERVISOR_MAP}", "Wake"],
            id="somebody deleted the supervisor",
        ),
        pytest.param(
            cr(),
            seen(NO_SUPERVISOR, supervisor_found=None),
            [f"create supervisor {SUPERVISOR_MAP}", "Wake"],
            id="somebody deleted the supervisor, and the operator is new",
        ),
        pytest.param(
            cr(),
            seen(NO_SUPERVISOR, supervisor_found=NOW - 9),
            ["Wake"],
            id="the supervisor was made again a moment ago",
        ),
        pytest.param(cr(), seen(pod()), ["Probe"], id="container runs, no callback"),
        pytest.param(cr(), seen(pod(ip=None)), [], id="container runs, no address"),
        pytest.param(cr(), seen(pod(), report=report("starting")), [], id="callback came"),
        pytest.param(
            cr(),
            seen(pod(), report=report("starting", boot="", sequence=-1)),
            ["Probe"],
            id="a probe saw it start, no callback",
        ),
        pytest.param(
            cr(),
            seen(pod(), report=report("starting"), first_seen=NOW - 3),
            ["Probe"],
            id="callbacks came and come no more",
        ),
        pytest.param(
            cr(status=ready_status(), restartGeneration=1),
            seen(pod(), report=report(boot="", sequence=-1), control_sent=1),
            ["Probe"],
            id="restart was sent, no callback ever",
        ),
        pytest.param(
            cr(status=ready_status(), restartGeneration=1),
            seen(pod(), report=report(), control_sent=1, restart_since=NOW - 3),
            ["Probe"],
            id="restart was sent, callbacks come no more",
        ),
        pytest.param(cr(), seen(pod(), report=report()), [], id="running"),
        pytest.param(
            cr(), seen(pod(), report=probed(NOW - 99)), [], id="running, never called back: its pod tells of its end"
        ),
        pytest.param(
            cr(), seen(pod(), report=report(), secret=False), ["create secret k1-0123abcd45"], id="running, no Secret"
        ),
        pytest.param(
            cr(),
            seen(pod(), report=report(), pod_secret=False),
            [f"create pod secret {POD_SECRET}"],
            id="running, the pod's own Secret is not known",
        ),
        pytest.param(cr(status=ready_status()), seen(pod()), [], id="running, operator restarted"),
        pytest.param(cr(status=ready_status()), seen(pod(), report=report("exited")), [], id="exited"),
        pytest.param(RESTARTING, seen(pod(), report=report()), ["Restart"], id="restart in place"),
        pytest.param(
            RESTARTING,
            seen(pod(), report=report(), control_failed=1),
            ["delete k1-1", "create pod k1-2"],
            id="restart with a new pod",
        ),
        pytest.param(RESTARTING, seen(pod(**terminated(1))), ["create pod k1-2"], id="restart, pod ended"),
        pytest.param(RESTARTING, seen(pod(deleting=NOW)), ["create pod k1-2"], id="restart, pod hangs"),
        pytest.param(
            RESTARTING,
            seen(pod(1), pod(2, generation=1, phase="Pending", state={})),
            ["delete k1-1"],
            id="operator killed between the new pod and the old one's deletion",
        ),
        pytest.param(
            cr(status=ready_status(pod="k1-2", generation=1), restartGeneration=1),
            seen(pod(1), pod(2, generation=1)),
            ["delete k1-1"],
            id="the same, noticed when the new pod runs",
        ),
        pytest.param(
            cr(status=ready_status(pod="k1-2")), seen(pod(1, deleting=NOW), pod(2)), [], id="old pod goes already"
        ),
        pytest.param(LEASED, seen(pod(), orphaned=True), ["DeleteInstance"], id="its Lease is expired"),
        pytest.param(
            cr(status=finished_status(), lifecycle={"leaseName": "server-1"}),
            seen(orphaned=True),
            [],
            id="finished: the Lease does not matter",
        ),
        pytest.param(cr(status=finished_status()), seen(pod()), ["delete k1-1"], id="finished: the node is freed"),
        pytest.param(
            cr(status=finished_status()), seen(pod(1), pod(2)), ["delete k1-1", "delete k1-2"], id="finished: all pods"
        ),
        pytest.param(cr(status=finished_status()), seen(pod(**terminated(1))), [], id="finished, pod ended"),
        pytest.param(
            cr(status=finished_status(ended=NOW - 300)),
            seen(first_seen=NOW - 400),
            ["DeleteInstance"],
            id="finished, time to live over",
        ),
        pytest.param(
            cr(status=finished_status(ended=NOW - 7200), lifecycle={"ttlSecondsAfterFinished": 3600}),
            seen(first_seen=NOW - 10),
            ["DeleteInstance"],
            id="time to live over long ago, and the operator is new",
        ),
        pytest.param(
            cr(status=finished_status(ended=NOW - 7200), lifecycle={"ttlSecondsAfterFinished": 3600}),
            seen(first_seen=NOW - 9),
            [],
            id="time to live over by the clock of another API server",
        ),
        pytest.param(
            cr(status=finished_status(ended=NOW - 1), lifecycle={"ttlSecondsAfterFinished": 0}),
            seen(),
            ["DeleteInstance"],
            id="finished, no time to live",
        ),
        pytest.param(
            cr(), seen(PENDING, first_seen=NOW - 300), ["delete k1-1"], id="start deadline: the pod goes at once"
        ),
        pytest.param(
            cr(lifecycle={"ttlSecondsAfterFinished": 0}),
            seen(first_seen=NOW - 300),
            [],
            id="over, but its last word is not written yet",
        ),
    ],
)
def test_actions(instance: dict[str, Any], observed: Observed, actions: list[str]) -> None:
    assert summary(planned(instance, observed).actions) == actions


def test_whole_actions() -> None:
    assert planned(RESTARTING, seen(pod(), report=report())).actions == (
        Restart("10.0.0.7", 1, "restartGeneration 1 was asked for"),
    )
    assert planned(RESTARTING, seen(pod(), report=report(), control_failed=1)).actions == (
        DeletePod(pod_facts(pod()), "a restart was asked for and cannot be done in place"),
        Create("pod", new_pod(RESTARTING, 2), "replaces pod 1"),
    )
    assert planned(cr(), seen(pod())).actions == (
        Probe("10.0.0.7", 0, True, "its container runs and nothing was reported"),
    )
    assert planned(RESTARTING, seen(pod(), control_sent=1)).actions == (
        Probe("10.0.0.7", 1, False, "its container runs and nothing was reported"),
    )
    assert planned(RESTARTING, seen(pod(2, generation=1))).actions == (
        Probe("10.0.0.7", 1, True, "its container runs and nothing was reported"),
    )
    assert planned(cr(), seen(pod(2), OLD, report=report())) == Plan(
        (ProbeReplaced((pod_facts(OLD),), "are open connections still with the kernel of a replaced pod?"),),
        pytest.approx(NOW + 299.8, abs=0.001),
    )
    assert planned(cr(), seen(PENDING, first_seen=NOW - 2)).actions == (
        Explain(pod_facts(PENDING), "it does not say itself what it waits for"),
    )
    assert planned(cr(status=finished_status(ended=NOW - 300)), seen(first_seen=NOW - 400)).actions == (
        DeleteInstance("finished for ttlSecondsAfterFinished"),
    )
    assert planned(LEASED, seen(orphaned=True)).actions == (
        DeleteInstance("Its server no longer renews its Lease.", Reason.ORPHANED),
    )
    assert planned(cr(status=finished_status()), seen(pod())).actions == (
        DeletePod(pod_facts(pod()), "the KernelInstance is finished"),
    )
