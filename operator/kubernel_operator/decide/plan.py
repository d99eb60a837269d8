"""What to do for a KernelInstance: a list of actions, each with its reason. Pure; ``apply`` carries them out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from kubernel_api.conditions import ConditionType, Reason
from kubernel_api.constants import LABEL_MEMBER, RESTART_GRACE_SECONDS
from kubernel_api.names import secret_name, supervisor_map_name
from kubernel_operator.build.pod import build_pod, with_own_keys, without_startup_cpu
from kubernel_operator.build.secret import holds_keys, own_secret
from kubernel_operator.build.service import build_service
from kubernel_operator.build.supervisor import build_supervisor_map
from kubernel_operator.observe.facts import Json
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed, Purpose
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.settings import Settings
from kubernel_supervisor.bootstrap import supervisor_digest
from kubernel_wire.keys import ConnectionKeys, connection_secret
from kubernel_wire.sealed_keys import public_key

from .actions import (
    Action,
    Configure,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    Probe,
    ProbeReplaced,
    Resize,
    Restart,
    Wake,
)
from .binding import bind, claim, claim_service, claim_service_at, read_keys, waits_for_binding
from .configuration import idle_timeout, is_configured
from .endings import silent_node_at
from .reasons import misses, pending_reason
from .refused_containers import believed_at, wake_due
from .resources.resizing import due_resize, resize_again_at
from .situation import EVENTS_SECONDS, EXPLAINED_SECONDS, Situation, Stage, active_deadline, time_to_live

# Seconds after the start at which a pod's Events are read, where the pod itself does not say what it waits for. The API
# server finds them by reading all Events of the namespace, so they are read seldom. Later: every five minutes.
EXPLAIN_AT_SECONDS = (2.0, 12.0, 60.0, 300.0)
_WHY_RESIZED = {
    Purpose.SPEC: "spec.resources has changed",
    Purpose.GROWTH: "its memory is short of the limit",
    Purpose.STARTUP: "starts have more CPU",
}
_EXPLAINED_BY_EVENTS = {Reason.SCHEDULED, Reason.CONTAINER_CREATING, Reason.IMAGE_PULL_FAILED, Reason.UNSCHEDULABLE}
# A Secret or ConfigMap that the kubelet does not find is created again: nobody tells when one is deleted.
MISSED_INTERVAL_SECONDS = 10.0
# A supervisor whose callbacks arrived before, and which has been silent for this much of a start, is asked, too.
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
        can_resize: whether the API server can resize a living pod: Kubernetes 1.33 and newer.
        starts_at_once: how many kernels may start at the same time by now; infinity for any number.
    """

    settings: Settings
    operator_key: bytes
    supervisor: str
    callback_url: str | None
    new_keys: Callable[[bool], ConnectionKeys]
    can_resize: bool = True
    starts_at_once: float = math.inf

    @property
    def public_key(self) -> str:
        """What clients seal their keys to."""
        return public_key(self.operator_key)

    @property
    def supervisor_map(self) -> str:
        """Name of the ConfigMap with the supervisor."""
        return supervisor_map_name(supervisor_digest(self.supervisor))


def plan(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float) -> Plan:
    """The actions that bring a KernelInstance from where it stands to where it should be."""
    match situation.stage:
        case Stage.GONE:
            # Garbage collection waits until the object is gone, and somebody else's finalizer may keep it.
            return Plan(tuple(DeletePod(pod, "its KernelInstance is deleted") for pod in observed.pods if pod.may_run))
        case Stage.FINISHED:
            return _finished(kernel, observed, now)
        case Stage.ORPHANED:
            return Plan((DeleteInstance("Its server no longer renews its Lease.", Reason.ORPHANED),))
        case Stage.NEEDS_POD:
            return _needs_pod(kernel, situation, observed, context, now)
        case Stage.NEEDS_RESTART:
            actions = (*_resize(kernel, situation, observed, now), *_restart(situation))
            return Plan(actions, _again_while_starting(kernel, situation, observed, context, now))
        case Stage.STARTING:
            return Plan(
                (
                    *_superseded_pods(situation, observed),
                    *_missing_beside(kernel, situation, observed, context),
                    *_missed(kernel, situation, observed, context, now),
                    *_wake(situation, observed, now),
                    *_resize(kernel, situation, observed, now),
                    *_starting(kernel, situation, observed, now),
                ),
                _again_while_starting(kernel, situation, observed, context, now),
            )
        case Stage.RUNNING:
            return Plan(
                (
                    *_superseded_pods(situation, observed),
                    *_missing_beside(kernel, situation, observed, context),
                    *(() if claim_service_at(kernel, observed, now) else claim_service(kernel, observed)),
                    *_resize(kernel, situation, observed, now),
                    *_changed(kernel, situation, observed),
                ),
                _again_while_running(kernel, situation, observed, now),
            )
        case Stage.ENDING:
            return _ending(situation, observed, now)
        case Stage.EXITED:
            return Plan((), situation.ended_at + RESTART_GRACE_SECONDS)


