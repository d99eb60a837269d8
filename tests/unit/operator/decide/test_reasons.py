"""Kubernetes' words for a pod that does not run, and ours."""

from typing import Any

import pytest

from fixtures.objects import cr, pod
from kubernel_api.conditions import Reason
from kubernel_cluster.errors import ApiError
from kubernel_operator.decide.reasons import pending_reason, refusal_of, refusal_of_taken_name
from kubernel_operator.observe.observed import Refusal
from kubernel_operator.observe.pod_facts import pod_facts


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        pytest.param(
            ApiError(403, "Forbidden", 'pods "k1-1" is forbidden: exceeded quota: q, requested: pods=1'),
            Refusal(Reason.QUOTA_EXCEEDED, "Pod refused: exceeded quota: q, requested: pods=1"),
            id="quota",
        ),
        pytest.param(
            ApiError(403, "Forbidden", "error looking up service account ns/default"),
            Refusal(Reason.PENDING, "Pod refused for now: error looking up service account ns/default"),
            id="namespace of a moment ago",
        ),
        pytest.param(
            ApiError(403, "Forbidden", 'pods "k1-1" is forbidden: status unknown for quota: q, resources: pods'),
            Refusal(Reason.PENDING, "Pod refused for now: status unknown for quota: q, resources: pods"),
            id="quota of a moment ago",
        ),
        pytest.param(
            ApiError(403, "Forbidden", 'pods "k1-1" is forbidden: not yet ready to handle request'),
            Refusal(Reason.PENDING, "Pod refused for now: not yet ready to handle request"),
            id="API server of a moment ago",
        ),
        pytest.param(
            ApiError(403, "Forbidden", 'violates PodSecurity "restricted:latest": runAsNonRoot != true'),
            Refusal(
                Reason.POD_SECURITY_VIOLATION,
                'Pod refused by Pod Security: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            ),
            id="pod security",
        ),
        pytest.param(
            ApiError(403, "Forbidden", "cannot create resource"),
            Refusal(Reason.FORBIDDEN, "Pod refused: cannot create resource"),
            id="forbidden",
        ),
        pytest.param(
            ApiError(409, "AlreadyExists", "already exists"),
            Refusal(Reason.NAME_CONFLICT, "Pod refused: already exists; delete it or choose another name"),
            id="name taken",
        ),
        pytest.param(
            ApiError(422, "Invalid", "spec.containers[0].image: Required"),
            Refusal(Reason.CONFIG_ERROR, "Pod refused: spec.containers[0].image: Required"),
            id="invalid",
        ),
    ],
)
def test_refusal_of(error: ApiError, refusal: Refusal) -> None:
    assert refusal_of("Pod", error) == refusal


