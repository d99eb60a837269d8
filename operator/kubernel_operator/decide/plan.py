"""What to do for a KernelInstance: a list of actions, each with its reason. Pure; ``apply`` carries them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from kubernel_api.conditions import ConditionType, Reason, find_condition
from kubernel_api.constants import RESTART_GRACE_SECONDS
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.secret import ConnectionKeys, build_secret, qualified_secret_name
from kubernel_operator.build.service import build_service
from kubernel_operator.clock import unix
from kubernel_operator.observe.observed import Observed
from kubernel_operator.settings import Settings
from kubernel_wire.callback import token

from .endings import NODE_SILENCE_SECONDS
from .leases import lease_name
from .situation import Situation, Stage, active_deadline, is_running, pod_generation, start_deadline

# A pod that has not started by then is asked why; before, the answer would be "it is starting".
EXPLAIN_AFTER_SECONDS = 2.0
EXPLAIN_INTERVAL_SECONDS = 10.0
# While a start lasts longer than usual, its status is looked at this often.
PENDING_INTERVAL_SECONDS = 1.0
# A callback that never comes: how soon and how often a running pod is asked instead.
PROBE_INTERVAL_SECONDS = 0.25
# How often a running kernel is asked that has never called back; its pod would tell of its end 30 s later.
PROBE_RUNNING_SECONDS = 5.0
# A supervisor whose callbacks arrived before, and which has been silent for so long of a start, is asked too.
CALLBACK_SILENCE_SECONDS = 2.0
# A slow start gets a status; a fast one goes from nothing to Ready in one write.
SLOW_START_SECONDS = 1.0


@dataclass(frozen=True)
class Create:
    """Create a child. ``kind``: "secret", "pod" or "service"."""

    kind: Literal["secret", "pod", "service"]
    body: dict[str, Any]
    why: str


@dataclass(frozen=True)
class DeletePod:
    """Delete a pod of ours."""

    pod: dict[str, Any]
    why: str


@dataclass(frozen=True)
class DeleteInstance:
    """Delete the KernelInstance; its children follow by owner reference.

    Attributes:
        reason: for an Event, where the status had no chance to say it.
    """

    why: str
    reason: Reason | None = None


@dataclass(frozen=True)
class Restart:
    """Ask the supervisor for a new kernel process."""

    ip: str
    generation: int
    why: str


@dataclass(frozen=True)
class Probe:
    """Ask a pod whose callbacks do not arrive.

    Attributes:
        generation: the one that runs when an image without a supervisor accepts connections.
        ports_tell: whether open ports prove that this generation runs: not while an older process may hold them.
    """

    ip: str
    generation: int
    ports_tell: bool
    why: str


@dataclass(frozen=True)
class ProbeReplaced:
    """Ask whether a replaced pod still accepts connections."""

    pod: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Explain:
    """Read a pod's Events."""

    pod: dict[str, Any]
    why: str


@dataclass(frozen=True)
class ReadLease:
    """Ask the API server for a Lease that looks expired in the cache."""

    name: str
    why: str


Action = ReadLease | Create | DeletePod | DeleteInstance | Restart | Probe | ProbeReplaced | Explain


@dataclass(frozen=True)
class Plan:
    """Actions, all of which may run at the same time, and when to look again (Unix seconds)."""

    actions: tuple[Action, ...] = ()
    again_at: float | None = None


@dataclass(frozen=True)
class Context:
    """What a plan needs beside the object: the operator's own settings and secrets.

    Attributes:
        operator_key: derives tokens.
        supervisor: source of the supervisor.
        callback_url: where pods report.
        new_keys: makes fresh keys; the argument says whether with a CurveZMQ pair.
    """

    settings: Settings
    operator_key: bytes
    supervisor: str
    callback_url: str | None
    new_keys: Callable[[bool], ConnectionKeys]


def plan(cr: dict[str, Any], at: Situation, observed: Observed, context: Context, now: float) -> Plan:
    """The actions that bring a KernelInstance from where it stands to where it should be."""
    steps = _steps(cr, at, observed, context, now)
    name = lease_name(cr)
    if name is None or at.stage in {Stage.GONE, Stage.FINISHED, Stage.ORPHANED}:
        return steps
    reads = (ReadLease(name, "it was not renewed in time"),) if observed.lease.read_due else ()
    return Plan((*reads, *steps.actions), _earliest(steps.again_at, observed.lease.again_at))


def _steps(cr: dict[str, Any], at: Situation, observed: Observed, context: Context, now: float) -> Plan:
    match at.stage:
        case Stage.GONE:
            return Plan()
        case Stage.FINISHED:
            return _finished(cr, observed, now)
        case Stage.ORPHANED:
            return Plan((DeleteInstance("Its server no longer renews its Lease.", Reason.ORPHANED),))
        case Stage.NEEDS_POD:
            return Plan(tuple(_create(cr, at, observed, context)), _again_while_starting(cr, at, now))
        case Stage.NEEDS_RESTART:
            return Plan(tuple(_restart(at)), _again_while_starting(cr, at, now))
        case Stage.STARTING:
            return Plan(
                (
                    *_surplus_pods(at, observed),
                    *_missing_children(cr, observed, context),
                    *_starting(at, observed, now),
                ),
                _again_while_starting(cr, at, now),
            )
        case Stage.RUNNING:
            return Plan(
                (*_surplus_pods(at, observed), *_missing_children(cr, observed, context), *_running(at, observed, now)),
                _earliest(_again_while_running(cr, at), _probe_due(observed)),
            )
        case Stage.EXITED:
            return Plan((), at.ending.time + RESTART_GRACE_SECONDS if at.ending else now)


