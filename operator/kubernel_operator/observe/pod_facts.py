"""A pod of ours as decisions read it.

The kernel's container is known by its name. All others, init containers too, were put there by somebody else: a service
mesh, a Vault agent, an admission webhook. What happens to them is never what happened to the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kubernel_api.constants import (
    ANNOTATION_GENERATION,
    ANNOTATION_IDLE_TIMEOUT,
    ANNOTATION_INCARNATION,
    ANNOTATION_POOL,
    ANNOTATION_RESTART_GENERATION,
    ANNOTATION_SHAPE,
    ANNOTATION_STARTUP_CPU,
    ANNOTATION_SUPERVISOR,
    KERNEL_CONTAINER,
    LABEL_KUEUE_QUEUE,
)
from kubernel_api.quantity import amount, whole

from .facts import Condition, Json, conditions_of, controller_uid, number, part, seconds_of
from .sizes import Sizes, sizes

# Kueue's condition on a pod that it deletes: its workload was evicted.
KUEUE_STOPS = "TerminationTarget"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run yet, in the kubelet's words."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """How a container ended.

    Attributes:
        message: what it left for the kubelet; with us the last of its output.
        finished: Unix seconds by the node's clock, for display only.
    """

    exit_code: int | None
    reason: str = ""
    message: str = ""
    finished: float | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container's state; none of the three: nothing is known yet.

    Attributes:
        sidecar: whether it is an init container that goes on running beside the others.
        tried_again: whether it is one that its kubelet starts again when it fails, in spite of the pod's policy.
        sizes: cpu and memory that are in force, as the kubelet says.
    """

    name: str
    image: str = ""
    running: bool = False
    waiting: Waiting | None = None
    terminated: Terminated | None = None
    started: bool = False
    sidecar: bool = False
    tried_again: bool = False
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def is_done(self) -> bool:
        """As an init container: whether the next one may start."""
        if self.sidecar:
            return self.started
        return self.terminated is not None and self.terminated.exit_code == 0


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod of ours.

    Attributes:
        incarnation: its number among the pods of its KernelInstance; 0 when it is no pod that an operator made.
        generation: the restartGeneration that it was created for.
        deleting: whether it is being deleted.
        grace_seconds: how long the kubelet may take for that.
        nominated: the node that the scheduler has chosen and not given to it yet: Kubernetes 1.34 and newer.
        scheduler: its name.
        claims: names of its PersistentVolumeClaims, while it has no node.
        gates: names of the scheduling gates that keep the scheduler from looking at it.
        queue: Kueue's queue, by its label.
        kernel: the container that the kernel runs in; None until the kubelet has said something of it.
        inits: the init containers, in their order.
        others: containers beside the kernel's.
        idle_timeout: seconds; what its KernelInstance leaves out and its template, or a bound, said.
        disruption: who takes the pod away: Kubernetes, or Kueue.
        reason: why the kubelet ended the pod or did not take it, e.g. Evicted.
        version: resourceVersion.
        made_for: metadata.generation of the KernelInstance that it was made from; 0: not known.
        sizes: cpu and memory that the kernel's container is to have.
        startup_cpu: the CPU limit of its starts, and its own, which is lower; None where they are the same.
        resize_pending: the kubelet has not taken the newest ones: not now (Deferred), or never (Infeasible).
        resize_in_progress: it has, and they are not in force yet.
        pool: the KernelPool that it was made for; "" for none.
        shape: hash of what it was made from, with a pool.
        created: Unix seconds, by the API server's clock.
        supervisor: name of the ConfigMap that its supervisor comes from.
    """

    namespace: str
    name: str
    uid: str
    owner_uid: str
    incarnation: int
    generation: int
    phase: str
    deleting: bool = False
    grace_seconds: float = 0.0
    node: str | None = None
    nominated: str = ""
    scheduler: str = ""
    claims: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    queue: str = ""
    kernel: Container | None = None
    inits: tuple[Container, ...] = ()
    others: tuple[Container, ...] = ()
    scheduled: Condition | None = None
    ready: Condition | None = None
    containers_ready: Condition | None = None
    disruption: Condition | None = None
    idle_timeout: float | None = None
    reason: str = ""
    message: str = ""
    version: str = ""
    made_for: int = 0
    sizes: Sizes = field(default_factory=Sizes)
    startup_cpu: tuple[str, str] | None = None
    resize_pending: Condition | None = None
    resize_in_progress: Condition | None = None
    pool: str = ""
    shape: str = ""
    created: float | None = None
    supervisor: str = ""

    @property
    def is_member(self) -> bool:
        """Whether it was made for a pool: its kernel starts when it is bound to a KernelInstance."""
        return self.pool != ""

    @property
    def ip(self) -> str | None:
        """Its first address."""
        return self.ips[0] if self.ips else None

    @property
    def memory_limit(self) -> str:
        """Of the kernel's container, in force as far as the kubelet says; "" for none."""
        in_force = self.kernel.sizes if self.kernel is not None and self.kernel.sizes else self.sizes
        return in_force.limits.get("memory", "")

    @property
    def has_ended(self) -> bool:
        """Whether none of its containers will run any more."""
        return self.phase in {"Failed", "Succeeded"}

    @property
    def may_run(self) -> bool:
        """Whether its containers may be running: not ended and not being deleted."""
        return not self.deleting and not self.has_ended

    @property
    def node_is_silent(self) -> bool:
        """Whether its node has not been heard of for a while (40 s by default), so that nobody knows whether it runs.

        The node controller then takes the condition Ready away, and leaves the kubelet's last word, ContainersReady.
        """
        if self.ready is None or self.ready.is_true or self.has_ended:
            return False
        if self.ready.reason in {"NodeNotReady", "NodeStatusUnknown"}:
            return True
        return self.ready.reason == "" and self.containers_ready is not None and self.containers_ready.is_true

    @property
    def may_be_gone_soon(self) -> bool:
        """Whether its node is silent, or somebody is about to take the pod away."""
        return self.node_is_silent or self.disruption is not None

    @property
    def kernel_may_run(self) -> bool:
        """Whether the kernel's container may be running, whatever the others do."""
        return self.may_run and (self.kernel is None or self.kernel.terminated is None)

    @property
    def blocking_init(self) -> Container | None:
        """The init container that keeps the others from starting, if one does."""
        if self.kernel is not None and (self.kernel.running or self.kernel.terminated is not None):
            return None
        return next((c for c in self.inits if not c.is_done), None)

    @property
    def kernel_runs(self) -> bool:
        """Whether the kernel's container runs, as far as the kubelet said."""
        return self.kernel is not None and self.kernel.running