def test_refusal_of_taken_name() -> None:
    taken = ApiError(409, "AlreadyExists", "already exists")
    waiting = Refusal(Reason.CREATING, "Pod k1-1 of an earlier KernelInstance is being deleted.")
    assert refusal_of_taken_name(cr(), "Pod", pod(owner="old"), taken) == waiting
    foreign = pod()
    del foreign["metadata"]["ownerReferences"]
    assert refusal_of_taken_name(cr(), "Pod", foreign, taken).reason is Reason.NAME_CONFLICT
    foreign["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    assert refusal_of_taken_name(cr(), "Pod", foreign, taken) == waiting
    foreign["metadata"]["finalizers"] = ["example.org/keep"]
    said = f"{waiting.message[:-1]}; it stays until its finalizers are taken away: example.org/keep."
    assert refusal_of_taken_name(cr(), "Pod", foreign, taken) == Refusal(Reason.CREATING, said)


def waiting(reason: str, message: str = "why") -> dict[str, Any]:
    return pod(phase="Pending", state={"waiting": {"reason": reason, "message": message}})


def unschedulable(message: str) -> dict[str, Any]:
    return pod(phase="Pending", state={}, scheduled={"status": "False", "message": message})


HOME = {"volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}]}


def unseen(spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    made = pod(phase="Pending", state={}, ip=None, scheduled={}, **status)
    made["spec"] |= spec
    return made


IMAGE = "example.org/kernel:1"
CREATING = "The container is being created."


@pytest.mark.parametrize(
    ("pending", "reason", "message"),
    [
        pytest.param(
            pod(phase="Pending", state={}, scheduled={}),
            Reason.CREATING,
            "The pod was created; the scheduler has not seen it yet.",
            id="not seen by the scheduler",
        ),
        pytest.param(
            unseen({"schedulerName": "no-such"}),
            Reason.CREATING,
            "The pod was created; the scheduler no-such has not seen it yet.",
            id="a scheduler that is not there",
        ),
        pytest.param(
            pod(
                phase="Pending",
                state={},
                scheduled={"status": "False", "reason": "SchedulerError", "message": "binding rejected: timeout"},
            ),
            Reason.CREATING,
            "The pod has no node yet: binding rejected: timeout",
            id="a node that was found in vain",
        ),
        pytest.param(
            unseen(HOME, nominatedNodeName="node1"),
            Reason.VOLUME_PENDING,
            "The pod waits for its volume: home is to be made for node1; kubectl describe pvc home",
            id="a volume that nobody makes",
        ),
        pytest.param(
            unseen(HOME),
            Reason.CREATING,
            "The scheduler has said nothing of the pod; perhaps it waits for home: kubectl describe pvc home",
            id="the same before Kubernetes 1.34",
        ),
        pytest.param(
            unseen({"schedulerName": "default-scheduler"}, nominatedNodeName="node1"),
            Reason.CREATING,
            "The pod is to run on node1, and waits for what it needs there.",
            id="a device",
        ),
        pytest.param(
            unschedulable('running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'),
            Reason.VOLUME_PENDING,
            'The pod waits for its volume: running PreBind plugin "VolumeBinding": binding volumes: context deadline '
            "exceeded",
            id="a volume that nobody has made",
        ),
        pytest.param(
            unschedulable("0/1 nodes are available: 1 Insufficient cpu."),
            Reason.UNSCHEDULABLE,
            "The pod cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
            id="no room",
        ),
        pytest.param(
            unschedulable(
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
                "available: 1 No preemption victims found for incoming pod."
            ),
            Reason.UNSCHEDULABLE,
            "The pod cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
            id="no room, in the words of Kubernetes 1.34 and newer",
        ),
        pytest.param(
            unschedulable('persistentvolumeclaim "home" not found'),
            Reason.VOLUME_PENDING,
            'The pod waits for its volume: persistentvolumeclaim "home" not found',
            id="claim missing",
        ),
        pytest.param(
            unschedulable("pod has unbound immediate PersistentVolumeClaims"),
            Reason.VOLUME_PENDING,
            "The pod waits for its volume: pod has unbound immediate PersistentVolumeClaims",
            id="claim unbound",
        ),
        pytest.param(
            pod(phase="Pending", state={}), Reason.SCHEDULED, "The pod was scheduled to node1.", id="scheduled"
        ),
        pytest.param(waiting("ContainerCreating", ""), Reason.CONTAINER_CREATING, CREATING, id="creating"),
        pytest.param(
            waiting("ErrImagePull"),
            Reason.IMAGE_PULL_FAILED,
            f"The image {IMAGE} cannot be pulled (ErrImagePull): why",
            id="pull failed",
        ),
        pytest.param(
            waiting("ImagePullBackOff"),
            Reason.IMAGE_PULL_FAILED,
            f"The image {IMAGE} cannot be pulled (ImagePullBackOff): why",
            id="pull backs off",
        ),
        pytest.param(
            waiting("ErrImageNeverPull"),
            Reason.IMAGE_PULL_FAILED,
            f"The image {IMAGE} cannot be pulled (ErrImageNeverPull): why",
            id="pull not allowed",
        ),
        pytest.param(
            waiting("SignatureValidationFailed"),
            Reason.IMAGE_PULL_FAILED,
            f"The image {IMAGE} cannot be pulled (SignatureValidationFailed): why",
            id="not signed by whom it has to be",
        ),
        pytest.param(
            waiting("InvalidImageName"),
            Reason.INVALID_IMAGE_NAME,
            f"The image name {IMAGE} is not valid: why; correct spec.image",
            id="invalid image name",
        ),
        pytest.param(
            waiting("ImagePullBackOff", "ErrImagePull: invalid reference format: must be lowercase"),
            Reason.INVALID_IMAGE_NAME,
            f"The image name {IMAGE} is not valid: ErrImagePull: invalid reference format: must be lowercase; "
            "correct spec.image",
            id="image name that only containerd finds invalid",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'configmap "kubernel-supervisor-1" not found'),
            Reason.CONTAINER_CREATING,
            'The container is being created: configmap "kubernel-supervisor-1" not found',
            id="no supervisor yet",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "k1-0123abcd45" not found'),
            Reason.CONTAINER_CREATING,
            'The container is being created: secret "k1-0123abcd45" not found',
            id="Secret and pod are created together",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"),
            Reason.CONTAINER_CREATING,
            "The container is being created: failed to sync secret cache: timed out waiting for the condition",
            id="busy kubelet has not seen the Secret",
        ),
        pytest.param(
            waiting("CreateContainerError", "context deadline exceeded"),
            Reason.CONTAINER_CREATING,
            "The container is being created: context deadline exceeded",
            id="busy container runtime",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'container has runAsNonRoot and image will run as root (pod: "k-1")'),
            Reason.CONFIG_ERROR,
            "The container cannot be created (CreateContainerConfigError): "
            "container has runAsNonRoot and image will run as root; kernels do not run as root: "
            "take an image whose USER is a number but 0, or have runAsUser set for all",
            id="runs as root",
        ),
        pytest.param(
            waiting("RunContainerError"),
            Reason.CONTAINER_CREATING,
            "The container is being created: why",
            id="does not run for once",
        ),
        pytest.param(
            pod(), Reason.KERNEL_STARTING, "The container runs; the kernel does not answer yet.", id="container runs"
        ),
    ],
)
def test_pending_reason(pending: dict[str, Any], reason: Reason, message: str) -> None:
    assert pending_reason(pod_facts(pending)) == (reason, message)


def gated(*gates: str, queue: str = "") -> dict[str, Any]:
    made = pod(phase="Pending", state={}, scheduled={"status": "False", "reason": "SchedulingGated", "message": "m"})
    made["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": queue} if queue else {}
    made["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]
    return made


@pytest.mark.parametrize(
    ("waiting", "message"),
    [
        pytest.param(
            gated("example.org/quota", "example.org/other"),
            "The pod waits until its scheduling gates are taken away: example.org/quota, example.org/other.",
            id="somebody's gates",
        ),
        pytest.param(
            gated("kueue.x-k8s.io/admission", queue="team-a"),
            "The pod waits in Kueue's queue team-a: there is no quota for it yet.",
            id="Kueue",
        ),
        pytest.param(
            gated("kueue.x-k8s.io/admission"),
            "The pod waits in Kueue's queue: there is no quota for it yet.",
            id="Kueue, queue unknown",
        ),
        pytest.param(
            gated("kueue.x-k8s.io/admission", "example.org/licence", "kueue.x-k8s.io/topology", queue="team-a"),
            "The pod waits in Kueue's queue team-a: there is no quota for it yet. "
            "It also waits until other scheduling gates are taken away: example.org/licence.",
            id="Kueue and somebody else",
        ),
    ],
)
def test_a_gated_pod_is_not_unschedulable(waiting: dict[str, Any], message: str) -> None:
    assert pending_reason(pod_facts(waiting)) == (Reason.SCHEDULING_GATED, message)
