"""Why a pod does not run yet: Kubernetes' words to ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kubernel_api.conditions import Reason
from kubernel_api.constants import KERNEL_CONTAINER, KIND
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.observe.facts import Condition, EventFacts, finalizers_of, seconds_of
from kubernel_operator.observe.observed import Refusal
from kubernel_operator.observe.pod_facts import Container, PodFacts, Terminated, Waiting

from .refused_containers import CREATION_FAILED, is_final, is_passing, registrys_words

TOO_MANY_REQUESTS = 429
_NOT_PULLED = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "ImageInspectError",
        "SignatureValidationFailed",
    }
)
# What the scheduler adds of claims and preemption: nodes again, and nothing that a kernel's people can change.
_OF_LITTLE_USE = re.compile(r"(?: no new claims to deallocate,)? preemption:.*", re.DOTALL)
# Characters of a time up to its seconds.
SECONDS = len("2027-01-15T08:00:00")
# A kubelet ends a container so soon after the probe that was the last straw.
KILLED_WITHIN_SECONDS = 10.0
# A container that has only to be waited for.
_ON_ITS_WAY = frozenset({"", "PodInitializing", "ContainerCreating"})
# A kubelet's troubles before there is a container.
_NOT_SET_UP = frozenset(
    {
        "FailedCreatePodSandBox",
        "FailedPodSandBoxStatus",
        "FailedCreatePodContainer",
        "NetworkNotReady",
        "FailedPrepareDynamicResources",
    }
)
# What the scheduler says where a volume is in the way, and not a node.
_OF_VOLUMES = ("unbound immediate PersistentVolumeClaims", "persistentvolumeclaim", "binding volumes")
# Forbidden by name, and allowed a moment later: a namespace or a quota was created just now, and its controller has yet
# to make the ServiceAccount, or to count; an API server was started just now.
_REFUSED_FOR_NOW = (
    "error looking up service account",
    "status unknown for quota",
    "not yet ready to handle request",
)
# How the API server begins; the child's name is nothing that its people know.
_NAME_OF_CHILD = re.compile(r'^[a-z]+ "[^"]*" is forbidden: ')


def refusal_of(kind: str, error: ApiError) -> Refusal:
    """Why the API server refused to create a child. ``kind`` is e.g. "Pod"."""
    text = _NAME_OF_CHILD.sub("", error.message)
    if error.status == 403 and "exceeded quota" in text:
        return Refusal(Reason.QUOTA_EXCEEDED, f"{kind} refused: {text}")
    if error.status == 403 and any(words in text for words in _REFUSED_FOR_NOW):
        return Refusal(Reason.PENDING, f"{kind} refused for now: {text}")
    if error.status == 403 and "PodSecurity" in text:
        return Refusal(Reason.POD_SECURITY_VIOLATION, f"{kind} refused by Pod Security: {text}")
    if error.status == 403:
        return Refusal(Reason.FORBIDDEN, f"{kind} refused: {text}")
    if error.status == 409:
        return Refusal(Reason.NAME_CONFLICT, f"{kind} refused: {text}; delete it or choose another name")
    return Refusal(Reason.CONFIG_ERROR, f"{kind} refused: {text}")


def refusal_of_deletion(what: str, error: ApiError) -> Refusal:
    """Why a pod runs on that is to go, or a KernelInstance stays: a policy, a webhook. ``what`` begins the sentence.

    It is waited for: a start need not fail since the pod before it is still there.
    """
    return Refusal(Reason.API_ERROR, f"{what}, it is tried again: {_NAME_OF_CHILD.sub('', error.message)}")


def is_refusal_of_claim(error: ApiError) -> bool:
    """Whether somebody keeps a pool's pod from being claimed, a policy or missing rights, and keeps the others from it.

    Otherwise it is gone, or another's by now: the API server has nothing to say of a JSON patch whose test fails.
    """
    return error.status not in {404, 409} and not (error.status == 422 and not error.details)


def refusal_of_failure(what: str, error: ApiUnavailableError) -> Refusal:
    """Why an outcome is not known: a webhook is down, etcd is slow, nobody answers. ``what`` begins the sentence."""
    status = f" ({error.status})" if error.status is not None else ""
    return Refusal(Reason.API_ERROR, f"{what} yet, it is tried again: {error.message}{status}")


def is_worth_saying(error: ApiUnavailableError, times: int) -> bool:
    """Whether people should hear of a failure: the server explains it, or it is the second in a row."""
    explained = error.status is not None and error.status != TOO_MANY_REQUESTS
    return explained or times > 1


def refusal_of_taken_name(cr: dict[str, Any], kind: str, found: dict[str, Any], error: ApiError) -> Refusal:
    """Why a child's name is taken: by its predecessor, which is being deleted, or by something that will stay.

    A KernelInstance that is deleted and applied again meets the children of the first one until garbage collection
    has come by.
    """
    metadata = found["metadata"]
    owners = metadata.get("ownerReferences") or []
    inherited = any(o.get("kind") == KIND and o.get("name") == cr["metadata"]["name"] for o in owners)
    if inherited or metadata.get("deletionTimestamp"):
        kept = (
            f"; it stays until its finalizers are taken away: {', '.join(f)}" if (f := finalizers_of(metadata)) else ""
        )
        name = metadata["name"]
        return Refusal(Reason.CREATING, f"{kind} {name} of an earlier KernelInstance is being deleted{kept}.")
    return refusal_of(kind, error)


def refusal_of_foreign_supervisor(name: str) -> Refusal:
    """Why no pod is made in a namespace where somebody else's ConfigMap has the name of the supervisor's."""
    return Refusal(
        Reason.NAME_CONFLICT,
        f"ConfigMap {name} holds something else than the kernels' supervisor, so none is started with it; delete it, "
        "and it is made anew",
    )


def pending_reason(pod: PodFacts, *, believed: bool = False) -> tuple[Reason, str]:
    """Why a pod that has not ended does not run its kernel yet, as far as the pod itself tells.

    Args:
        pod: the pod.
        believed: whether its node has refused to make its container for long enough.
    """
    if pod.kernel_runs:
        return Reason.KERNEL_STARTING, "The container runs; the kernel does not answer yet."
    if pod.scheduled is None and pod.node is None:
        return _unseen(pod)
    if pod.scheduled is not None and not pod.scheduled.is_true:
        return _unscheduled(pod, pod.scheduled)
    if (init := pod.blocking_init) is not None:
        return _blocked(init, believed=believed)
    if pod.kernel is not None and pod.kernel.waiting is not None:
        return _waiting(pod.kernel, pod.kernel.waiting, believed=believed)
    return Reason.SCHEDULED, f"The pod was scheduled to {pod.node or 'a node'}."


def once_believed(reason: Reason, *, believed: bool) -> Reason:
    """An image that cannot be pulled is refused once its registry is believed."""
    return Reason.IMAGE_REFUSED if believed and reason is Reason.IMAGE_PULL_FAILED else reason


def reason_from_events(events: Iterable[EventFacts]) -> tuple[Reason, str] | None:
    """What only Events tell about a pod that is being created: image pulls, mounts, sandboxes.

    The newest one counts: each step that succeeds, or fails in another way, takes back what was said before it.

    Args:
        events: as the API server lists them: by their names, which end with the time at which each was first posted.
    """
    # The kubelet's times have whole seconds, in which much happens.
    newest_first = sorted(enumerate(events), key=lambda each: (each[1].time[:SECONDS], each[0]), reverse=True)
    for _, event in newest_first:
        match event.reason:
            case "Pulling":
                return Reason.IMAGE_PULLING, f"The image{_of(event.container)} is being pulled. {event.message}"
            case "Failed" | "BackOff" if "image" in event.message or "Image" in event.message:
                return Reason.IMAGE_PULL_FAILED, f"The image{_of(event.container)} cannot be pulled: {event.message}"
            case "FailedMount" | "FailedAttachVolume" | "FailedMapVolume":
                return Reason.VOLUME_MOUNT_FAILED, f"A volume cannot be mounted: {event.message}"
            case reason if reason in _NOT_SET_UP:
                return Reason.CONTAINER_CREATING, f"The node cannot set up the pod yet: {event.message}"
            case "TriggeredScaleUp" | "Nominated":  # of the cluster-autoscaler, of Karpenter
                return Reason.SCALING_UP, f"A node is being added for the pod. {event.message}"
            case "FailedScaleUp":  # of GKE
                return Reason.UNSCHEDULABLE, f"no node could be added: {event.message}"
            case "NotTriggerScaleUp":
                return None
            case "FailedScheduling" if event.message.startswith("Failed to schedule pod"):  # of Karpenter, by any name
                return None
            case "Pulled" | "Created" | "Started" | "SuccessfulAttachVolume":
                return None
    return None


def hint_from_events(events: Iterable[EventFacts]) -> str:
    """What Events say beside the reason, and what a person would look for in vain in the reason's own words."""
    for event in events:
        if event.reason == "FailedToRetrieveImagePullSecret":
            names = event.message.partition("(")[2].partition(")")[0]
            return f"Secret {names} does not exist in this namespace" if names else event.message
    return ""


