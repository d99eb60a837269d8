"""How a kernel ended, from its supervisor's report or its pod."""

from typing import Any

import pytest

from fixtures.objects import NOW, disrupted, pod, report, seen, terminated
from kubernel_api.conditions import Reason
from kubernel_operator.decide.endings import (
    Ending,
    ending_in_status,
    ending_of_lost_pod,
    ending_of_pod,
    ending_of_report,
    silent_node_at,
)
from kubernel_operator.observe.kernel_facts import Exit
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_operator.observe.report import Report
from kubernel_wire.callback import MemoryUse

CRASHED = "The kernel ended with exit code 42."
DELETED = "Pod k1-1 was deleted by somebody else."
SILENT_NODE = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
UNSEEN = "Nobody on node1 saw how the kernel ended: the node, or its container runtime, was started anew."
OOM = (
    "The kernel used more memory than its limit and was killed; its variables are gone. Work on less data "
    "at a time, or give it more memory."
)


def stopped_by_kueue(why: str, reason: str = "StoppedByKueue") -> dict[str, Any]:
    """What Kueue writes into a pod that it is about to delete; up to 0.6 with one reason for all."""
    return {"conditions": [{"type": "TerminationTarget", "status": "True", "reason": reason, "message": why}]}


def killed_init(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"name": "mesh-init", "image": "mesh:1", "state": {"terminated": {"exitCode": code, "reason": reason}}}


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        pytest.param(
            report("exited", exit_code=0, generation=3),
            Ending(3, Reason.COMPLETED, "The kernel ended by itself (exit code 0).", NOW - 1, 0),
            id="exit code 0",
        ),
        pytest.param(
            report("exited", exit_code=42), Ending(0, Reason.KERNEL_CRASHED, CRASHED, NOW - 1, 42), id="exit code 42"
        ),
        pytest.param(
            report("exited", exit_code=42, log="\nTraceback\n  boom\n"),
            Ending(0, Reason.KERNEL_CRASHED, f"{CRASHED} Its last output:\nTraceback\n  boom", NOW - 1, 42),
            id="with its last words",
        ),
        pytest.param(
            report("exited", exit_code=0, log="usage: kernel\n"),
            Ending(
                0,
                Reason.COMPLETED,
                "The kernel ended by itself (exit code 0) before it was ready. Its last output:\nusage: kernel",
                NOW - 1,
                0,
            ),
            id="a good end that came too early",
        ),
        pytest.param(
            report("exited", signal=9, reason="Killed"),
            Ending(
                0,
                Reason.KILLED,
                "The kernel was ended by signal 9, SIGKILL, for which a client had asked.",
                NOW - 1,
                137,
                9,
            ),
            id="killed by a client",
        ),
        pytest.param(
            report("exited", signal=11),
            Ending(0, Reason.KERNEL_CRASHED, "The kernel was ended by signal 11, SIGSEGV.", NOW - 1, 139, 11),
            id="signal",
        ),
        pytest.param(
            report("exited", signal=9, oom_killed=True),
            Ending(0, Reason.OOM_KILLED, OOM, NOW - 1, 137, 9, oom_killed=True),
            id="out of memory",
        ),
        pytest.param(
            report("exited", signal=15, reason="IdleTimeout"),
            Ending(
                0,
                Reason.IDLE_TIMEOUT,
                "The kernel was ended: no client was connected and no CPU used for spec.lifecycle.idleTimeoutSeconds.",
                NOW - 1,
                143,
                15,
                final=True,
            ),
            id="idle",
        ),
        pytest.param(
            report("exited"),
            Ending(0, Reason.KERNEL_CRASHED, "The kernel ended; its exit code is not known.", NOW - 1),
            id="nothing known",
        ),
    ],
)
def test_ending_of_report(said: Report, ending: Ending) -> None:
    assert ending_of_report(said) == ending


