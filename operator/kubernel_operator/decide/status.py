"""The status of a KernelInstance. Pure; the same words go to conditions, Events and the notebook's exception."""

from __future__ import annotations

from typing import Any

from kubernel_api.conditions import STALLING, ConditionStatus, ConditionType, Phase, Reason, condition
from kubernel_api.constants import CONTROL_PORT, PORTS, SIGNATURE_SCHEME, TRANSPORT
from kubernel_api.names import secret_name
from kubernel_operator.build.pod import image_of
from kubernel_operator.clock import rfc3339, rfc3339_micro, unix
from kubernel_operator.observe.observed import Observed
from kubernel_operator.settings import Settings

from .endings import Ending
from .reasons import pending_reason
from .situation import Situation, Stage

Json = dict[str, Any]
# lastActivityTime is written when it moved by this much: it must not become a heartbeat.
ACTIVITY_STEP_SECONDS = 60.0


def build_status(cr: Json, at: Situation, observed: Observed, settings: Settings, now: float) -> Json:
    """The whole status as it should be.

    Args:
        cr: the KernelInstance with the status it has now.
        at: where it stands.
        observed: what is known of its children.
        settings: for the image in use.
        now: Unix seconds.
    """
    old: Json = cr.get("status") or {}
    if at.stage in {Stage.GONE, Stage.ORPHANED} or (at.stage is Stage.FINISHED and at.ending is None):
        return old  # its last word was said
    phase, reason, message = _words(at, observed)
    wanted_runs = at.stage is Stage.RUNNING or at.ending is not None
    status: Json = {
        "observedGeneration": cr["metadata"].get("generation", 1),
        "phase": str(phase),
        "reason": str(reason),
        "message": message,
        "conditions": _conditions(cr, at, phase, reason, message, now),
        "image": image_of(cr, settings),
        "connection": _connection(cr, at, observed, old),
        "exit": _exit(at.ending) if at.ending else None,
        "podName": at.pod["metadata"]["name"] if at.pod else old.get("podName"),
        "nodeName": ((at.pod or {}).get("spec") or {}).get("nodeName") or old.get("nodeName"),
        "restartGeneration": at.wanted if wanted_runs else old.get("restartGeneration"),
        "restartCount": at.wanted if wanted_runs else old.get("restartCount"),
        "lastActivityTime": _last_activity(observed, old),
        "times": _times(at, observed, old, now),
    }
    return {k: v for k, v in status.items() if v is not None}


def status_patch(old: Json, new: Json) -> Json:
    """The merge patch from one status to another; empty when nothing changed. Removed fields become null."""
    patch: Json = {}
    for key in old.keys() | new.keys():
        if key not in new:
            patch[key] = None
        elif isinstance(new[key], dict) and isinstance(old.get(key), dict):
            if changed := status_patch(old[key], new[key]):
                patch[key] = changed
        elif old.get(key) != new[key]:
            patch[key] = new[key]
    return patch


def _words(at: Situation, observed: Observed) -> tuple[Phase, Reason, str]:
    """Phase, reason and message."""
    if at.ending is not None:
        over = at.stage is Stage.FINISHED
        success = at.ending.reason is Reason.COMPLETED
        phase = (Phase.SUCCEEDED if success else Phase.FAILED) if over else Phase.EXITED
        return phase, at.ending.reason, at.ending.message
    if at.stage is Stage.RUNNING:
        return Phase.RUNNING, Reason.RUNNING, "The kernel is ready."
    if observed.refusal is not None and at.stage in {Stage.NEEDS_POD, Stage.STARTING}:
        return Phase.PENDING, observed.refusal.reason, observed.refusal.message
    if at.stage is Stage.NEEDS_RESTART or (at.stage is Stage.STARTING and observed.control_sent >= at.wanted):
        return Phase.STARTING, Reason.RESTARTING, "The kernel is being restarted."
    if at.stage is Stage.NEEDS_POD and at.incarnation > 0:
        return Phase.PENDING, Reason.POD_REPLACED, "A new pod takes the place of the old one."
    if at.answering:
        return Phase.STARTING, Reason.POD_REPLACED, "The new pod is ready; the kernel of the old one has yet to end."
    if at.pod is None:
        return Phase.PENDING, Reason.CREATING, "The pod is being created."
    if observed.report is not None:
        return Phase.STARTING, Reason.KERNEL_STARTING, "The container runs; the kernel does not answer yet."
    reason, message = pending_reason(at.pod)
    if reason in {Reason.SCHEDULED, Reason.CONTAINER_CREATING} and observed.pending is not None:
        reason, message = observed.pending
    return (Phase.STARTING if reason is Reason.KERNEL_STARTING else Phase.PENDING), reason, message