def why_killed(events: Iterable[EventFacts]) -> str:
    """Why a kubelet ended the kernel's container and not its pod: a probe or hook that somebody gave it.

    A probe that failed and healed long before was not it. "" for no reason.
    """
    found = sorted((e for e in events if e.container == KERNEL_CONTAINER), key=lambda e: e.time)
    killed = next((seconds_of(e.time) for e in reversed(found) if e.reason == "Killing"), None)
    for event in reversed(found):
        is_why = event.reason == "FailedPostStartHook" or (
            event.reason == "Unhealthy" and "Readiness" not in event.message
        )
        if is_why and killed is not None and (seconds_of(event.time) or 0.0) >= killed - KILLED_WITHIN_SECONDS:
            return event.message.strip().rstrip(":.")
    return ""


def explained(reason: Reason, message: str, pending: tuple[Reason, str] | None, hint: str) -> tuple[Reason, str]:
    """What a pod says of itself, joined with what its Events say.

    Args:
        reason: of the pod itself.
        message: the sentence to it.
        pending: from its Events.
        hint: from its Events.
    """
    if pending is not None and reason is pending[0] is Reason.UNSCHEDULABLE:
        message = f"{message.rstrip('.')}; {pending[1]}"
    elif pending is not None and (
        reason in {Reason.SCHEDULED, Reason.CONTAINER_CREATING}
        or (reason is Reason.UNSCHEDULABLE and pending[0] is Reason.SCALING_UP)
    ):
        reason, message = pending
    return reason, f"{message}; {hint}" if hint and reason is Reason.IMAGE_PULL_FAILED else message