@pytest.mark.parametrize(
    ("ended", "ending"),
    [
        pytest.param(pod(), None, id="running"),
        pytest.param(pod(phase="Pending", state={}), None, id="pending"),
        pytest.param(
            pod(**terminated(0)),
            Ending(7, Reason.COMPLETED, "The kernel ended by itself (exit code 0).", NOW - 1, 0),
            id="exit code 0",
        ),
        pytest.param(pod(**terminated(42)), Ending(7, Reason.KERNEL_CRASHED, CRASHED, NOW - 1, 42), id="exit code 42"),
        pytest.param(
            pod(**terminated(42, message="boom\n")),
            Ending(7, Reason.KERNEL_CRASHED, f"{CRASHED} Its last output:\nboom", NOW - 1, 42),
            id="with its last words",
        ),
        pytest.param(
            pod(**terminated(139)),
            Ending(7, Reason.KERNEL_CRASHED, "The kernel was ended by signal 11, SIGSEGV.", NOW - 1, 139, 11),
            id="signal",
        ),
        pytest.param(
            pod(**terminated(255)),
            Ending(7, Reason.KERNEL_CRASHED, "The kernel ended with exit code 255.", NOW - 1, 255),
            id="255 is no signal: there are 64 of them",
        ),
        pytest.param(
            pod(**terminated(137, reason="OOMKilled")),
            Ending(7, Reason.OOM_KILLED, OOM, NOW - 1, 137, 9, oom_killed=True),
            id="out of memory",
        ),
        pytest.param(
            pod(**terminated(0, reason="OOMKilled")),
            Ending(7, Reason.COMPLETED, "The kernel ended by itself (exit code 0).", NOW - 1, 0),
            id="a child was out of memory long ago",
        ),
        pytest.param(
            pod(**terminated(143, reason="OOMKilled"), **disrupted("EvictionByEvictionAPI", "drain")),
            Ending(7, Reason.EVICTED, "Pod k1-1 was evicted. drain", NOW - 1, 143, 15, by_cluster=True),
            id="evicted, and a child was out of memory long ago",
        ),
        pytest.param(
            pod(**terminated(128, reason="StartError", message='exec: "sh": executable file not found in $PATH')),
            Ending(
                7,
                Reason.CONFIG_ERROR,
                'The container cannot be started: exec: "sh": executable file not found in $PATH; '
                "the image needs a POSIX shell, sh",
                NOW - 1,
                final=True,
            ),
            id="never ran: its exit code is nobody's",
        ),
        pytest.param(
            pod(**terminated(255, message="exec /usr/bin/tini: exec format error\n")),
            Ending(
                7,
                Reason.CONFIG_ERROR,
                "The container cannot be started: exec /usr/bin/tini: exec format error; the image is for another CPU "
                "architecture than the node: take one that is for both, or choose nodes by spec.nodeSelector "
                "(kubernetes.io/arch)",
                NOW - 1,
                255,
                final=True,
            ),
            id="an image for another CPU",
        ),
        pytest.param(
            pod(**terminated(1, message="Traceback\nOSError: [Errno 8] exec format error")),
            Ending(
                7,
                Reason.KERNEL_CRASHED,
                "The kernel ended with exit code 1. Its last output:\nTraceback\nOSError: [Errno 8] exec format error",
                NOW - 1,
                1,
            ),
            id="a kernel that says so of something else",
        ),
        pytest.param(
            pod(phase="Running", state={"terminated": {"exitCode": 42}}),
            Ending(7, Reason.KERNEL_CRASHED, CRASHED, NOW, 42),
            id="container ended before the pod's phase says so",
        ),
        pytest.param(
            pod(phase="Failed", state={}),
            Ending(7, Reason.KERNEL_CRASHED, "The kernel ended; its exit code is not known.", NOW),
            id="failed without a container",
        ),
        pytest.param(
            pod(phase="Failed", state={}, reason="Evicted", message="The node was low on memory."),
            Ending(7, Reason.EVICTED, "Pod k1-1 was evicted. The node was low on memory.", NOW, by_cluster=True),
            id="evicted by the kubelet",
        ),
        pytest.param(
            pod(**terminated(143), **disrupted("EvictionByEvictionAPI", "drain")),
            Ending(7, Reason.EVICTED, "Pod k1-1 was evicted. drain", NOW - 1, 143, 15, by_cluster=True),
            id="evicted by the API",
        ),
        pytest.param(
            pod(**terminated(137), **disrupted("PreemptionByScheduler")),
            Ending(
                7, Reason.PREEMPTED, "Pod k1-1 made room for one of higher priority.", NOW - 1, 137, 9, by_cluster=True
            ),
            id="preempted",
        ),
        pytest.param(
            pod(phase="Failed", state={}, **disrupted("DeletionByTaintManager", "node1")),
            Ending(
                7,
                Reason.EVICTED,
                "Pod k1-1 was evicted: its node has a taint that it does not tolerate. node1",
                NOW,
                by_cluster=True,
            ),
            id="an administrator's taint: the node lives",
        ),
        pytest.param(
            pod(phase="Failed", state={}, **stopped_by_kueue("Preempted to accommodate a workload")),
            Ending(
                7,
                Reason.PREEMPTED,
                "Kueue took pod k1-1 back. Preempted to accommodate a workload",
                NOW,
                by_cluster=True,
            ),
            id="preempted by Kueue",
        ),
        pytest.param(
            pod(**terminated(143), **stopped_by_kueue("Exceeded the PodsReady timeout")),
            Ending(
                7,
                Reason.EVICTED,
                "Kueue took pod k1-1 back. Exceeded the PodsReady timeout",
                NOW - 1,
                143,
                15,
                by_cluster=True,
            ),
            id="evicted by Kueue",
        ),
        pytest.param(
            pod(phase="Failed", state={}, **stopped_by_kueue("For a higher one", "WorkloadEvictedDueToPreempted")),
            Ending(7, Reason.PREEMPTED, "Kueue took pod k1-1 back. For a higher one", NOW, by_cluster=True),
            id="preempted by a newer Kueue",
        ),
        pytest.param(
            pod(phase="Failed", state={}, **stopped_by_kueue("node1 is gone", "WorkloadEvictedDueToNodeFailures")),
            Ending(7, Reason.EVICTED, "Kueue took pod k1-1 back. node1 is gone", NOW, by_cluster=True),
            id="evicted by a newer Kueue",
        ),
        pytest.param(
            pod(
                deleting=NOW - 5,
                phase="Pending",
                state={},
                scheduled={"status": "False", "reason": "SchedulingGated"},
                **stopped_by_kueue("The LocalQueue is stopped"),
            ),
            Ending(7, Reason.EVICTED, "Kueue took pod k1-1 back. The LocalQueue is stopped", NOW, by_cluster=True),
            id="never scheduled, kept by a finalizer",
        ),
        pytest.param(
            pod(deleting=NOW - 5, phase="Pending", state={}, scheduled={"status": "False"}),
            Ending(7, Reason.POD_DELETED, DELETED, NOW),
            id="never scheduled and deleted: no node is silent",
        ),
        pytest.param(
            pod(**terminated(255, reason="Unknown")),
            Ending(7, Reason.NODE_LOST, UNSEEN, NOW - 1, by_cluster=True),
            id="containerd found it gone after a reboot",
        ),
        pytest.param(
            pod(**terminated(137, reason="ContainerStatusUnknown")),
            Ending(7, Reason.NODE_LOST, UNSEEN, NOW - 1, by_cluster=True),
            id="the kubelet found it gone",
        ),
        pytest.param(
            pod(deleting=NOW, **terminated(143)),
            Ending(7, Reason.POD_DELETED, DELETED, NOW - 1, 143, 15),
            id="deleted; it has no supervisor that told of the signal",
        ),
        pytest.param(
            pod(deleting=NOW, **terminated(3)),
            Ending(7, Reason.KERNEL_CRASHED, "The kernel ended with exit code 3.", NOW - 1, 3),
            id="crashed, and deleted then",
        ),
        pytest.param(
            pod(deleting=NOW, phase="Failed", state={}, inits=(killed_init(143),)),
            Ending(7, Reason.POD_DELETED, DELETED, NOW),
            id="deleted during its init container",
        ),
        pytest.param(
            pod(phase="Failed", state={}, inits=(killed_init(137, "OOMKilled"),)),
            Ending(
                7,
                Reason.CONFIG_ERROR,
                "The kernel cannot start: init container mesh-init ended with exit code 137 (OOMKilled).",
                NOW,
                final=True,
            ),
            id="an init container out of memory",
        ),
        pytest.param(
            pod(phase="Failed", state={}, **disrupted("DeletionByPodGC")),
            Ending(7, Reason.NODE_LOST, "The node of pod k1-1 was lost.", NOW, by_cluster=True),
            id="pod garbage collection",
        ),
        pytest.param(
            pod(phase="Failed", state={}, reason="Preempting"),
            Ending(7, Reason.PREEMPTED, "Pod k1-1 made room for one of higher priority.", NOW, by_cluster=True),
            id="preempted by the kubelet",
        ),
        pytest.param(
            pod(phase="Failed", state={}, reason="Terminated", message="Node is shutting down."),
            Ending(7, Reason.NODE_LOST, "The node of pod k1-1 was lost. Node is shutting down.", NOW, by_cluster=True),
            id="graceful node shutdown",
        ),
        pytest.param(
            pod(**disrupted("EvictionByEvictionAPI")), None, id="about to be evicted: its process has not ended"
        ),
        pytest.param(pod(deleting=NOW + 5), None, id="being deleted"),
        pytest.param(pod(deleting=NOW - 4), None, id="deletion a moment late"),
        pytest.param(
            pod(deleting=NOW - 5),
            Ending(
                7, Reason.NODE_LOST, "Pod k1-1 was deleted and node1 does not confirm its end.", NOW, by_cluster=True
            ),
            id="deletion not confirmed",
        ),
    ],
)
def test_ending_of_pod(ended: dict[str, Any], ending: Ending | None) -> None:
    observed = seen(ended)
    (facts,) = observed.pods
    assert ending_of_pod(facts, 7, NOW, silent_node_at(facts, observed)) == ending