def _finished(cr: dict[str, Any], observed: Observed, now: float) -> Plan:
    """Free the node at once, keep the object for people until its time to live is over."""
    actions = tuple(DeletePod(pod, "the KernelInstance is finished") for pod in observed.pods if is_running(pod))
    finished = find_condition((cr.get("status") or {}).get("conditions") or [], ConditionType.FINISHED) or {}
    since = unix(finished.get("lastTransitionTime")) if finished.get("status") == "True" else None
    ttl = (cr["spec"].get("lifecycle") or {}).get("ttlSecondsAfterFinished")
    gone_at = (since if since is not None else now) + float(300 if ttl is None else ttl)
    if since is not None and now >= gone_at:
        return Plan((DeleteInstance("finished for ttlSecondsAfterFinished"),))
    return Plan(actions, gone_at)


def _create(cr: dict[str, Any], at: Situation, observed: Observed, context: Context) -> list[Action]:
    """The next pod, and whatever it needs that is not known to exist."""
    actions = _surplus_pods(at, observed)
    if is_running(at.pod) and at.pod is not None:
        actions.append(DeletePod(at.pod, "a restart was asked for and cannot be done in place"))
    body = build_pod(cr, context.settings, incarnation=at.incarnation + 1, callback_url=context.callback_url)
    why = "first start" if at.incarnation == 0 else f"replaces pod {at.incarnation}"
    return [*actions, *_missing_children(cr, observed, context), Create("pod", body, why)]


def _surplus_pods(at: Situation, observed: Observed) -> list[Action]:
    """Living pods beside the newest one: an operator that was killed had no time to delete them."""
    return [DeletePod(p, "a newer pod took its place") for p in observed.pods if p is not at.pod and is_running(p)]


def _missing_children(cr: dict[str, Any], observed: Observed, context: Context) -> list[Action]:
    actions: list[Action] = []
    connection = cr["spec"].get("connection") or {}
    if not observed.secret:
        keys = context.new_keys(connection.get("encryption") == "Curve")
        body = build_secret(cr, keys, token="", supervisor=context.supervisor)
        body["stringData"]["token"] = token(context.operator_key, qualified_secret_name(cr))
        actions.append(Create("secret", body, "holds the connection key"))
    if not observed.service and connection.get("service", "ClusterIP") == "ClusterIP":
        actions.append(Create("service", build_service(cr), "keeps the kernel's address"))
    return actions


def _restart(at: Situation) -> list[Action]:
    assert at.ip is not None  # noqa: S101 - situation() only says NEEDS_RESTART when there is one
    return [Restart(at.ip, at.wanted, f"restartGeneration {at.wanted} was asked for")]


def _starting(at: Situation, observed: Observed, now: float) -> list[Action]:
    if at.pod is None:
        return []
    if at.answering:
        return [ProbeReplaced(pod, "open connections would stay with its kernel") for pod in at.answering]
    if at.ip and _container_running(at.pod) and _is_silent(at, observed, now):
        fresh = pod_generation(at.pod) >= at.wanted
        return [Probe(at.ip, at.wanted, fresh or not at.supervised, "its container runs and nothing was reported")]
    explain_at = max(at.start_seen + EXPLAIN_AFTER_SECONDS, observed.explained_at + EXPLAIN_INTERVAL_SECONDS)
    if not _container_running(at.pod) and now >= explain_at:
        return [Explain(at.pod, "it has not started yet")]
    return []


def _running(at: Situation, observed: Observed, now: float) -> list[Action]:
    due = _probe_due(observed)
    if due is None or now < due or at.ip is None:
        return []
    return [Probe(at.ip, at.wanted, ports_tell=False, why="it has never called back")]


def _probe_due(observed: Observed) -> float | None:
    known = observed.report
    if known is None or not known.is_probed or not known.supervised:
        return None
    return known.time + PROBE_RUNNING_SECONDS


def _is_silent(at: Situation, observed: Observed, now: float) -> bool:
    known = observed.report
    return known is None or known.is_probed or now >= at.start_seen + CALLBACK_SILENCE_SECONDS


def _again_while_starting(cr: dict[str, Any], at: Situation, now: float) -> float:
    deadline = at.start_began + start_deadline(cr)
    if at.answering or (at.pod is not None and at.stage is Stage.STARTING and at.ip and _container_running(at.pod)):
        return min(deadline, now + PROBE_INTERVAL_SECONDS)
    slow = at.start_seen + SLOW_START_SECONDS
    return min(deadline, slow if now < slow else now + PENDING_INTERVAL_SECONDS)


def _again_while_running(cr: dict[str, Any], at: Situation) -> float | None:
    deletion = unix((at.pod or {"metadata": {}})["metadata"].get("deletionTimestamp"))
    silence = deletion + NODE_SILENCE_SECONDS if deletion else None
    return _earliest(active_deadline(cr), silence)


def _earliest(*times: float | None) -> float | None:
    return min((t for t in times if t is not None), default=None)


def _container_running(pod: dict[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any("running" in (s.get("state") or {}) for s in statuses)


def is_worth_writing(at: Situation, reason: str, now: float) -> bool:
    """Whether a status on the way to Ready is news: not in the first second of a start that goes well."""
    usual = reason in {
        Reason.PENDING,
        Reason.CREATING,
        Reason.SCHEDULED,
        Reason.CONTAINER_CREATING,
        Reason.KERNEL_STARTING,
        Reason.RESTARTING,
        Reason.POD_REPLACED,
        Reason.IMAGE_PULLING,
    }
    on_the_way = at.stage in {Stage.NEEDS_POD, Stage.NEEDS_RESTART, Stage.STARTING}
    return not (on_the_way and usual and now < at.start_seen + SLOW_START_SECONDS)