def misses(pod: PodFacts, name: str) -> bool:
    """Whether the kubelet looked in vain for a Secret or ConfigMap whose name begins so."""
    waiting = pod.kernel.waiting if pod.kernel is not None else None
    return waiting is not None and name in waiting.message and "not found" in waiting.message


def _unseen(pod: PodFacts) -> tuple[Reason, str]:
    """Why a pod has no node, and no word of the scheduler: it says nothing while it waits for a volume to be made."""
    claims = ", ".join(pod.claims)
    look = f"kubectl describe pvc {' '.join(pod.claims)}"
    if pod.nominated and claims:
        return (
            Reason.VOLUME_PENDING,
            f"The pod waits for its volume: {claims} is to be made for {pod.nominated}; {look}",
        )
    if claims:
        return Reason.CREATING, f"The scheduler has said nothing of the pod; perhaps it waits for {claims}: {look}"
    if pod.nominated:
        return Reason.CREATING, f"The pod is to run on {pod.nominated}, and waits for what it needs there."
    name = f" {pod.scheduler}" if pod.scheduler not in {"", "default-scheduler"} else ""
    return Reason.CREATING, f"The pod was created; the scheduler{name} has not seen it yet."


def _unscheduled(pod: PodFacts, scheduled: Condition) -> tuple[Reason, str]:
    """Why a pod has no node."""
    if pod.gates or scheduled.reason == "SchedulingGated":
        return Reason.SCHEDULING_GATED, _gated(pod)
    message = _OF_LITTLE_USE.sub("", scheduled.message or "no node fits")
    if any(words in message for words in _OF_VOLUMES):
        return Reason.VOLUME_PENDING, f"The pod waits for its volume: {message}"
    if scheduled.reason == "SchedulerError":  # a node was found, and is tried again: a webhook or the API server failed
        return Reason.CREATING, f"The pod has no node yet: {message}"
    return Reason.UNSCHEDULABLE, f"The pod cannot be scheduled: {message}"


