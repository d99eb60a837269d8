"""What the cluster does to a pod is not what a kernel does: M16, F4. An operator, a kubelet played by the test."""

from typing import Any

import pytest

from fixtures.objects import NOW, disrupted, pod, terminated
from fixtures.one_kernel import begin, call_back, names, newest, passes, run, words
from fixtures.operator_world import World
from kubernel_operator.observe.pod_facts import pod_facts

REJECTED: dict[str, Any] = {
    "phase": "Failed",
    "reason": "OutOfcpu",
    "message": "Pod was rejected: Node didn't have enough resource: cpu",
}
UNEXPECTED = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "Pod was rejected: Allocate failed"}
AFFINITY = {"phase": "Failed", "reason": "NodeAffinity", "message": "Pod was rejected: Predicate NodeAffinity failed"}
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
BUSY = "failed to create shim task: OCI runtime create failed: unable to apply cgroup configuration: Timeout"
NOT_STARTED = pod(**terminated(128, reason="StartError", message=BUSY))["status"]
SHUTDOWN = {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."}
CRITICAL = {"reason": "Preempting", "message": "Preempted in order to admit critical pod"}
DEADLINE = {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(REJECTED, "(OutOfcpu). Pod was rejected: Node didn't have enough resource: cpu", id="no room"),
        pytest.param(UNEXPECTED, "(UnexpectedAdmissionError). Pod was rejected: Allocate failed", id="device plug-in"),
        pytest.param(AFFINITY, "(NodeAffinity). Pod was rejected: Predicate NodeAffinity failed", id="node changed"),
        pytest.param(EVICTED, "was evicted. The node was low on resource: memory.", id="evicted"),
        pytest.param(NOT_STARTED, "cannot be started: failed to create shim task: ", id="container runtime"),
        pytest.param(
            {"phase": "Failed", **disrupted("DeletionByPodGC", "node is gone")},
            "The node of pod k1-1 was lost. node is gone",
            id="node lost",
        ),
    ],
)
def test_a_pod_that_never_ran_our_kernel_is_replaced(world: World, status: dict[str, Any], said: str) -> None:
    begin(world)
    world.change_pod(newest(world), **status)
    passes(world)
    phase, reason, message = words(world)
    assert (phase, reason) == ("Pending", "PodReplaced")
    assert said in message
    assert message.endswith("Another pod takes its place.")
    assert names(world) == ["k1-1"]
    passes(world, 1.0)
    assert names(world) == ["k1-1", "k1-2"]
    call_back(world, 1, "running")
    passes(world)
    assert words(world)[0] == "Running"