@pytest.mark.parametrize(
    ("last_seen", "ending"),
    [
        pytest.param(
            None, Ending(2, Reason.POD_DELETED, "Pod k1-1 was deleted by somebody else.", NOW), id="never seen ending"
        ),
        pytest.param(
            pod(), Ending(2, Reason.POD_DELETED, "Pod k1-1 was deleted by somebody else.", NOW), id="seen alive"
        ),
        pytest.param(
            pod(**disrupted("DeletionByPodGC")),
            Ending(2, Reason.NODE_LOST, "The node of pod k1-1 was lost.", NOW, by_cluster=True),
            id="seen disrupted",
        ),
        pytest.param(
            pod(conditions=[*disrupted("DeletionByTaintManager")["conditions"], *SILENT_NODE]),
            Ending(2, Reason.NODE_LOST, "The node of pod k1-1 was lost.", NOW, by_cluster=True),
            id="seen disrupted on a node that is silent",
        ),
    ],
)
def test_ending_of_lost_pod(last_seen: dict[str, Any] | None, ending: Ending) -> None:
    assert ending_of_lost_pod("k1-1", 2, NOW, pod_facts(last_seen) if last_seen else None) == ending


def test_a_reason_of_a_newer_operator_is_a_crash_in_its_own_words() -> None:
    """After a rollback its objects are there, and must not stop the older operator."""
    known = Exit(generation=2, reason="Teleported", message="The kernel was teleported.", time=NOW, exit_code=7)
    assert ending_in_status(known) == Ending(2, Reason.KERNEL_CRASHED, "The kernel was teleported.", NOW, 7)


def test_who_was_killed_for_memory_reads_how_much_there_was() -> None:
    """What is in force, not what was asked for."""
    killed = pod(**terminated(137, reason="OOMKilled"))
    killed["spec"]["containers"] = [{"name": "kernel", "resources": {"limits": {"memory": "2Gi"}}}]
    found = ending_of_pod(pod_facts(killed), 0, NOW)
    assert found is not None
    assert found.message.startswith("The kernel used more memory than its limit of 2Gi and was killed; ")
    killed["status"]["containerStatuses"][0]["resources"] = {"limits": {"memory": "1Gi"}}
    found = ending_of_pod(pod_facts(killed), 0, NOW)
    assert found is not None
    assert "than its limit of 1Gi" in found.message
    used = report("exited", oom_killed=True, memory=MemoryUse(usage=1 << 30, limit=3 << 30))
    assert "than its limit of 3Gi (it had used 1024Mi) and" in ending_of_report(used, memory_limit="3Gi").message
    assert "than its limit of 3Gi" in ending_of_report(report("exited", oom_killed=True), memory_limit="3Gi").message