def _ending(situation: Situation, observed: Observed, now: float) -> Plan:
    """The pod is about to say who ended its kernel; if it does not, its Events may."""
    look_at = situation.ended_at + EVENTS_SECONDS
    is_read = observed.explained_at >= look_at
    if situation.pod is None or is_read or now < look_at:
        return Plan((), situation.ended_at + (EXPLAINED_SECONDS if is_read else EVENTS_SECONDS))
    return Plan(
        (Explain(situation.pod, "it does not say who ended its kernel"),), situation.ended_at + EXPLAINED_SECONDS
    )


def _needs_pod(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float) -> Plan:
    """The next pod, unless it is too early, or none may be made."""
    not_before = pod_due(situation, observed)
    if now < not_before:
        return Plan((), min(not_before, situation.start_began + kernel.lifecycle.start_deadline))
    actions: tuple[Action, ...] = ()
    may_have_one = situation.objection is None and not observed.waits_for_turn
    if may_have_one and observed.member is not None:
        actions = (  # what takes the API server longest is sent first
            *claim(kernel, observed.member, observed, context.settings, now),
            *_missing_children(kernel, observed, context, None),
        )
    elif may_have_one:
        actions = tuple(_create(kernel, situation, observed, context))
    return Plan(actions, _again_while_starting(kernel, situation, observed, context, now))


def pod_due(situation: Situation, observed: Observed) -> float:
    """Unix seconds before which the next pod is not created."""
    return max(situation.not_before, observed.next_pod_at)


def _finished(kernel: KernelFacts, observed: Observed, now: float) -> Plan:
    """Free the node at once, keep the object for people until its time to live is over."""
    actions = tuple(DeletePod(pod, "the KernelInstance is finished") for pod in observed.pods if pod.may_run)
    gone_at = time_to_live(kernel, observed, now)
    if kernel.status.is_finished and now >= gone_at:
        return Plan((DeleteInstance("finished for ttlSecondsAfterFinished"),))
    return Plan(actions, gone_at)


def _create(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context) -> list[Action]:
    """The next pod, and whatever it needs that is not known to exist."""
    if observed.member_service is not None and kernel.status.address is None:
        # It goes with the member that could not be bound: nobody has its address.
        observed = replace(observed, service=False, member_service=None, service_member="")
    actions = [*_superseded_pods(situation, observed), *claim_service(kernel, observed)]
    if situation.pod is not None and situation.pod.may_run:
        actions.append(DeletePod(situation.pod, "a restart was asked for and cannot be done in place"))
    is_same = situation.pod is not None and situation.pod.supervisor == context.supervisor_map
    has_pod_secret = observed.pod_secret_made or (observed.pod_secret and is_same)
    pod_secret = own_secret(kernel.raw, context.operator_key, context.supervisor)
    missing = _missing_children(kernel, observed, context, None if has_pod_secret else pod_secret)
    if observed.supervisor_found is None:
        # No pod yet: the name may be taken by somebody else's ConfigMap. The next pass follows at once.
        return [*actions, *missing, _supervisor(kernel, context, "kernels run it")]
    body = build_pod(
        kernel.raw,
        context.settings,
        incarnation=max(situation.incarnation, observed.taken_back) + 1,
        callback_url=context.callback_url,
        pod_secret=pod_secret["metadata"]["name"],
        supervisor_map=context.supervisor_map,
        template=observed.template,
    )
    if holds_keys(pod_secret):
        body = with_own_keys(body)
    if not context.can_resize:
        body = without_startup_cpu(body) or body
    if observed.service_member:  # its Service selects by the name of the pool's pod that it was made for
        body["metadata"]["labels"][LABEL_MEMBER] = observed.service_member
    why = "first start" if situation.incarnation == 0 else f"replaces pod {situation.incarnation}"
    return [*actions, *missing, Create("pod", body, why)]


