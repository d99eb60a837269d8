"""What to do for a KernelInstance: a list of actions, each with its reason. Pure; ``apply`` carries them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubernel_api.conditions import ConditionType, Reason
from kubernel_api.constants import RESTART_GRACE_SECONDS
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.secret import ConnectionKeys, build_secret, qualified_secret_name
from kubernel_operator.build.service import build_service
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed
from kubernel_operator.settings import Settings
from kubernel_wire.callback import token

from .actions import (
    Action,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    Probe,
    ProbeReplaced,
    ReadLease,
    Restart,
)
from .endings import silent_node_at
from .situation import Situation, Stage, active_deadline
from .status import SLOW_START_SECONDS

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


def plan(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float) -> Plan:
    """The actions that bring a KernelInstance from where it stands to where it should be."""
    steps = _steps(kernel, situation, observed, context, now)
    name = kernel.lifecycle.lease_name
    if name is None or situation.stage in {Stage.GONE, Stage.FINISHED, Stage.ORPHANED}:
        return steps
    reads = (ReadLease(name, "it was not renewed in time"),) if observed.lease.read_due else ()
    return Plan((*reads, *steps.actions), _earliest(steps.again_at, observed.lease.again_at))


def _steps(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float) -> Plan:
    match situation.stage:
        case Stage.GONE:
            return Plan()
        case Stage.FINISHED:
            return _finished(kernel, observed, now)
        case Stage.ORPHANED:
            return Plan((DeleteInstance("Its server no longer renews its Lease.", Reason.ORPHANED),))
        case Stage.NEEDS_POD:
            return Plan(
                tuple(_create(kernel, situation, observed, context)), _again_while_starting(kernel, situation, now)
            )
        case Stage.NEEDS_RESTART:
            return Plan(tuple(_restart(situation)), _again_while_starting(kernel, situation, now))
        case Stage.STARTING:
            return Plan(
                (
                    *_surplus_pods(situation, observed),
                    *_missing_children(kernel, observed, context),
                    *_starting(situation, observed, now),
                ),
                _again_while_starting(kernel, situation, now),
            )
        case Stage.RUNNING:
            return Plan(
                (
                    *_surplus_pods(situation, observed),
                    *_missing_children(kernel, observed, context),
                    *_running(situation, observed, now),
                ),
                _earliest(_again_while_running(kernel, situation, observed), _probe_due(observed)),
            )
        case Stage.EXITED:
            return Plan((), situation.ending.time + RESTART_GRACE_SECONDS if situation.ending else now)


def _finished(kernel: KernelFacts, observed: Observed, now: float) -> Plan:
    """Free the node at once, keep the object for people until its time to live is over."""
    actions = tuple(DeletePod(pod, "the KernelInstance is finished") for pod in observed.pods if pod.may_run)
    since = kernel.status.since(ConditionType.FINISHED)
    gone_at = (since if since is not None else now) + kernel.lifecycle.ttl_after_finished
    if since is not None and now >= gone_at:
        return Plan((DeleteInstance("finished for ttlSecondsAfterFinished"),))
    return Plan(actions, gone_at)


def _create(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context) -> list[Action]:
    """The next pod, and whatever it needs that is not known to exist."""
    actions = _surplus_pods(situation, observed)
    if situation.pod is not None and situation.pod.may_run:
        actions.append(DeletePod(situation.pod, "a restart was asked for and cannot be done in place"))
    body = build_pod(
        kernel.raw, context.settings, incarnation=situation.incarnation + 1, callback_url=context.callback_url
    )
    why = "first start" if situation.incarnation == 0 else f"replaces pod {situation.incarnation}"
    return [*actions, *_missing_children(kernel, observed, context), Create("pod", body, why)]


def _surplus_pods(situation: Situation, observed: Observed) -> list[Action]:
    """Living pods beside the newest one: an operator that was killed had no time to delete them."""
    return [
        DeletePod(pod, "a newer pod took its place")
        for pod in observed.pods
        if pod is not situation.pod and pod.may_run
    ]


def _missing_children(kernel: KernelFacts, observed: Observed, context: Context) -> list[Action]:
    actions: list[Action] = []
    if not observed.secret:
        keys = context.new_keys(kernel.encrypted)
        body = build_secret(kernel.raw, keys, token="", supervisor=context.supervisor)
        body["stringData"]["token"] = token(context.operator_key, qualified_secret_name(kernel.raw))
        actions.append(Create("secret", body, "holds the connection key"))
    if not observed.service and kernel.by_service:
        actions.append(Create("service", build_service(kernel.raw), "keeps the kernel's address"))
    return actions


def _restart(situation: Situation) -> list[Action]:
    assert situation.ip is not None  # noqa: S101 - situation() only says NEEDS_RESTART when there is one
    return [Restart(situation.ip, situation.wanted, f"restartGeneration {situation.wanted} was asked for")]


def _starting(situation: Situation, observed: Observed, now: float) -> list[Action]:
    if situation.pod is None:
        return []
    if situation.answering:
        return [ProbeReplaced(pod, "open connections would stay with its kernel") for pod in situation.answering]
    if situation.ip and situation.pod.kernel_runs and _is_silent(situation, observed, now):
        ports_tell = situation.pod.generation >= situation.wanted or not situation.supervised
        return [Probe(situation.ip, situation.wanted, ports_tell, "its container runs and nothing was reported")]
    explain_at = max(situation.start_seen + EXPLAIN_AFTER_SECONDS, observed.explained_at + EXPLAIN_INTERVAL_SECONDS)
    if not situation.pod.kernel_runs and now >= explain_at:
        return [Explain(situation.pod, "it has not started yet")]
    return []


def _running(situation: Situation, observed: Observed, now: float) -> list[Action]:
    due = _probe_due(observed)
    if due is None or now < due or situation.ip is None:
        return []
    return [Probe(situation.ip, situation.wanted, ports_tell=False, why="it has never called back")]


def _probe_due(observed: Observed) -> float | None:
    known = observed.report
    if known is None or not known.is_probed or not known.supervised:
        return None
    return known.time + PROBE_RUNNING_SECONDS


def _is_silent(situation: Situation, observed: Observed, now: float) -> bool:
    known = observed.report
    return known is None or known.is_probed or now >= situation.start_seen + CALLBACK_SILENCE_SECONDS


def _again_while_starting(kernel: KernelFacts, situation: Situation, now: float) -> float:
    deadline = situation.start_began + kernel.lifecycle.start_deadline
    starts = situation.stage is Stage.STARTING and situation.ip is not None
    if situation.answering or (starts and situation.pod is not None and situation.pod.kernel_runs):
        return min(deadline, now + PROBE_INTERVAL_SECONDS)
    slow = situation.start_seen + SLOW_START_SECONDS
    return min(deadline, slow if now < slow else now + PENDING_INTERVAL_SECONDS)


def _again_while_running(kernel: KernelFacts, situation: Situation, observed: Observed) -> float | None:
    silence = silent_node_at(situation.pod, observed) if situation.pod is not None else None
    return _earliest(active_deadline(kernel), silence)


def _earliest(*times: float | None) -> float | None:
    return min((t for t in times if t is not None), default=None)
