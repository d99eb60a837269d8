"""The status of a KernelInstance, and the smallest patch that makes it so."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    SETTINGS,
    cr,
    exited_status,
    finished_status,
    pod,
    ready_status,
    report,
    seen,
    terminated,
)
from kubernel_api.conditions import Reason, is_true
from kubernel_api.constants import PORTS
from kubernel_api.status import UNOBSERVED_STATUS
from kubernel_operator.decide.situation import situation
from kubernel_operator.decide.status import build_status, status_patch
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed, Refusal

PENDING = pod(phase="Pending", state={}, ip=None)
NOW_TEXT, BEFORE_TEXT = "2027-01-15T08:00:00Z", "2027-01-15T07:59:55Z"
RESTARTED = {"restartGeneration": 1}


def status(instance: dict[str, Any], observed: Observed) -> dict[str, Any]:
    kernel = kernel_facts(instance)
    return build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)


def summary(built: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Phase, reason and the conditions, each as True, False or Unknown."""
    return built["phase"], built["reason"], {c["type"]: c["status"] for c in built["conditions"]}


def conditions(*true: str) -> dict[str, str]:
    """All conditions but PodScheduled."""
    return {type_: str(type_ in true) for type_ in ("Ready", "Reconciling", "Stalled", "Finished")}


def over(*true: str) -> dict[str, str]:
    """The same of what is over."""
    return {type_: is_true for type_, is_true in conditions(*true).items() if type_ != "Ready"}


SCHEDULED = {"PodScheduled": "True"}
REFUSED_FOR_NOW = Refusal(Reason.QUOTA_EXCEEDED, "Pod refused: exceeded quota")
REFUSED = Refusal(Reason.FORBIDDEN, "Pod refused: forbidden")
UNSCHEDULABLE = {"status": "False", "reason": "Unschedulable", "message": "no room"}


@pytest.mark.parametrize(
    ("instance", "observed", "phase", "reason", "expected"),
    [
        pytest.param(cr(), seen(), "Pending", "Creating", conditions("Reconciling"), id="new"),
        pytest.param(
            cr(), seen(refusal=REFUSED_FOR_NOW), "Pending", "QuotaExceeded", conditions("Reconciling"), id="can heal"
        ),
        pytest.param(cr(), seen(refusal=REFUSED), "Pending", "Forbidden", conditions("Stalled"), id="needs a person"),
        pytest.param(
            cr(),
            seen(pod(phase="Pending", state={}, scheduled=UNSCHEDULABLE)),
            "Pending",
            "Unschedulable",
            {**conditions("Reconciling"), "PodScheduled": "False"},
            id="unschedulable",
        ),
        pytest.param(
            cr(), seen(PENDING), "Pending", "Scheduled", {**conditions("Reconciling"), **SCHEDULED}, id="scheduled"
        ),
        pytest.param(
            cr(),
            seen(PENDING, pending=(Reason.IMAGE_PULLING, "layer 1")),
            "Pending",
            "ImagePulling",
            {**conditions("Reconciling"), **SCHEDULED},
            id="its Events know more",
        ),
        pytest.param(
            cr(),
            seen(pod(state={"waiting": {"reason": "InvalidImageName"}}), pending=(Reason.IMAGE_PULLING, "old")),
            "Pending",
            "InvalidImageName",
            {**conditions("Stalled"), **SCHEDULED},
            id="the pod itself knows more than old Events",
        ),
        pytest.param(
            cr(),
            seen(pod()),
            "Starting",
            "KernelStarting",
            {**conditions("Reconciling"), **SCHEDULED},
            id="container runs",
        ),
        pytest.param(
            cr(),
            seen(PENDING, report=report("starting")),
            "Starting",
            "KernelStarting",
            {**conditions("Reconciling"), **SCHEDULED},
            id="reported before the kubelet",
        ),
        pytest.param(
            cr(),
            seen(pod(), report=report()),
            "Running",
            "Running",
            {**conditions("Ready"), **SCHEDULED},
            id="running",
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", exit_code=1)),
            "Exited",
            "KernelCrashed",
            {**conditions(), **SCHEDULED},
            id="exited",
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", exit_code=0, time=NOW - 31)),
            "Succeeded",
            "Completed",
            {**over("Finished"), **SCHEDULED},
            id="over, well",
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", exit_code=1, time=NOW - 31)),
            "Failed",
            "KernelCrashed",
            {**over("Finished", "Stalled"), **SCHEDULED},
            id="over, badly",
        ),
        pytest.param(
            cr(),
            seen(refusal=REFUSED, first_seen=NOW - 300),
            "Failed",
            "StartTimeout",
            over("Finished", "Stalled"),
            id="start deadline",
        ),
        pytest.param(
            cr(status=ready_status(), **RESTARTED),
            seen(pod(), report=report()),
            "Starting",
            "Restarting",
            {**conditions("Reconciling"), **SCHEDULED},
            id="restart wanted",
        ),
        pytest.param(
            cr(status=exited_status(), **RESTARTED),
            seen(pod(), report=report("starting", generation=1), control_sent=1),
            "Starting",
            "Restarting",
            {**conditions("Reconciling"), **SCHEDULED},
            id="restart going on",
        ),
        pytest.param(
            cr(status=ready_status(), **RESTARTED),
            seen(pod(**terminated(1))),
            "Pending",
            "PodReplaced",
            {**conditions("Reconciling"), **SCHEDULED},
            id="restart needs a new pod",
        ),
        pytest.param(
            cr(status=ready_status(), **RESTARTED),
            seen(),
            "Pending",
            "PodReplaced",
            conditions("Reconciling"),
            id="gone",
        ),
        pytest.param(
            cr(),
            seen(pod(2), pod(1, deleting=NOW + 3), report=report()),
            "Starting",
            "PodReplaced",
            {**conditions("Reconciling"), **SCHEDULED},
            id="the old kernel still answers",
        ),
    ],
)
def test_words_and_conditions(
    instance: dict[str, Any], observed: Observed, phase: str, reason: str, expected: dict[str, str]
) -> None:
    assert summary(status(instance, observed)) == (phase, reason, expected)


