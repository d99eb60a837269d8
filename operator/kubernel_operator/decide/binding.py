"""How a pool's pod becomes a KernelInstance's, and whether it knows whose it is. Pure.

Two decide, each about its own: the API server, whose pod it is, and its supervisor, whose kernel. Each takes the first
KernelInstance that comes, for ever, so both are asked at the same time, and a kernel is one only when both have said
yes. A member of which only one has is nobody's: its pool, or the KernelInstance that owns it, deletes it.
"""

from __future__ import annotations

from kubernel_api.names import secret_name
from kubernel_operator.build.member import claim_of_pod, claim_of_service
from kubernel_operator.observe.facts import seconds_of
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.members import Member
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.settings import Settings

from .actions import Action, Bind, Claim, ClaimService, ReadKeys

# A member's Service leads to the kernel whoever owns it. It is claimed so long after the kernel has become ready: what
# follows a change of a Service costs CPU, and clients begin to use the kernel just then.
SERVICE_SECONDS = 1.0
ROUNDED_SECONDS = 0.001  # times in a status are rounded, up too


def waits_for_binding(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether the newest pod comes from a pool and is not known to have been told whose it is.

    One that another operator has told may have another key than the Secret, where operators make the keys: that one may
    have been killed before it made the Secret, or found another one's.
    """
    if pod is None or not pod.is_member or observed.bound == pod.uid:
        return False
    if kernel.is_about(pod.name) and kernel.status.generation is not None:
        return False
    report = observed.report
    is_told = report is not None and report.claim == kernel.uid
    return not (is_told and (kernel.keys_by_client or observed.told == pod.uid))


def misses_secret(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether a kernel may run whose clients cannot know its key yet. A pool's pod needs no Secret to start it."""
    return pod is not None and pod.is_member and not kernel.keys_by_client and not observed.secret


def cannot_be_bound(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether a claimed pod will never be this KernelInstance's kernel: another pod takes its place."""
    if pod is None or not waits_for_binding(kernel, pod, observed):
        return False
    if not pod.kernel_may_run or observed.bind_failed == pod.uid:
        return True
    report = observed.report
    if report is None:
        return False
    # Another's, or with a key that nobody knows: the operator that made the Secret was killed.
    return report.state != "waiting" or (observed.secret and observed.keys is None)


def claim(kernel: KernelFacts, member: Member, observed: Observed, settings: Settings, now: float) -> list[Action]:
    """A pool's pod, which is told whose it is meanwhile. That takes as long as to make it this KernelInstance's."""
    patch = claim_of_pod(
        kernel.raw,
        settings,
        observed.template,
        pod_uid=member.pod.uid,
        pool_uid=member.pool_uid,
        age=max(0.0, now - (member.pod.created or now)),
    )
    keys = read_keys(kernel, observed)
    told = bind(kernel, member.pod, member.pod.ip) if not keys else []
    return [*keys, Claim(member, patch, "its shape fits"), *told]


def bind(kernel: KernelFacts, pod: PodFacts, ip: str | None) -> list[Action]:
    """What a pool's pod is told, where its address is known."""
    return [Bind(ip, pod.name, pod.uid, kernel.wanted, "it is this kernel's")] if ip else []


def read_keys(kernel: KernelFacts, observed: Observed) -> list[Action]:
    """Those that the client makes, to be told to a pool's pod."""
    if not kernel.keys_by_client or observed.keys is not None:
        return []
    return [ReadKeys(secret_name(kernel.name, kernel.uid), "its pool's pod is told them")]


def claim_service(kernel: KernelFacts, observed: Observed) -> list[Action]:
    """The Service of its pool's pod, which goes with that pod until then."""
    if (service := observed.member_service) is None:
        return []
    patch = claim_of_service(kernel.raw, service_uid=service.uid, pod_uid=service.owner_uid)
    return [ClaimService(service, patch, "it is to outlive the pool's pod")]


def claim_service_at(kernel: KernelFacts, observed: Observed, now: float) -> float | None:
    """Unix seconds when the Service of a running kernel's pod is to be claimed; None: now, or there is none."""
    if observed.member_service is None:
        return None
    due = (seconds_of(kernel.status.times.get("ready")) or 0.0) + SERVICE_SECONDS
    # Another operator's clock may be ahead.
    return due if now < due <= now + SERVICE_SECONDS + ROUNDED_SECONDS else None
