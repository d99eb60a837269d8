"""How a pool's pod becomes a KernelInstance's, and whether it knows whose it is. Pure.

Its supervisor is the one that knows: it takes one KernelInstance for ever. What is only known here may be lost with
an operator, and then it is asked, or told once more, which does no harm.
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

from .actions import Action, Claim, ClaimService, ReadKeys

# A member's Service leads to the kernel whoever owns it. It is claimed so long after the kernel has become ready: what
# follows a change of a Service costs CPU, and clients begin to use the kernel just then.
SERVICE_SECONDS = 1.0


def waits_for_binding(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether the newest pod comes from a pool and is not known to have been told whose it is."""
    if pod is None or not pod.is_member or observed.bound == pod.uid:
        return False
    if kernel.is_about(pod.name) and kernel.status.generation is not None:
        return False
    report = observed.report
    return report is None or report.claim != kernel.uid


def cannot_be_bound(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether a claimed pod will never be this KernelInstance's kernel: another pod takes its place."""
    if pod is None or not waits_for_binding(kernel, pod, observed):
        return False
    if not pod.kernel_may_run or observed.bind_failed == pod.uid:
        return True
    report = observed.report
    if report is None:
        return False
    # Another's, or nobody can tell it the key: the operator that made the Secret was killed.
    return report.state != "waiting" or (observed.secret and not observed.knows_keys)


def claim(kernel: KernelFacts, member: Member, observed: Observed, settings: Settings, now: float) -> list[Action]:
    """A pool's pod, which is told whose it is as soon as it is this KernelInstance's."""
    patch = claim_of_pod(
        kernel.raw,
        settings,
        observed.template,
        pod_uid=member.pod.uid,
        pool_uid=member.pool_uid,
        age=max(0.0, now - (member.pod.created or now)),
    )
    return [*read_keys(kernel, observed), Claim(member, patch, "its shape fits")]


def read_keys(kernel: KernelFacts, observed: Observed) -> list[Action]:
    """Those that the client makes, to be told to a pool's pod."""
    if not kernel.keys_by_client or observed.knows_keys:
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
    return due if now < due <= now + SERVICE_SECONDS else None  # another operator's clock may be ahead