def _superseded_pods(situation: Situation, observed: Observed) -> list[Action]:
    """Living pods beside the newest one: an operator that was killed had no time to delete them."""
    return [
        DeletePod(pod, "a newer pod took its place")
        for pod in observed.pods
        if pod is not situation.pod and pod.may_run
    ]


def _missing_children(
    kernel: KernelFacts, observed: Observed, context: Context, pod_secret: Json | None
) -> list[Action]:
    """What its pod needs and is not known to exist. ``pod_secret``: the pod's own; None: that is there."""
    actions: list[Action] = []
    if not observed.secret and not kernel.keys_by_client:
        actions.append(_secret(kernel, observed, context, "holds the connection key"))
    if pod_secret is not None:
        actions.append(Create("pod secret", pod_secret, "holds the pod's token"))
    if observed.service or not kernel.by_service:
        return actions
    known = kernel.status.address
    body = build_service(kernel.raw, known.ip if known else None)
    return [*actions, Create("service", body, "keeps the kernel's address")]


def _missing_beside(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context) -> list[Action]:
    """What the newest pod needs and is not known to exist. A pool's pod has brought its own Secret."""
    has_secret = observed.pod_secret or _is_members(situation)
    made = None if has_secret else own_secret(kernel.raw, context.operator_key, context.supervisor)
    return _missing_children(kernel, observed, context, made)


def _is_members(situation: Situation) -> bool:
    return situation.pod is not None and situation.pod.is_member


def _secret(kernel: KernelFacts, observed: Observed, context: Context, why: str) -> Create:
    """With keys that a pool's pod may know already, if there are such."""
    known = observed.keys
    keys = context.new_keys(kernel.encrypted) if known is None else ConnectionKeys.of(known)
    return Create("secret", connection_secret(kernel.raw, keys), why)


def _supervisor(kernel: KernelFacts, context: Context, why: str) -> Create:
    return Create("supervisor", build_supervisor_map(kernel.namespace, context.supervisor), why)


def _missed(
    kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float
) -> list[Action]:
    """What the pod misses, again: somebody deleted it. What is there is not changed.

    The clients' Secret is not made where that is their business: they would not know its key.
    """
    due = _missed_due(kernel, situation, observed, context)
    if due is None or now < due:
        return []
    why = "the kubelet does not find it"
    if _misses_supervisor(situation, context):
        return [_supervisor(kernel, context, why)]
    clients: list[Action] = [] if kernel.keys_by_client else [_secret(kernel, observed, context, why)]
    if _is_members(situation):
        return clients
    return [*clients, Create("pod secret", own_secret(kernel.raw, context.operator_key, context.supervisor), why)]


def _wake(situation: Situation, observed: Observed, now: float) -> list[Action]:
    """The kubelet tries again what may work by now; by itself it does so after 10 to 25 s."""
    due = wake_due(situation.pod, observed) if situation.pod is not None else None
    if due is None or situation.pod is None or now < due[1]:
        return []
    return [Wake(situation.pod, due[0], "what failed may work by now")]


def _missed_due(kernel: KernelFacts, situation: Situation, observed: Observed, context: Context) -> float | None:
    if _misses_supervisor(situation, context):
        return (observed.supervisor_found or 0.0) + MISSED_INTERVAL_SECONDS
    if situation.pod is not None and misses(situation.pod, secret_name(kernel.name, kernel.uid)):
        return observed.secret_posted + MISSED_INTERVAL_SECONDS
    return None


def _misses_supervisor(situation: Situation, context: Context) -> bool:
    return situation.pod is not None and misses(situation.pod, context.supervisor_map)


def _resize(kernel: KernelFacts, situation: Situation, observed: Observed, now: float) -> list[Action]:
    due = due_resize(kernel, situation, observed, now)
    if due is None or situation.pod is None:
        return []
    purpose, to = due
    why = f"{_WHY_RESIZED[purpose]}; it has {situation.pod.sizes}"
    return [Resize(situation.pod, to, why, purpose, situation.wanted)]