def _gated(pod: PodFacts) -> str:
    """Who keeps the scheduler from looking at a pod."""
    others = [gate for gate in pod.gates if not gate.startswith("kueue.x-k8s.io/")]
    if len(others) == len(pod.gates):
        return f"The pod waits until its scheduling gates are taken away: {', '.join(others) or 'not known which'}."
    queue = f" {pod.queue}" if pod.queue else ""
    beside = f" It also waits until other scheduling gates are taken away: {', '.join(others)}." if others else ""
    return f"The pod waits in Kueue's queue{queue}: there is no quota for it yet.{beside}"


def init_failure(init: Container) -> str:
    """How an init container ended, in words."""
    ended = init.terminated or Terminated(None)
    why = f" ({ended.reason})" if ended.reason not in {"", "Error"} else ""
    return f"init container {init.name} ended with exit code {ended.exit_code}{why}"


def neighbours_in_trouble(pod: PodFacts) -> list[str]:
    """The containers beside the kernel's that do not run, and why: those that have ended, or cannot start."""
    beside = [*pod.others, *(init for init in pod.inits if init.sidecar)]
    return [f"{c.name} ({why})" for c in beside if (why := _trouble(c))]


def _trouble(container: Container) -> str:
    if container.terminated is not None:
        return f"exit code {container.terminated.exit_code}"
    waiting = container.waiting
    return waiting.reason if waiting is not None and waiting.reason not in _ON_ITS_WAY else ""


def _blocked(init: Container, *, believed: bool) -> tuple[Reason, str]:
    """Why an init container keeps the kernel's from starting."""
    if init.terminated is not None and init.terminated.exit_code and not init.tried_again:
        return Reason.CONFIG_ERROR, f"The kernel cannot start: {init_failure(init)}."
    # What is started again and again may heal.
    if init.waiting is not None and init.waiting.reason not in {*_ON_ITS_WAY, "CrashLoopBackOff"}:
        return _waiting(init, init.waiting, believed=believed)
    return Reason.CONTAINER_CREATING, f"The pod waits for init container {init.name}."


def _waiting(container: Container, waiting: Waiting, *, believed: bool) -> tuple[Reason, str]:
    reason, message = waiting.reason, waiting.message
    image = f"{container.image}{_of(container.name)}"
    what = "The container" if container.name == KERNEL_CONTAINER else f"Container {container.name}"
    match reason:
        # The kubelet takes an upper case first part for a registry, so only containerd sees that it is none.
        case _ if reason == "InvalidImageName" or "invalid reference format" in message:
            remedy = "; correct spec.image" if container.name == KERNEL_CONTAINER else ""
            return Reason.INVALID_IMAGE_NAME, f"The image name {image} is not valid: {message}{remedy}"
        case _ if reason in _NOT_PULLED:
            said = registrys_words(container.image, message)
            return Reason.IMAGE_PULL_FAILED, f"The image {image} cannot be pulled ({reason}): {said}"
        case _ if reason in CREATION_FAILED and not is_passing(waiting) and (believed or is_final(waiting)):
            return Reason.CONFIG_ERROR, f"{what} cannot be created ({reason}): {with_remedy(message)}"
        case _ if reason in CREATION_FAILED:
            return Reason.CONTAINER_CREATING, f"{what} is being created: {message}"
        case _:
            return Reason.CONTAINER_CREATING, f"{what} is being created. {message}".strip()


def _of(container: str) -> str:
    """Whose image it is, where it is not the kernel's."""
    return f" of container {container}" if container not in {"", KERNEL_CONTAINER} else ""


def with_remedy(message: str) -> str:
    """What the kubelet or the container runtime said of a container, and what helps where that is known."""
    what = message.partition(" (pod: ")[0]
    if "runAsNonRoot" in what:
        remedy = "kernels do not run as root: take an image whose USER is a number but 0, or have runAsUser set for all"
    elif 'exec: "sh"' in what:
        remedy = "the image needs a POSIX shell, sh"
    elif "exec format error" in what:
        remedy = (
            "the image is for another CPU architecture than the node: take one that is for both, or choose nodes by "
            "spec.nodeSelector (kubernetes.io/arch)"
        )
    else:
        return what
    return f"{what}; {remedy}"
