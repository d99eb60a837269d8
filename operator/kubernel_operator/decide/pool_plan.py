"""What to do for a KernelPool: which members are made, which are deleted, and its status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubernel_api.conditions import STALLING, ConditionStatus, whether_ready
from kubernel_api.constants import LABEL_POOL
from kubernel_operator.clock import rfc3339
from kubernel_operator.observe.facts import Json, finalizers_of
from kubernel_operator.observe.observed import Observed, Refusal, Woken
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.pool_facts import PoolFacts

from .reasons import misses, once_believed, pending_reason
from .refused_containers import believed_at, is_believed, wake_due
from .texts import for_people

# A member that does not wait so long after it got a node never will; a first pull of a large image takes minutes. One
# without a node would only lose its place in a queue, or the node that is being added for it.
START_SECONDS = 600.0
# A member that was claimed is replaced so much later. A start takes a core for a second, and the kernel that has just
# come out of the pool, its first cells and the next claims have better use for it. It does not pile up: under claims
# without end, members are made as fast as they are claimed, each a second after.
REFILL_SECONDS = 1.0
# The kubelet does not find a member's Secret: an operator was killed before it made it.
WITHOUT_SECRET_SECONDS = 10.0


@dataclass(frozen=True)
class MemberState:
    """A pod of a pool.

    Attributes:
        ready: whether it waits for a KernelInstance.
        chosen: whether a KernelInstance is about to claim it.
        strayed: whether its supervisor has started something although nobody has claimed the pod.
        silent: whether its supervisor does not answer any more.
        since: Unix seconds when this process first saw it.
        placed: Unix seconds when this process first saw it with a node; None: it has none.
        woken: that the kubelet was made to try again to start it.
        refused_since: Unix seconds when this process first saw that a container of it is refused; None: none is.
    """

    pod: PodFacts
    ready: bool = False
    chosen: bool = False
    strayed: bool = False
    silent: bool = False
    since: float = 0.0
    placed: float | None = None
    woken: Woken | None = None
    refused_since: float | None = None

    @property
    def observed(self) -> Observed:
        """What is known of it beside the pod."""
        since = self.refused_since
        return Observed(woken=self.woken, refused_since={} if since is None else {self.pod.name: since})


@dataclass(frozen=True)
class PoolPlan:
    """What to do now.

    Attributes:
        create: how many members to make.
        delete: pods to delete, each with the reason.
        wake: pods whose kubelet is to try again, each with how often it was made to.
        again_at: Unix seconds when to look again at the latest; None: when something happens.
    """

    create: int = 0
    delete: tuple[tuple[PodFacts, str], ...] = ()
    wake: tuple[tuple[PodFacts, int], ...] = ()
    again_at: float | None = None


def plan_pool(
    pool: PoolFacts,
    members: tuple[MemberState, ...],
    shape: str,
    refusal: Refusal | None,
    now: float,
    *,
    not_before: float = 0.0,
    claims: Sequence[float] = (),
    starts: int = 0,
) -> PoolPlan:
    """The steps that bring a pool to what its spec says.

    Args:
        pool: the KernelPool.
        members: its pods.
        shape: hash of what new ones are made from.
        refusal: why no member can be made; None: one can.
        now: Unix seconds.
        not_before: Unix seconds before which none is made, since the last ones have failed.
        claims: Unix seconds at which members were claimed.
        starts: how many kernels of the pool's namespace are on their way. They go first; one member is always made.
    """
    if pool.deleting:  # garbage collection waits until the object is gone, and somebody's finalizer may keep it
        return PoolPlan(delete=tuple((m.pod, "its pool is deleted") for m in members if m.pod.may_run and not m.chosen))
    delete = [(m.pod, why) for m in members if (why := _why_broken(m, now)) and not m.pod.deleting]
    broken = {pod.uid for pod, _ in delete}
    living = [m for m in members if m.pod.may_run and m.pod.uid not in broken and not m.chosen]
    updated = [m for m in living if m.pod.shape == shape]
    outdated = [m for m in living if m.pod.shape != shape]
    starting = [m for m in updated if not m.ready]
    ready = [m for m in updated if m.ready]
    # Those that do not wait yet go first, and of the others the oldest: it was made from what is longest ago.
    surplus = max(0, len(updated) - pool.replicas)
    delete += [(m.pod, "the pool has more members than it needs") for m in [*starting, *_oldest(ready)][:surplus]]
    if pool.recreates or pool.replicas == 0:
        spare = len(outdated)
    else:  # as many wait as before, until those that take their place do
        spare = max(0, min(len(ready), pool.replicas) + len(outdated) - pool.replicas)
    unready_first = sorted(outdated, key=lambda m: m.ready)
    spare = max(spare, sum(not m.ready for m in outdated))
    delete += [(m.pod, "the pool's members are to be others by now") for m in unready_first[:spare]]
    held_back = [at + REFILL_SECONDS for at in claims if now < at + REFILL_SECONDS]
    create = 0
    if refusal is None and now >= not_before:
        missing = pool.replicas - len(updated) - len(held_back) - sum(m.chosen for m in members)
        create = max(0, min(missing, max(1, pool.max_starting - starts) - len(starting)))
    again = [m.placed + START_SECONDS for m in living if not m.ready and m.placed is not None]
    again += [not_before, *held_back]
    again += [m.since + WITHOUT_SECRET_SECONDS for m in living if _misses_secret(m.pod)]
    wakes = [(m.pod, due) for m in starting if (due := wake_due(m.pod, m.observed)) is not None]
    again += [at for _, (_, at) in wakes]
    again += [at for m in starting if (at := believed_at(m.pod, m.observed)) is not None]
    wake = tuple((pod, times) for pod, (times, at) in wakes if at <= now)
    return PoolPlan(create, tuple(delete), wake, min((t for t in again if t > now), default=None))


def pool_status(
    pool: PoolFacts,
    members: tuple[MemberState, ...],
    shape: str,
    refusal: Refusal | None,
    now: float,
    *,
    public_key: str,
) -> Json:
    """The whole status."""
    living = [m for m in members if m.pod.may_run and not m.chosen]
    ready = [m for m in living if m.ready]
    status, reason, message = _verdict(pool, living, len(ready), refusal, now)
    previous = pool.status.get("conditions") or []
    conditions = whether_ready(
        status,
        reason,
        for_people(message),
        stalled=reason in STALLING,
        generation=pool.generation,
        previous=previous,
        now=rfc3339(now),
    )
    return {
        "observedGeneration": pool.generation,
        "replicas": len(living),
        "readyReplicas": len(ready),
        "updatedReplicas": sum(m.pod.shape == shape for m in living),
        "selector": f"{LABEL_POOL}={pool.name}",
        "publicKey": public_key,
        "conditions": conditions,
    }


def _verdict(
    pool: PoolFacts, living: list[MemberState], ready: int, refusal: Refusal | None, now: float
) -> tuple[ConditionStatus, str, str]:
    if pool.deleting:
        kept = ", ".join(finalizers_of(pool.raw["metadata"]))
        return (
            "False",
            "Deleted",
            "The pool was deleted" + (f"; its finalizers keep the object: {kept}." if kept else "."),
        )
    if ready >= pool.replicas:
        return "True", "Filled", "As many members wait as the pool wants."
    if refusal is not None:
        return "False", refusal.reason, refusal.message
    for member in living:
        if not member.ready and not member.pod.kernel_runs:
            believed = is_believed(member.pod, member.observed, now)
            reason, message = pending_reason(member.pod, believed=believed)
            return "False", once_believed(reason, believed=believed), message
    return "False", "Filling", "Members are being started."


def _why_broken(member: MemberState, now: float) -> str:
    pod = member.pod
    if pod.deleting or member.chosen:
        return ""
    if not pod.kernel_may_run:
        return "it has ended"
    if member.strayed:
        return "its supervisor serves a kernel that nobody knows"
    if member.silent:
        return "its supervisor does not answer"
    if not member.ready and member.placed is not None and now >= member.placed + START_SECONDS:
        return f"it has not become ready in {START_SECONDS:.0f} s"
    if _misses_secret(pod) and now >= member.since + WITHOUT_SECRET_SECONDS:
        return "its Secret was not made"
    return ""


def _misses_secret(pod: PodFacts) -> bool:
    """Whether the kubelet looks in vain for the pod's own Secret, whose name begins with the pod's."""
    return misses(pod, f'secret "{pod.name}-')


def _oldest(members: list[MemberState]) -> list[MemberState]:
    return sorted(members, key=lambda m: (m.since, m.pod.name))