def test_whole_status_of_a_cold_start() -> None:
    """From what the schema gives to Ready, in one write."""
    fresh = cr(created=NOW, status=UNOBSERVED_STATUS, generation=3)
    observed = seen(pod(), report=report(started_time=NOW - 0.5), first_seen=NOW - 0.7)
    words = {"reason": "Running", "message": "The kernel is ready.", "observedGeneration": 3}

    def made(type_: str, value: str, **fields: str) -> dict[str, Any]:
        return {"type": type_, "status": value, **words, "lastTransitionTime": NOW_TEXT, **fields}

    assert status(fresh, observed) == {
        "observedGeneration": 3,
        "phase": "Running",
        "reason": "Running",
        "message": "The kernel is ready.",
        "conditions": [
            made("Ready", "True"),
            made("Reconciling", "False", message=""),
            made("Stalled", "False", message=""),
            made("Finished", "False", message=""),
            made("PodScheduled", "True", reason="Scheduled", message=""),
        ],
        "image": "example.org/kernel:1",
        "connection": {
            "ip": "10.96.0.9",
            "ports": PORTS,
            "transport": "tcp",
            "signatureScheme": "hmac-sha256",
            "secretName": "k1-0123abcd45",
            "controlPort": 18886,
            "podIP": "10.0.0.7",
            "encryption": "Disabled",
        },
        "podName": "k1-1",
        "podIncarnation": 1,
        "nodeName": "node1",
        "restartGeneration": 0,
        "restartCount": 0,
        "times": {
            "scheduled": "2027-01-15T07:59:51Z",
            "started": "2027-01-15T07:59:59.500000Z",
            "ready": "2027-01-15T08:00:00.000000Z",
        },
    }


def test_whole_exit() -> None:
    observed = seen(pod(), report=report("exited", signal=9, oom_killed=True, time=NOW - 1.25))
    built = status(cr(status=ready_status()), observed)
    oom = (
        "The kernel used more memory than its limit and was killed; its variables are gone. Work on less data "
        "at a time, or give it more memory."
    )
    assert built["exit"] == {
        "exitCode": 137,
        "signal": 9,
        "reason": "OOMKilled",
        "message": oom,
        "oomKilled": True,
        "finishedTime": "2027-01-15T07:59:58.750000Z",
        "restartGeneration": 0,
    }
    assert built["connection"] == ready_status()["connection"]
    assert built["message"] == oom


def test_what_is_not_known_of_an_end_is_absent() -> None:
    built = status(cr(status=ready_status()), seen())
    assert built["exit"] == {
        "reason": "PodDeleted",
        "message": "Pod k1-1 was deleted by somebody else.",
        "oomKilled": False,
        "finishedTime": "2027-01-15T08:00:00.000000Z",
        "restartGeneration": 0,
    }


