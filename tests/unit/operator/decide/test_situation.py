"""The ladder from what was observed to one stage."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    cr,
    disrupted,
    exited_status,
    finished_status,
    pod,
    ready_status,
    report,
    seen,
    terminated,
)
from kubernel_api.conditions import Reason
from kubernel_operator.decide.situation import Situation, Stage, current_pod, situation
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed, Refusal
from kubernel_operator.observe.pod_facts import pod_facts

RESTARTED = {"restartGeneration": 1}
IN_PLACE = cr(status=ready_status(), restartGeneration=1)
GRACE_OVER = NOW - 31
OLD = pod(1, deleting=NOW + 3)


@pytest.mark.parametrize(
    ("instance", "observed", "stage"),
    [
        pytest.param(cr(), seen(), Stage.NEEDS_POD, id="nothing yet"),
        pytest.param(cr(deleting=NOW), seen(pod()), Stage.GONE, id="being deleted"),
        pytest.param(cr(status=finished_status()), seen(pod()), Stage.FINISHED, id="finished stays finished"),
        pytest.param(
            cr(status=finished_status(), restartGeneration=5),
            seen(pod(), report=report(generation=5)),
            Stage.FINISHED,
            id="finished stays finished whatever is asked for",
        ),
        pytest.param(cr(status=finished_status(), deleting=NOW), seen(), Stage.GONE, id="finished and being deleted"),
        pytest.param(cr(), seen(pod(), orphaned=True), Stage.ORPHANED, id="lease expired"),
        # Starting.
        pytest.param(cr(), seen(pod(phase="Pending", state={})), Stage.STARTING, id="pod pending"),
        pytest.param(cr(), seen(pod()), Stage.STARTING, id="container runs, nothing reported"),
        pytest.param(cr(), seen(pod(), report=report("starting")), Stage.STARTING, id="kernel boots"),
        # Running.
        pytest.param(cr(), seen(pod(), report=report()), Stage.RUNNING, id="reported ready"),
        pytest.param(
            cr(), seen(pod(phase="Pending", state={}), report=report()), Stage.RUNNING, id="reported before kubelet"
        ),
        pytest.param(
            cr(), seen(pod(), report=report(), service_ip=None), Stage.STARTING, id="ready without an address"
        ),
        pytest.param(
            cr(connection={"service": "None"}),
            seen(pod(), report=report(), service_ip=None),
            Stage.RUNNING,
            id="ready and needs no Service",
        ),
        pytest.param(cr(status=ready_status()), seen(pod()), Stage.RUNNING, id="operator restarted: status knows"),
        pytest.param(
            cr(status=ready_status(pod="k1-1")), seen(pod(2)), Stage.STARTING, id="status is about another pod"
        ),
        pytest.param(
            cr(status=ready_status(ready=NOW - 99), lifecycle={"activeDeadlineSeconds": 100}),
            seen(pod()),
            Stage.RUNNING,
            id="before the active deadline",
        ),
        # The kernel of a replaced pod would keep the connections that clients have open to the Service.
        pytest.param(cr(), seen(pod(2), OLD, report=report()), Stage.STARTING, id="the replaced pod may answer"),
        pytest.param(cr(), seen(pod(2), pod(1), report=report()), Stage.STARTING, id="it is not even being deleted"),
        pytest.param(
            cr(), seen(pod(2), OLD, report=report(), silent_pods={"k1-1"}), Stage.RUNNING, id="it was found silent"
        ),
        pytest.param(cr(), seen(pod(2), pod(1, ip=None), report=report()), Stage.RUNNING, id="it never had an address"),
        pytest.param(
            cr(), seen(pod(2), pod(1, **terminated(143)), report=report()), Stage.RUNNING, id="its container has ended"
        ),
        pytest.param(
            cr(), seen(pod(2), pod(1, deleting=NOW - 9), report=report()), Stage.RUNNING, id="its node does not answer"
        ),
        pytest.param(
            cr(connection={"service": "None"}), seen(pod(2), OLD, report=report()), Stage.RUNNING, id="no Service"
        ),
        pytest.param(
            cr(status=ready_status(pod="k1-2")), seen(pod(2), OLD), Stage.RUNNING, id="Ready is not taken back for it"
        ),
        # Ended.
        pytest.param(
            cr(status=ready_status()), seen(pod(), report=report("exited")), Stage.EXITED, id="reported exited"
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", time=GRACE_OVER)),
            Stage.FINISHED,
            id="reported exited, grace over",
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", reason="IdleTimeout")),
            Stage.FINISHED,
            id="idle: no grace",
        ),
        pytest.param(cr(status=ready_status()), seen(pod(**terminated(1))), Stage.EXITED, id="pod ended"),
        pytest.param(cr(status=exited_status()), seen(pod()), Stage.EXITED, id="operator restarted after the end"),
        pytest.param(
            cr(status=exited_status()),
            seen(pod(), report=report()),
            Stage.EXITED,
            id="an end that was said is not taken back by an older report",
        ),
        pytest.param(cr(status=ready_status()), seen(), Stage.EXITED, id="pod gone"),
        pytest.param(
            cr(status=ready_status(pod="k1-2")),
            seen(pod(1, deleting=NOW + 3)),
            Stage.EXITED,
            id="pod gone, an older one still hangs",
        ),
        pytest.param(
            cr(status=ready_status(pod="k1-2"), restartGeneration=1),
            seen(pod(1, deleting=NOW + 3)),
            Stage.NEEDS_POD,
            id="the same, restart asked for",
        ),
        pytest.param(cr(), seen(incarnation_seen=1), Stage.EXITED, id="pod gone before it was ready"),
        pytest.param(
            cr(status=exited_status()),
            seen(ends={(1, 0): GRACE_OVER}),
            Stage.FINISHED,
            id="pod gone, end known, grace over",
        ),
        pytest.param(cr(status=ready_status()), seen(pod(deleting=NOW - 6)), Stage.EXITED, id="node does not answer"),
        pytest.param(cr(status=ready_status()), seen(pod(deleting=NOW - 4)), Stage.RUNNING, id="pod is being deleted"),
        # Restarts.
        pytest.param(IN_PLACE, seen(pod()), Stage.NEEDS_RESTART, id="restart of a running kernel"),
        pytest.param(
            IN_PLACE, seen(pod(), report=report("exited")), Stage.NEEDS_RESTART, id="restart within the grace"
        ),
        pytest.param(
            cr(status=exited_status(), restartGeneration=1),
            seen(pod()),
            Stage.NEEDS_RESTART,
            id="restart within the grace, operator restarted",
        ),
        pytest.param(
            IN_PLACE,
            seen(pod(), report=report("exited", time=GRACE_OVER)),
            Stage.NEEDS_RESTART,
            id="restart asked for: the grace is the supervisor's business",
        ),
        pytest.param(IN_PLACE, seen(pod(), control_sent=1), Stage.STARTING, id="restart was sent"),
        pytest.param(
            IN_PLACE, seen(pod(), report=report("exited"), control_sent=1), Stage.STARTING, id="old process ended"
        ),
        pytest.param(IN_PLACE, seen(pod(), report=report("starting", generation=1)), Stage.STARTING, id="new boots"),
        pytest.param(IN_PLACE, seen(pod(), report=report(generation=1)), Stage.RUNNING, id="new process is ready"),
        pytest.param(
            IN_PLACE, seen(pod(), report=report("exited", generation=1)), Stage.EXITED, id="new process ended"
        ),
        pytest.param(IN_PLACE, seen(pod(), control_failed=1), Stage.NEEDS_POD, id="supervisor is unreachable"),
        pytest.param(
            cr(status=ready_status(generation=1), restartGeneration=2),
            seen(pod(), control_sent=1, control_failed=1),
            Stage.NEEDS_RESTART,
            id="a later restart is sent anew",
        ),
        pytest.param(
            cr(status=ready_status(), restartGeneration=1),
            seen(pod(), report=report(supervised=False)),
            Stage.NEEDS_POD,
            id="no supervisor in the image",
        ),
        pytest.param(IN_PLACE, seen(pod(**terminated(137))), Stage.NEEDS_POD, id="pod ended"),
        pytest.param(IN_PLACE, seen(pod(deleting=NOW + 3)), Stage.NEEDS_POD, id="pod is being deleted"),
        pytest.param(IN_PLACE, seen(), Stage.NEEDS_POD, id="pod is gone"),
        pytest.param(
            IN_PLACE, seen(pod(1, deleting=NOW - 60), pod(2, generation=1)), Stage.STARTING, id="old pod hangs"
        ),
        pytest.param(
            cr(restartGeneration=1), seen(pod(generation=0)), Stage.NEEDS_POD, id="restart before the first start"
        ),
    ],
)
def test_stage(instance: dict[str, Any], observed: Observed, stage: Stage) -> None:
    assert situation(kernel_facts(instance), observed, NOW).stage is stage


@pytest.mark.parametrize(
    ("instance", "observed", "reason", "message"),
    [
        pytest.param(
            cr(),
            seen(pod(phase="Pending"), first_seen=NOW - 300),
            Reason.START_TIMEOUT,
            "Nothing is known of it. Given up after 300 s.",
            id="start deadline, default",
        ),
        pytest.param(
            cr(status={"message": "The pod waits."}),
            seen(pod(phase="Pending"), first_seen=NOW - 300),
            Reason.START_TIMEOUT,
            "The pod waits. Given up after 300 s.",
            id="start deadline, the status knows why",
        ),
        pytest.param(
            cr(lifecycle={"startDeadlineSeconds": 7}),
            seen(refusal=Refusal(Reason.QUOTA_EXCEEDED, "no room")),
            Reason.START_TIMEOUT,
            "no room. Given up after 7 s.",
            id="start deadline, refused",
        ),
        pytest.param(
            cr(created=NOW - 900, status=ready_status(), restartGeneration=1, lifecycle={"startDeadlineSeconds": 7}),
            seen(pod(**terminated(1)), restart_since=NOW - 7),
            Reason.START_TIMEOUT,
            "The restart has not come through. Given up after 7 s.",
            id="start deadline of a restart counts from its wish",
        ),
        pytest.param(
            cr(status=ready_status(ready=NOW - 100), lifecycle={"activeDeadlineSeconds": 100}),
            seen(pod(), first_seen=NOW - 100),
            Reason.DEADLINE_EXCEEDED,
            "The kernel ran for spec.lifecycle.activeDeadlineSeconds and was ended.",
            id="active deadline",
        ),
        pytest.param(
            cr(status=ready_status(ready=NOW - 7200), lifecycle={"activeDeadlineSeconds": 3600}),
            seen(pod(), first_seen=NOW - 10),
            "DeadlineExceeded",
            "The kernel ran for spec.lifecycle.activeDeadlineSeconds and was ended.",
            id="active deadline long ago, and the operator is new",
        ),
    ],
)
def test_deadlines(instance: dict[str, Any], observed: Observed, reason: Reason, message: str) -> None:
    found = situation(kernel_facts(instance), observed, NOW)
    assert found.stage is Stage.FINISHED
    assert found.ending is not None
    assert (found.ending.reason, found.ending.message, found.ending.exit_code) == (reason, message, None)


@pytest.mark.parametrize(
    "since",
    [
        pytest.param({"first_seen": NOW - 299}, id="first seen"),
        pytest.param({"first_seen": NOW - 9999, "restart_since": NOW - 299}, id="restart"),
    ],
)
def test_a_start_before_its_deadline_goes_on(since: dict[str, float]) -> None:
    found = situation(kernel_facts(cr(created=NOW - 9999)), seen(pod(phase="Pending"), **since), NOW)
    assert found.stage is Stage.STARTING


@pytest.mark.parametrize(
    ("observed", "reason", "exit_code"),
    [
        pytest.param(seen(pod(), report=report("exited", exit_code=3)), Reason.KERNEL_CRASHED, 3, id="by itself"),
        pytest.param(
            seen(pod(deleting=NOW + 5), report=report("exited", signal=15)),
            Reason.POD_DELETED,
            143,
            id="its pod is being deleted",
        ),
        pytest.param(
            seen(pod(deleting=NOW + 5, **disrupted("EvictionByEvictionAPI")), report=report("exited", signal=15)),
            Reason.EVICTED,
            143,
            id="its pod is being evicted",
        ),
        pytest.param(
            seen(pod(deleting=NOW + 5), report=report("exited", signal=9, oom_killed=True)),
            Reason.OOM_KILLED,
            137,
            id="out of memory says more than the deletion after it",
        ),
        pytest.param(seen(pod(deleting=NOW - 9)), Reason.NODE_LOST, None, id="node does not answer"),
        pytest.param(seen(), Reason.POD_DELETED, None, id="nobody saw it end"),
    ],
)
def test_ending(observed: Observed, reason: Reason, exit_code: int | None) -> None:
    found = situation(kernel_facts(cr(status=ready_status())), observed, NOW)
    assert found.ending is not None
    assert (found.ending.reason, found.ending.exit_code) == (reason, exit_code)


def test_everything_that_belongs_to_a_stage() -> None:
    newest = pod(3, generation=2, ip=None)
    instance = cr(created=NOW - 50, status=ready_status(generation=1, pod="k1-2"), restartGeneration=2)
    observed = seen(pod(2, deleting=NOW), newest, restart_since=NOW - 5)
    assert situation(kernel_facts(instance), observed, NOW) == Situation(
        Stage.STARTING,
        wanted=2,
        pod=pod_facts(newest),
        incarnation=3,
        start_began=NOW - 5,
        turn_began=NOW - 5,
        ip=None,
        supervised=True,
    )


@pytest.mark.parametrize(
    ("instance", "observed", "incarnation"),
    [
        pytest.param(cr(), seen(), 0, id="none ever"),
        pytest.param(cr(), seen(pod(2), pod(10), pod(9)), 10, id="by number, not by text"),
        pytest.param(cr(status=ready_status(pod="k1-4")), seen(), 4, id="the status remembers"),
        pytest.param(cr(), seen(incarnation_seen=5), 5, id="this process remembers"),
        pytest.param(cr(status=ready_status(pod="k1-4")), seen(pod(2), incarnation_seen=3), 4, id="the highest"),
    ],
)
def test_incarnation(instance: dict[str, Any], observed: Observed, incarnation: int) -> None:
    assert situation(kernel_facts(instance), observed, NOW).incarnation == incarnation


@pytest.mark.parametrize(
    ("instance", "observed", "ip"),
    [
        pytest.param(cr(), seen(), None, id="no pod"),
        pytest.param(cr(), seen(pod(ip="10.0.0.8"), report=report(ip=None)), "10.0.0.8", id="the pod's"),
        pytest.param(cr(), seen(pod(ip=None), report=report(ip="10.0.0.7")), "10.0.0.7", id="reported, pod not yet"),
        pytest.param(cr(), seen(pod(ip="10.0.0.8"), report=report(ip="192.0.2.1")), "10.0.0.8", id="reported, untrue"),
        pytest.param(
            cr(),
            seen(pod(podIPs=[{"ip": "10.0.0.8"}, {"ip": "fd00::8"}]), report=report(ip="fd00::8")),
            "fd00::8",
            id="reported, one of two",
        ),
        pytest.param(cr(status=ready_status()), seen(pod(ip=None)), "10.0.0.7", id="the status remembers"),
        pytest.param(cr(status=ready_status(pod="k1-1")), seen(pod(2, ip=None)), None, id="of another pod"),
    ],
)
def test_ip(instance: dict[str, Any], observed: Observed, ip: str | None) -> None:
    assert situation(kernel_facts(instance), observed, NOW).ip == ip


@pytest.mark.parametrize(
    ("pods", "known", "current"),
    [
        pytest.param((), 0, None, id="none"),
        pytest.param((1, 10, 2), 9, 10, id="the newest"),
        pytest.param((2,), 2, 2, id="the one that is known"),
        pytest.param((1,), 2, None, id="there was a newer one: it is gone"),
    ],
)
def test_current_pod(pods: tuple[int, ...], known: int, current: int | None) -> None:
    found = current_pod(tuple(pod_facts(pod(number)) for number in pods), known)
    assert (found.incarnation if found else None) == current