def _conditions(cr: Json, at: Situation, phase: Phase, reason: Reason, message: str, now: float) -> list[Json]:
    generation = cr["metadata"].get("generation", 1)
    previous = (cr.get("status") or {}).get("conditions") or []

    def make(type_: ConditionType, status: ConditionStatus, reason: str, message: str) -> Json:
        return condition(type_, status, reason, message, generation=generation, previous=previous, now=rfc3339(now))

    over = at.stage is Stage.FINISHED
    stalled = reason in STALLING and not over
    on_the_way = at.stage in {Stage.NEEDS_POD, Stage.NEEDS_RESTART, Stage.STARTING} and not stalled
    failed = over and phase is Phase.FAILED
    conditions = [
        make(ConditionType.READY, "True" if at.stage is Stage.RUNNING else "False", reason, message),
        make(ConditionType.RECONCILING, "True" if on_the_way else "False", reason, message if on_the_way else ""),
        make(ConditionType.STALLED, "True" if stalled or failed else "False", reason, message if stalled else ""),
        make(ConditionType.FINISHED, "True" if over else "False", reason, message if over else ""),
    ]
    if scheduled := _pod_scheduled(at.pod):
        status: ConditionStatus = "True" if scheduled.get("status") == "True" else "False"
        word = scheduled.get("reason") or ("Scheduled" if status == "True" else "Unschedulable")
        conditions.append(make(ConditionType.POD_SCHEDULED, status, word, scheduled.get("message") or ""))
    return conditions


def _connection(cr: Json, at: Situation, observed: Observed, old: Json) -> Json | None:
    """Where to connect: set when the kernel first answers, then kept for as long as the object lives."""
    known: Json = old.get("connection") or {}
    if at.stage is not Stage.RUNNING:
        if at.pod is not None and at.pod["metadata"]["name"] != old.get("podName"):
            known = {k: v for k, v in known.items() if k != "podIP"}  # it was another pod's, and soon is anybody's
        return known or None
    by_service = (cr["spec"].get("connection") or {}).get("service", "ClusterIP") == "ClusterIP"
    ip = (observed.service_ip or known.get("ip")) if by_service else at.ip
    connection: Json = {
        "ip": ip,
        "ports": dict(PORTS),
        "transport": TRANSPORT,
        "signatureScheme": SIGNATURE_SCHEME,
        "secretName": secret_name(cr["metadata"]["name"], cr["metadata"]["uid"]),
        "podIP": at.ip,
    }
    if at.supervised:
        connection["controlPort"] = CONTROL_PORT
    return {k: v for k, v in connection.items() if v is not None}


def _exit(ending: Ending) -> Json:
    fields = {
        "exitCode": ending.exit_code,
        "signal": ending.signal,
        "reason": str(ending.reason),
        "message": ending.message,
        "oomKilled": ending.oom_killed,
        "finishedTime": rfc3339_micro(ending.time),
        "restartGeneration": ending.generation,
    }
    return {k: v for k, v in fields.items() if v is not None}


def _times(at: Situation, observed: Observed, old: Json, now: float) -> Json | None:
    """When each step of the newest start was reached; only looked at while it starts, kept after."""
    known: Json = old.get("times") or {}
    is_new = at.wanted != (old.get("restartGeneration") or 0) or "ready" not in known
    if at.stage is not Stage.RUNNING or not is_new:
        return known or None
    started = observed.report.started_time if observed.report else None
    times = {
        "scheduled": (_pod_scheduled(at.pod) or {}).get("lastTransitionTime"),
        "started": rfc3339_micro(started) if started else None,
        "ready": rfc3339_micro(now),
    }
    return {k: v for k, v in times.items() if v is not None}


def _last_activity(observed: Observed, old: Json) -> str | None:
    known = old.get("lastActivityTime")
    seen = observed.report.last_activity if observed.report else None
    if seen is None or (known and seen < (unix(known) or 0.0) + ACTIVITY_STEP_SECONDS):
        return known
    return rfc3339(seen)


def _pod_scheduled(pod: Json | None) -> Json | None:
    conditions = ((pod or {}).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == "PodScheduled"), None)