def test_a_pod_that_was_preempted_and_is_gone_is_replaced(world: World) -> None:
    """The scheduler says so and deletes it; what was said last is remembered."""
    begin(world)
    taken = newest(world)
    taken["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    world.change_pod(taken, phase="Pending", **disrupted("PreemptionByScheduler", "room for k9"))
    passes(world)
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    passes(world)
    assert words(world)[1:] == (
        "PodReplaced",
        "Pod k1-1 made room for one of higher priority. room for k9 Another pod takes its place.",
    )
    passes(world, 1.0)
    assert names(world) == ["k1-2"]


def test_a_pod_that_is_evicted_and_gone_between_two_passes(world: World) -> None:
    """The object that the API server deleted has the cause."""
    run(world)
    evicted = newest(world) | {"status": {"phase": "Running", **disrupted("EvictionByEvictionAPI", "drained")}}
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.reconciler.pod_is_gone(("ns", "k1"), pod_facts(evicted))
    passes(world)
    assert words(world)[1:] == ("Evicted", "Pod k1-1 was evicted. drained")


def test_the_last_of_an_older_pod_says_nothing_of_a_newer_one(world: World) -> None:
    begin(world)
    world.change_pod(newest(world), **REJECTED)
    passes(world)
    passes(world, 1.0)
    old, new = world.pods()
    evicted = old | {"status": disrupted("EvictionByEvictionAPI", "drained")}
    world.reconciler.pod_is_gone(("ns", "k1"), pod_facts(new))
    world.reconciler.pod_is_gone(("ns", "k1"), pod_facts(evicted))
    for pod_name in names(world):
        world.cluster.remove(f"/api/v1/namespaces/ns/pods/{pod_name}")
    passes(world)
    assert "drained" not in words(world)[2]


def test_nothing_is_kept_of_pods_that_are_gone(world: World) -> None:
    """Restarts with new pods may go on for as long as the KernelInstance is there."""
    run(world)
    memory = world.reconciler._memory["ns", "k1"]
    memory.silent_pods.add("k1-1")
    gone = newest(world)
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.reconciler.pod_is_gone(("ns", "k1"), pod_facts(gone))
    assert (memory.reports, memory.callbacks, memory.silent_pods) == ({}, {}, set())


def test_five_other_pods_are_tried_and_no_more(world: World) -> None:
    begin(world)
    gaps = []
    for _ in range(5):
        world.change_pod(newest(world), **REJECTED)
        before, since = len(names(world)), world.now
        while len(names(world)) == before:
            passes(world, 0.5)
            assert world.now < NOW + 100
        gaps.append(world.now - since)
    assert gaps == [1.5, 2.5, 4.5, 8.5, 16.5]  # 1, 2, 4, 8, 16 s after the pass that saw it
    world.change_pod(newest(world), **REJECTED)
    passes(world)
    assert words(world)[:2] == ("Exited", "PodRejected")
    passes(world, 31)
    assert words(world)[:2] == ("Failed", "PodRejected")
    assert len(names(world)) == 6


def test_an_image_that_does_not_fit_is_not_tried_again(world: World) -> None:
    begin(world)
    missing = {"reason": "StartError", "message": 'exec: "sh": executable file not found in $PATH'}
    world.change_pod(newest(world), **pod(**terminated(128, **missing))["status"])
    passes(world)
    assert words(world)[:2] == ("Failed", "ConfigError")
    passes(world, 2)
    assert names(world) == ["k1-1"]


def test_tries_end_with_the_start_deadline(world: World) -> None:
    begin(world, lifecycle={"startDeadlineSeconds": 3})
    world.change_pod(newest(world), **REJECTED)
    passes(world)
    passes(world, 3)
    _, reason, message = words(world)
    assert reason == "StartTimeout"
    assert "OutOfcpu" in message


def test_a_kernel_that_was_ready_is_not_started_again_by_itself(world: World) -> None:
    """Its variables are gone; whether to start anew is the user's, or Jupyter's, decision."""
    run(world)
    world.change_pod(newest(world), **EVICTED)
    passes(world)
    assert words(world)[:2] == ("Exited", "Evicted")
    passes(world, 31)
    assert (words(world)[0], names(world)) == ("Failed", ["k1-1"])


def test_a_pod_that_somebody_deleted_is_not_replaced(world: World) -> None:
    begin(world)
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    passes(world)
    assert words(world)[:2] == ("Exited", "PodDeleted")


ENDS = [
    pytest.param(EVICTED, "Evicted", "The node was low on resource: memory.", id="evicted"),
    pytest.param(SHUTDOWN, "NodeLost", "imminent node shutdown", id="node shutdown"),
    pytest.param(CRITICAL, "Preempted", "to admit critical pod", id="a critical pod"),
    pytest.param(DEADLINE, "DeadlineExceeded", "longer than the specified deadline", id="the pod's own deadline"),
]


def kubelet_says(world: World, status: dict[str, Any]) -> None:
    """The condition is the same for three causes."""
    fields = pod(**terminated(143), **disrupted("TerminationByKubelet"))["status"]
    world.change_pod(newest(world), **fields | {k: v for k, v in status.items() if k != "phase"})


@pytest.mark.parametrize(("status", "reason", "said"), ENDS)
def test_what_the_kubelet_ends_is_no_crash(world: World, status: dict[str, Any], reason: str, said: str) -> None:
    """The supervisor hears a SIGTERM and reports it; the kubelet says why a moment later."""
    run(world)
    call_back(world, 2, "exited", signal=15)
    passes(world)
    assert words(world)[0] == "Running", "not decided yet"
    kubelet_says(world, status)
    passes(world, 0.5)
    assert words(world)[:2] == ("Exited", reason)
    assert said in words(world)[2]


@pytest.mark.parametrize("rejected", [UNEXPECTED, REJECTED, AFFINITY], ids=["device", "no room", "node changed"])
@pytest.mark.parametrize("ended", [{}, terminated(143), terminated(137)], ids=["no container", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("reported", [True, False], ids=["reported", "not reported"])
def test_a_kubelet_that_starts_anew_may_reject_what_runs(
    world: World, rejected: dict[str, Any], ended: dict[str, Any], reported: bool
) -> None:
    """Of pods with devices, or whose node's labels have changed meanwhile."""
    run(world)
    status = pod(**ended)["status"] | {key: rejected[key] for key in ("phase", "reason", "message")}
    if not ended:
        status["containerStatuses"] = []
    world.change_pod(newest(world), **status)
    if reported:
        call_back(world, 2, "exited", signal=15)
    passes(world)
    assert words(world)[:2] == ("Exited", "PodRejected")
    assert rejected["message"] in words(world)[2]


@pytest.mark.parametrize(("status", "reason", "said"), ENDS)
def test_a_word_that_came_too_early_is_corrected(world: World, status: dict[str, Any], reason: str, said: str) -> None:
    run(world)
    call_back(world, 2, "exited", signal=15)
    passes(world)
    passes(world, 1.0)
    assert words(world)[:2] == ("Exited", "KernelCrashed")
    kubelet_says(world, status)
    world.start_operator()  # it need not even be the same operator
    passes(world)
    assert words(world)[:2] == ("Exited", reason)
    assert said in words(world)[2]
    exit_ = world.instance()["status"]["exit"]
    assert (exit_["reason"], exit_["signal"], exit_["exitCode"]) == (reason, 15, 143)


def test_a_supervisor_that_was_told_to_end_waits_for_the_reason(world: World) -> None:
    """A kernel may handle SIGTERM and end with any exit code; its supervisor knows that it was sent."""
    run(world)
    call_back(world, 2, "exited", exitCode=1, reason="Terminated")
    passes(world)
    assert words(world)[0] == "Running"
    kubelet_says(world, EVICTED)
    passes(world, 0.5)
    assert words(world)[:2] == ("Exited", "Evicted")


def test_a_crash_before_an_eviction_stays_a_crash(world: World) -> None:
    run(world)
    call_back(world, 2, "exited", exitCode=1)
    passes(world)
    kubelet_says(world, EVICTED)
    passes(world, 5)
    assert words(world)[:2] == ("Exited", "KernelCrashed")


# As the kubelet writes it with cgroup v2: memory.oom.group ends the whole container, the supervisor with it.
OUT_OF_MEMORY = pod(**terminated(137, reason="OOMKilled", message="patient 4711\nkey=" + "0123456789abcdef" * 4))[
    "status"
]


def test_out_of_memory_with_cgroup_v2(world: World) -> None:
    """M12, M11: nobody reports it, and what the user printed is nobody's business."""
    run(world)
    world.change_pod(newest(world), **OUT_OF_MEMORY)
    passes(world)
    exit_ = world.instance()["status"]["exit"]
    assert (exit_["reason"], exit_["exitCode"], exit_["signal"], exit_["oomKilled"]) == ("OOMKilled", 137, 9, True)
    assert "4711" not in str([o for p, o in world.cluster.objects.items() if "/pods/" not in p])
    instance = world.instance()
    world.apply({**instance, "spec": {**instance["spec"], "restartGeneration": 1}})
    passes(world)
    assert names(world) == ["k1-1", "k1-2"], "there is no supervisor to restart it in place"


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_printed_after_ready_is_told_on_no_path(world: World, restarted: bool) -> None:
    """M11: an operator that was away, an image without Python: the pod's own last words are the user's."""
    run(world)
    world.change_pod(newest(world), **pod(**terminated(1, message="patient 4711"))["status"])
    if restarted:
        world.start_operator()
    passes(world)
    assert words(world) == ("Exited", "KernelCrashed", "The kernel ended with exit code 1.")
    assert "4711" not in str([o for p, o in world.cluster.objects.items() if "/pods/" not in p])


def test_what_was_printed_after_ready_is_not_believed_to_be_a_supervisors_word(world: World) -> None:
    """Whoever runs in the pod may find its token, and send anything."""
    run(world)
    call_back(world, 2, "exited", exitCode=1, log="patient 4711")
    passes(world)
    assert words(world) == ("Exited", "KernelCrashed", "The kernel ended with exit code 1.")


def test_what_a_kernel_said_that_never_got_ready_is_told(world: World) -> None:
    begin(world)
    key = "0123456789abcdef" * 4
    said = f"No module named ipykernel_launcher (key={key})"
    world.change_pod(newest(world), **pod(**terminated(1, message=said))["status"])
    passes(world)
    assert words(world)[2].endswith("No module named ipykernel_launcher (key=[secret])")


def test_other_signals_are_said_at_once(world: World) -> None:
    run(world)
    call_back(world, 2, "exited", signal=11)
    passes(world)
    assert words(world)[:2] == ("Exited", "KernelCrashed")


FAILED_ALONE = pod(**terminated(143))["status"]


def kubelet_event(name: str, reason: str, message: str, second: int) -> dict[str, Any]:
    about = {"uid": "pod-uid", "fieldPath": "spec.containers{kernel}"}
    time = f"2027-01-15T08:00:{second:02}Z"
    metadata = {"name": name, "namespace": "ns", "uid": name}
    return {"metadata": metadata, "involvedObject": about, "reason": reason, "message": message, "lastTimestamp": time}


@pytest.mark.parametrize(
    ("reason", "message", "second", "words"),
    [
        ("Unhealthy", "Liveness probe failed: ", 30, "The node ended the kernel's container: Liveness probe failed."),
        (
            "FailedPostStartHook",
            "PostStartHook failed",
            30,
            "The node ended the kernel's container: PostStartHook failed.",
        ),
        ("Unhealthy", "Liveness probe failed: ", 1, "The kernel was ended by signal 15, SIGTERM."),
        ("Unhealthy", "Readiness probe failed: ", 30, "The kernel was ended by signal 15, SIGTERM."),
    ],
    ids=["probe", "hook", "probe that healed", "probe that ends nothing"],
)
def test_a_probe_or_hook_that_ends_the_container_is_named(
    world: World, reason: str, message: str, second: int, words: str
) -> None:
    run(world)
    for event in (
        kubelet_event("a", reason, message, second),
        kubelet_event("b", "Killing", "Stopping container kernel", 31),
    ):
        world.cluster.put(f"/api/v1/namespaces/ns/events/{event['metadata']['name']}", event)
    call_back(world, 2, "exited", signal=15, reason="Terminated")
    world.change_pod(newest(world), **FAILED_ALONE)
    for _ in range(5):
        passes(world, 0.3)
    assert world.instance()["status"]["message"] == words
    assert world.cluster.requests.count(("list", "events")) == 1