def pod_facts(obj: Json) -> PodFacts:
    """From a Pod."""
    meta, spec, status = obj["metadata"], part(obj, "spec"), part(obj, "status")
    annotations = part(meta, "annotations")
    containers = _containers(status, "containerStatuses", {})
    kernel = next((c for c in containers if c.name == KERNEL_CONTAINER), None)
    conditions = {c.type: c for c in conditions_of(status)}
    return PodFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid") or "",
        owner_uid=controller_uid(obj) or "",
        # Without either number it was changed on its way, and says the wrong thing.
        incarnation=number(annotations.get(ANNOTATION_INCARNATION))
        if ANNOTATION_RESTART_GENERATION in annotations
        else 0,
        generation=number(annotations.get(ANNOTATION_RESTART_GENERATION)),
        phase=str(status.get("phase") or ""),
        deleting=bool(meta.get("deletionTimestamp")),
        grace_seconds=float(number(meta.get("deletionGracePeriodSeconds"))),
        node=spec.get("nodeName"),
        nominated=str(status.get("nominatedNodeName") or ""),
        scheduler=str(spec.get("schedulerName") or ""),
        claims=_claims(spec),
        ips=_ips(status),
        gates=tuple(str(gate.get("name")) for gate in spec.get("schedulingGates") or []),
        queue=str(part(meta, "labels").get(LABEL_KUEUE_QUEUE) or ""),
        kernel=_first_run(kernel, meta, status),
        inits=_containers(status, "initContainerStatuses", {c["name"]: c for c in spec.get("initContainers") or []}),
        others=tuple(c for c in containers if c.name != KERNEL_CONTAINER),
        scheduled=conditions.get("PodScheduled"),
        ready=conditions.get("Ready"),
        containers_ready=conditions.get("ContainersReady"),
        disruption=_if_true(conditions.get("DisruptionTarget")) or _if_true(conditions.get(KUEUE_STOPS)),
        idle_timeout=float(number(annotations.get(ANNOTATION_IDLE_TIMEOUT))) or None,
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        version=str(meta.get("resourceVersion") or ""),
        made_for=number(annotations.get(ANNOTATION_GENERATION)),
        sizes=next((sizes(part(c, "resources")) for c in _kernels(spec)), Sizes()),
        startup_cpu=_startup_cpu(annotations.get(ANNOTATION_STARTUP_CPU)),
        resize_pending=_if_current(conditions.get("PodResizePending"), meta),
        resize_in_progress=_if_current(conditions.get("PodResizeInProgress"), meta),
        pool=str(annotations.get(ANNOTATION_POOL) or ""),
        shape=str(annotations.get(ANNOTATION_SHAPE) or ""),
        created=seconds_of(meta.get("creationTimestamp")),
        supervisor=str(annotations.get(ANNOTATION_SUPERVISOR) or ""),
    )


