"""Whether a KernelTemplate is any good: what the API server says to the pod of a KernelInstance that asks for nothing.

Pure; ``act.template_checks`` asks.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubernel_api.conditions import ConditionStatus, ConditionType, Reason, whether_ready
from kubernel_cluster.errors import ApiError
from kubernel_operator.build.overlay import reserved_fields
from kubernel_operator.build.pod import build_pod
from kubernel_operator.clock import rfc3339
from kubernel_operator.observe.facts import Json
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.settings import Settings

from .reasons import refusal_of
from .texts import for_people

#: What depends on the namespace: where the kernels run it may be otherwise.
_LOCAL = frozenset({Reason.POD_SECURITY_VIOLATION, Reason.QUOTA_EXCEEDED, Reason.PENDING})


def trial_pod(template: TemplateFacts, settings: Settings, namespace: str) -> Json:
    """The pod to try: without its account, which is there only where the kernels run."""
    cr = {"metadata": {"name": "template-check", "namespace": namespace, "uid": template.uid}, "spec": {}}
    pod = build_pod(
        cr,
        settings,
        incarnation=1,
        callback_url=None,
        pod_secret="none",  # noqa: S106 - a name
        supervisor_map="none",
        template=template,
    )
    return {**pod, "spec": {k: v for k, v in pod["spec"].items() if k != "serviceAccountName"}}


def template_status(template: TemplateFacts, refused: ApiError | None, namespace: str, now: float) -> Json:
    """The whole status.

    Args:
        template: what was tried.
        refused: what the API server said; None when it would take the pod.
        namespace: where it was tried.
        now: Unix seconds.
    """
    status, reason, message = _verdict(reserved_fields(template.pod), refused, namespace)
    conditions = whether_ready(
        status,
        reason,
        for_people(message),
        stalled=status == "False",
        generation=template.generation,
        previous=list(template.raw_conditions),
        now=rfc3339(now),
    )
    return {"observedGeneration": template.generation, "conditions": conditions}


def is_settled(template: TemplateFacts) -> bool:
    """Whether it was tried as it is now, and the API server would take it."""
    ready = any(c.type == ConditionType.READY and c.is_true for c in template.conditions)
    return ready and template.observed_generation == template.generation


def _verdict(reserved: Sequence[str], refused: ApiError | None, namespace: str) -> tuple[ConditionStatus, str, str]:
    if refused is None and not reserved:
        return "True", "Accepted", "The API server would take a kernel's pod."
    if refused is None:
        fields = ", ".join(f"spec.pod.{field}" for field in reserved)
        return "False", "ReservedField", f"{fields}: the kernel's own; remove it, it has no effect."
    refusal = refusal_of("Pod", refused)
    if refusal.reason in _LOCAL:
        return "Unknown", refusal.reason, f"{refusal.message} (in namespace {namespace}, where it was tried)"
    return "False", refusal.reason, refusal.message