def test_a_restart_in_place() -> None:
    """The end of the old process is forgotten, the count grows, the times are those of the new start."""
    instance = cr(status=exited_status(), **RESTARTED)
    built = status(instance, seen(pod(), report=report(generation=1, started_time=NOW - 0.5), restart_since=NOW - 1))
    assert "exit" not in built
    assert (built["restartGeneration"], built["restartCount"]) == (1, 1)
    assert built["times"] == {
        "scheduled": "2027-01-15T07:59:51Z",
        "started": "2027-01-15T07:59:59.500000Z",
        "ready": "2027-01-15T08:00:00.000000Z",
    }
    assert status_patch(instance["status"], built)["exit"] is None


@pytest.mark.parametrize(
    ("known", "wanted", "count"),
    [
        pytest.param({}, 1_700_000_000, 0, id="a first start with any number is no restart"),
        pytest.param(ready_status(generation=3, restartCount=1), 9, 2, id="one restart, whatever the step"),
        pytest.param(ready_status(generation=9, restartCount=2), 9, 2, id="said before"),
    ],
)
def test_restart_count_counts(known: dict[str, Any], wanted: int, count: int) -> None:
    """m9: it was the number itself."""
    instance = cr(status=known, restartGeneration=wanted)
    assert status(instance, seen(pod(), report=report(generation=wanted)))["restartCount"] == count


def test_restart_count_does_not_grow_before_the_new_process_is_ready() -> None:
    instance = cr(status=ready_status(), **RESTARTED)
    assert status(instance, seen(pod(), report=report()))["restartCount"] == 0


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param(cr(status=finished_status()), id="finished"),
        pytest.param(cr(status=finished_status(), **RESTARTED), id="finished, restart asked for"),
        pytest.param(cr(status=ready_status(), deleting=NOW), id="being deleted"),
    ],
)
def test_the_last_word_stays(instance: dict[str, Any]) -> None:
    assert status(instance, seen(pod(), report=report(generation=1))) == instance["status"]


def deleted(**fields: Any) -> dict[str, Any]:
    """A KernelInstance that is deleted and kept by somebody's finalizer."""
    instance = cr(deleting=NOW, **fields)
    instance["metadata"]["finalizers"] = ["example.org/keep", "foregroundDeletion"]
    return instance


def test_what_a_finalizer_keeps_does_not_go_on_saying_that_it_runs() -> None:
    instance = deleted(status=ready_status())
    assert status(instance, seen(pod(), report=report())) == instance["status"], "its pod still runs"
    said = status(instance, seen())
    assert (said["phase"], said["reason"], is_true(said, "Finished")) == ("Failed", "PodDeleted", True)
    assert said["message"] == (
        "The KernelInstance was deleted, and its pod with it; the object stays until its finalizers are taken away: "
        "example.org/keep."
    )
    assert status(deleted(status=said), seen()) == said
    assert status(deleted(status=finished_status()), seen()) == finished_status()


READY = [{"type": "ContainersReady", "status": "True"}]


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param({"status": "False"}, id="as the node controller writes it"),
        pytest.param({"status": "False", "reason": "NodeNotReady"}, id="with its reason"),
    ],
)
@pytest.mark.parametrize("known", [pytest.param(report(), id="reported"), pytest.param(None, id="operator is new")])
def test_nobody_knows_what_a_silent_node_does(condition: dict[str, Any], known: Any) -> None:
    """M6: it was Ready until the eviction, five minutes later."""
    silent = pod(conditions=[*READY, {"type": "Ready", **condition}])
    told = status(cr(status=ready_status()), seen(silent, report=known))
    assert summary(told) == (
        "Running",
        "NodeUnreachable",
        {**conditions(), "Ready": "Unknown", **SCHEDULED},
    )
    again = status(cr(status=told), seen(silent))
    assert again == told
    healed = status(cr(status=told), seen(pod(conditions=[*READY, {"type": "Ready", "status": "True"}])))
    assert summary(healed) == ("Running", "Running", {**conditions("Ready"), **SCHEDULED})


@pytest.mark.parametrize(
    ("containers_ready", "condition"),
    [
        pytest.param("False", {"status": "False", "reason": "ContainersNotReady"}, id="a neighbour has ended"),
        pytest.param("True", {"status": "False", "reason": "ReadinessGatesNotReady"}, id="a readiness gate"),
    ],
)
def test_other_reasons_of_a_pod_are_no_silence(containers_ready: str, condition: dict[str, Any]) -> None:
    there = pod(conditions=[{"type": "ContainersReady", "status": containers_ready}, {"type": "Ready", **condition}])
    assert status(cr(), seen(there, report=report()))["reason"] == "Running"


def test_an_orphan_s_status_stays() -> None:
    instance = cr(status=ready_status())
    assert status(instance, seen(pod(), orphaned=True)) == instance["status"]