def _claims(spec: Json) -> tuple[str, ...]:
    claims = (part(volume, "persistentVolumeClaim").get("claimName") for volume in spec.get("volumes") or [])
    return tuple(str(claim) for claim in claims if claim)


def _startup_cpu(text: str | None) -> tuple[str, str] | None:
    words = (text or "").split()
    if len(words) != 2 or not 0 < amount(words[1]) < amount(words[0]):
        return None
    return whole("cpu", words[0]), whole("cpu", words[1])


def _kernels(spec: Json) -> list[Json]:
    return [c for c in spec.get("containers") or [] if c.get("name") == KERNEL_CONTAINER]


def _if_true(condition: Condition | None) -> Condition | None:
    return condition if condition is not None and condition.is_true else None


def _if_current(condition: Condition | None, meta: Json) -> Condition | None:
    """What the kubelet says of the newest resize, not of one before."""
    found = _if_true(condition)
    is_old = found is not None and found.generation is not None and found.generation < number(meta.get("generation"))
    return None if is_old else found


def _ips(status: Json) -> tuple[str, ...]:
    ips = [str(each["ip"]) for each in status.get("podIPs") or [] if each.get("ip")]
    if not ips and status.get("podIP"):
        ips = [str(status["podIP"])]
    return tuple(ips)


def _containers(status: Json, field: str, inits: Mapping[str, Json]) -> tuple[Container, ...]:
    return tuple(_container(c, inits.get(str(c.get("name") or ""), {})) for c in status.get(field) or [])


def _container(obj: Json, init: Json) -> Container:
    """A container by its status. ``init``: its part of the pod's spec, if it is an init container."""
    state = part(obj, "state")
    waiting, terminated = state.get("waiting"), state.get("terminated")
    return Container(
        name=str(obj.get("name") or ""),
        image=str(obj.get("image") or ""),
        running="running" in state,
        waiting=Waiting(str(waiting.get("reason") or ""), str(waiting.get("message") or "")) if waiting else None,
        terminated=_terminated(terminated) if terminated else None,
        started=bool(obj.get("started")),
        sidecar=init.get("restartPolicy") == "Always",
        tried_again=init.get("restartPolicy") in {"Always", "OnFailure"} or bool(init.get("restartPolicyRules")),
        sizes=sizes(part(obj, "resources")),
    )


def _first_run(kernel: Container | None, meta: Json, status: Json) -> Container | None:
    """The kernel's container; one that was started again, or is to be, has ended: its process was the kernel.

    Kubelets do so in spite of the pod's restart policy, when its runtime has lost the container or its image was
    changed. While it deletes a pod, it says the same of containers that it has removed.
    """
    if kernel is None or kernel.terminated is not None or meta.get("deletionTimestamp"):
        return kernel
    found = next(c for c in status["containerStatuses"] if c.get("name") == KERNEL_CONTAINER)
    ended = part(found, "lastState").get("terminated")
    return replace(kernel, terminated=_terminated(ended)) if ended else kernel


def _terminated(obj: Json) -> Terminated:
    return Terminated(
        obj.get("exitCode"),
        str(obj.get("reason") or ""),
        str(obj.get("message") or ""),
        seconds_of(obj.get("finishedAt")),
    )