def _changed(kernel: KernelFacts, situation: Situation, observed: Observed) -> list[Action]:
    """What has changed in the spec and is the supervisor's business."""
    if situation.ip is None:
        return []
    if observed.report is None and situation.supervised and kernel.status.says(ConditionType.SUSPENDED):
        return [Probe(situation.ip, situation.wanted, False, "does the kernel still stand still?")]
    if is_configured(kernel, situation, observed):
        return []
    wanted = idle_timeout(kernel, situation)
    return [Configure(situation.ip, wanted, kernel.suspend, "spec.lifecycle.idleTimeoutSeconds or suspend has changed")]


def _restart(situation: Situation) -> list[Action]:
    assert situation.ip is not None  # noqa: S101 - situation() only says NEEDS_RESTART when there is one
    return [Restart(situation.ip, situation.wanted, f"restartGeneration {situation.wanted} was asked for")]


def _starting(kernel: KernelFacts, situation: Situation, observed: Observed, now: float) -> list[Action]:
    if situation.pod is None:
        return []
    if waits_for_binding(kernel, situation.pod, observed) and (unread := read_keys(kernel, observed)):
        return unread
    if situation.ip and observed.keys is not None and waits_for_binding(kernel, situation.pod, observed):
        return bind(kernel, situation.pod, situation.ip)
    if situation.answering:
        return [ProbeReplaced(situation.answering, "are open connections still with the kernel of a replaced pod?")]
    if situation.ip and situation.pod.kernel_runs and _is_silent(situation, observed, now):
        ports_tell = situation.pod.generation >= situation.wanted or not situation.supervised
        return [Probe(situation.ip, situation.wanted, ports_tell, "its container runs and nothing was reported")]
    if _needs_events(situation.pod) and now >= _explain_due(situation, observed):
        return [Explain(situation.pod, "it does not say itself what it waits for")]
    return []


def _needs_events(pod: PodFacts) -> bool:
    """Whether Events can tell more: of a pod that nobody has room for, whether an autoscaler adds a node."""
    return not pod.kernel_runs and pending_reason(pod)[0] in _EXPLAINED_BY_EVENTS


def _explain_due(situation: Situation, observed: Observed) -> float:
    """Unix seconds when the Events are to be read next."""
    last = observed.explained_at - situation.turn_began
    return situation.turn_began + next((s for s in EXPLAIN_AT_SECONDS if s > last), last + EXPLAIN_AT_SECONDS[-1])


def _is_silent(situation: Situation, observed: Observed, now: float) -> bool:
    known = observed.report
    return known is None or known.is_probed or now >= situation.turn_began + CALLBACK_SILENCE_SECONDS


def _again_while_starting(
    kernel: KernelFacts, situation: Situation, observed: Observed, context: Context, now: float
) -> float:
    """The next deadline: whatever else may happen to a start arrives by watch or callback, or as an answer."""
    pod = situation.pod
    times = [situation.start_began + kernel.lifecycle.start_deadline]
    if pod is not None and situation.stage is Stage.STARTING and not situation.answering:
        if (missed := _missed_due(kernel, situation, observed, context)) is not None:
            times.append(missed if missed > now else now + MISSED_INTERVAL_SECONDS)
        if (wake := wake_due(pod, observed)) is not None:
            times.append(wake[1])
        if _needs_events(pod):
            times.append(_explain_due(situation, observed))
        if situation.ip and pod.kernel_runs:
            times.append(situation.turn_began + CALLBACK_SILENCE_SECONDS)
    if pod is not None and (silent := silent_node_at(pod, observed)) is not None:
        times.append(silent)
    if (believed := believed_at(pod, observed)) is not None:
        times.append(believed)
    return min((t for t in times if t > now), default=now)


def _again_while_running(kernel: KernelFacts, situation: Situation, observed: Observed, now: float) -> float | None:
    silence = silent_node_at(situation.pod, observed) if situation.pod is not None else None
    return _earliest(
        active_deadline(kernel, observed, now),
        silence,
        resize_again_at(kernel, situation, observed),
        claim_service_at(kernel, observed, now),
    )


def _earliest(*times: float | None) -> float | None:
    return min((t for t in times if t is not None), default=None)
