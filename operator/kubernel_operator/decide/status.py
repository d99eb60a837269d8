"""The status of a KernelInstance. Pure; the same words go to conditions, Events and the notebook's exception."""

from __future__ import annotations

from dataclasses import replace

from kubernel_api.conditions import STALLING, ConditionStatus, ConditionType, Phase, Reason, condition, find_condition
from kubernel_api.constants import CONTROL_PORT, PORTS, SIGNATURE_SCHEME, TRANSPORT
from kubernel_api.names import secret_name
from kubernel_operator.build.shape import bounds_for, encryption_of, image_of
from kubernel_operator.clock import rfc3339, rfc3339_micro
from kubernel_operator.observe.facts import Json, seconds_of
from kubernel_operator.observe.kernel_facts import Address, KernelFacts, StatusFacts
from kubernel_operator.observe.observed import Observed
from kubernel_operator.settings import Settings

from .binding import waits_for_binding
from .configuration import observed_generation
from .endings import Ending
from .reasons import explained, misses, neighbours_in_trouble, once_believed, pending_reason
from .resources.memory import memory_status, suspension
from .resources.outcome import Outcome
from .resources.resizing import TROUBLES, outcome, sizes_in_force
from .situation import ON_THE_WAY, Situation, Stage
from .texts import for_people

# lastActivityTime is written when it moved by this much: it must not become a heartbeat.
ACTIVITY_STEP_SECONDS = 60.0
_OVER = frozenset({Stage.FINISHED, Stage.GONE})


def build_status(
    kernel: KernelFacts,
    situation: Situation,
    observed: Observed,
    settings: Settings,
    now: float,
    *,
    public_key: str | None = None,
) -> Json:
    """The whole status as it should be.

    Args:
        kernel: the KernelInstance with the status it has now.
        situation: where it stands.
        observed: what is known of its children.
        settings: for the image in use.
        now: Unix seconds.
        public_key: what clients seal keys to.
    """
    old, pod, ending = kernel.status, situation.pod, situation.ending
    if situation.stage is Stage.FINISHED and ending is None:
        return _still_over(old, kernel.generation)
    if (situation.stage is Stage.GONE and ending is None) or situation.stage in {Stage.ORPHANED, Stage.ENDING}:
        return old.raw  # its last word was said, or is not known yet
    phase, reason, message = _words(kernel, situation, observed)
    resize = outcome(kernel, situation, observed)
    stands = suspension(kernel, situation, observed, now)
    if reason is Reason.RUNNING and stands is not None and stands.status == "True":
        message = stands.message
    elif reason is Reason.RUNNING and resize is not None and resize.reason in TROUBLES:
        message = f"{message} {resize.message}"
    message = for_people(message)
    generation = observed_generation(kernel, situation, observed)
    wanted_runs = situation.stage is Stage.RUNNING or ending is not None
    status: Json = {
        "observedGeneration": generation,
        "phase": str(phase),
        "reason": str(reason),
        "message": message,
        "conditions": [
            *_conditions(kernel, situation, phase, reason, message, generation, now),
            *_when_asked(ConditionType.RESIZING, kernel, resize, generation, now),
            *_when_asked(ConditionType.SUSPENDED, kernel, stands, generation, now),
        ],
        "image": _image(kernel, situation, observed, settings),
        "resources": sizes_in_force(kernel, pod).as_json() or None,
        "memory": memory_status(observed.report, old.raw.get("memory")),
        "connection": _connection(kernel, situation, observed, settings),
        "publicKey": _public_key(kernel, public_key),
        "exit": _exit(ending, message) if ending else None,
        "podName": pod.name if pod else old.pod_name,
        "podIncarnation": (pod.incarnation if pod else old.incarnation) or None,
        "nodeName": (pod.node if pod else None) or old.node_name,
        "restartGeneration": situation.wanted if wanted_runs else old.generation,
        "restartCount": _restart_count(old, situation.wanted) if wanted_runs else old.restart_count,
        "lastActivityTime": _last_activity(observed, old.last_activity),
        "start": _start(kernel, situation, observed),
        "times": _times(kernel, situation, observed, now),
    }
    return {k: v for k, v in status.items() if v is not None}


def status_patch(old: Json, new: Json) -> Json:
    """The merge patch from one status to another; empty when nothing changed. Removed fields become null."""
    if old == new:
        return {}
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


def _still_over(old: StatusFacts, generation: int) -> Json:
    """The last word, which is about the spec as it is by now, too: nothing that it may say changes anything."""
    if old.observed_generation == generation:
        return old.raw
    seen = {"observedGeneration": generation}
    return {**old.raw, **seen, "conditions": [{**known, **seen} for known in old.raw_conditions]}


def _words(kernel: KernelFacts, situation: Situation, observed: Observed) -> tuple[Phase, Reason, str]:
    """Phase, reason and message."""
    if situation.ending is not None:
        over = situation.stage in _OVER
        success = situation.ending.reason is Reason.COMPLETED
        phase = (Phase.SUCCEEDED if success else Phase.FAILED) if over else Phase.EXITED
        return phase, situation.ending.reason, situation.ending.message
    if situation.stage is Stage.RUNNING and situation.node_is_silent:
        return Phase.RUNNING, Reason.NODE_UNREACHABLE, _silence(situation)
    if situation.stage is Stage.RUNNING and kernel.by_service and not observed.service:
        return Phase.RUNNING, Reason.CONNECTION_LOST, _without_service(observed)
    if situation.stage is Stage.RUNNING:
        return Phase.RUNNING, Reason.RUNNING, _ready(situation)
    return _words_of_start(kernel, situation, observed)


def _image(kernel: KernelFacts, situation: Situation, observed: Observed, settings: Settings) -> str:
    """The image of the newest pod: what a template says by now is about the next one."""
    known = kernel.status.raw.get("image")
    pod = situation.pod
    if known and (situation.incarnation > 0 if pod is None else kernel.is_about(pod.name)):
        return str(known)
    return image_of(kernel.raw["spec"], settings, observed.template)


def _words_of_start(kernel: KernelFacts, situation: Situation, observed: Observed) -> tuple[Phase, Reason, str]:
    """Phase, reason and message on the way to Ready."""
    if situation.objection is not None:
        return Phase.PENDING, situation.objection.reason, situation.objection.message
    if observed.refusal is not None and situation.stage in {Stage.NEEDS_POD, Stage.STARTING}:
        return Phase.PENDING, observed.refusal.reason, observed.refusal.message
    restart_sent = situation.stage is Stage.STARTING and observed.control_sent >= situation.wanted
    if situation.stage is Stage.NEEDS_RESTART or restart_sent:
        return Phase.STARTING, Reason.RESTARTING, "The kernel is being restarted."
    if situation.replaces is not None:
        return Phase.PENDING, Reason.POD_REPLACED, f"{situation.replaces.message} Another pod takes its place."
    if situation.stage is Stage.NEEDS_POD:
        return Phase.PENDING, *_words_before_the_pod(situation, observed)
    if situation.answering:
        return Phase.STARTING, Reason.POD_REPLACED, "The new pod is ready; the kernel of the old one has yet to end."
    if situation.pod is None:
        return Phase.PENDING, Reason.CREATING, "The pod is being created."
    secret = secret_name(kernel.name, kernel.uid)
    is_untold = waits_for_binding(kernel, situation.pod, observed) and observed.keys is None
    if kernel.keys_by_client and (is_untold or misses(situation.pod, f'"{secret}"')):
        return Phase.PENDING, Reason.WAITING_FOR_KEY, _without_key(secret)
    if observed.report is not None:
        message = "The container runs; the kernel does not answer yet."
        return Phase.STARTING, Reason.KERNEL_STARTING, f"{message} {observed.report.log}".strip()
    pending = pending_reason(situation.pod, believed=situation.refused)
    reason, message = explained(*pending, observed.pending, observed.hint)
    reason = once_believed(reason, believed=situation.refused)
    return (Phase.STARTING if reason is Reason.KERNEL_STARTING else Phase.PENDING), reason, message


def _words_before_the_pod(situation: Situation, observed: Observed) -> tuple[Reason, str]:
    """Reason and message of a KernelInstance that may have its pod, now or when its turn comes."""
    if (starts := observed.waits_for_turn) > 0:
        many = f"As many kernels are starting as may at a time (maxStarting: {starts})"
        return Reason.QUEUED, f"{many}; this one waits for its turn."
    if situation.incarnation > 0:
        return Reason.POD_REPLACED, "A new pod takes the place of the old one."
    return Reason.CREATING, "The pod is being created."


def _without_key(secret: str) -> str:
    """That the client has not made its Secret: it was slow, or ended in between."""
    return (
        f"The pod waits for Secret {secret} with the connection key, which its client has to create "
        "(spec.connection.keyFrom: Client). If the client is gone, delete the KernelInstance."
    )


def _silence(situation: Situation) -> str:
    node = (situation.pod.node if situation.pod is not None else None) or "of the pod"
    return f"Node {node} does not answer: the kernel may run on, and is ready again when the node is back."


def _without_service(observed: Observed) -> str:
    """That somebody deleted the Service of a living kernel, and what becomes of it."""
    address = observed.service_ip or "its address"
    if observed.refusal is not None:
        return f"Its Service was deleted and cannot be made again at {address}: {observed.refusal.message}"
    return f"Its Service was deleted and is made again at {address}."


def _ready(situation: Situation) -> str:
    """That it is ready; and what happened beside it, which people would look for in vain."""
    troubles = neighbours_in_trouble(situation.pod) if situation.pod is not None else []
    if not troubles:
        return "The kernel is ready."
    return (
        f"The kernel is ready. Other containers of its pod do not run: {', '.join(troubles)}. Kubernetes calls the pod "
        "not ready for that, so its Service takes no new connections."
    )


def _conditions(
    kernel: KernelFacts,
    situation: Situation,
    phase: Phase,
    reason: Reason,
    message: str,
    generation: int,
    now: float,
) -> list[Json]:
    previous, time = kernel.status.raw_conditions, rfc3339(now)

    def make(type_: ConditionType, status: ConditionStatus, reason: str, message: str) -> Json:
        return condition(type_, status, reason, message, generation=generation, previous=previous, now=time)

    over = situation.stage in _OVER
    stalled = reason in STALLING and not over
    on_the_way = situation.stage in ON_THE_WAY and not stalled
    ready: ConditionStatus = "True" if reason is Reason.RUNNING else "False"
    stalled = stalled or (over and phase is Phase.FAILED)
    conditions = [
        make(ConditionType.RECONCILING, "True" if on_the_way else "False", reason, message if on_the_way else ""),
        make(ConditionType.STALLED, "True" if stalled else "False", reason, message if stalled else ""),
        make(ConditionType.FINISHED, "True" if over else "False", reason, message if over else ""),
    ]
    if not over:  # one that says False is waited for, by Flux, Helm and all who go by kstatus; and True it is not
        ready = "Unknown" if reason is Reason.NODE_UNREACHABLE else ready
        conditions.insert(0, make(ConditionType.READY, ready, reason, message))
    if situation.pod is not None and (scheduled := situation.pod.scheduled) is not None:
        word = scheduled.reason or ("Scheduled" if scheduled.is_true else "Unschedulable")
        status: ConditionStatus = "True" if scheduled.is_true else "False"
        conditions.append(make(ConditionType.POD_SCHEDULED, status, word, for_people(scheduled.message)))
    return conditions


def _when_asked(
    type_: ConditionType, kernel: KernelFacts, outcome: Outcome | None, generation: int, now: float
) -> list[Json]:
    """A condition that is there once there was something to say; that stays until there is more."""
    previous = kernel.status.raw_conditions
    if outcome is None:
        known = find_condition(previous, type_)
        return [known] if known is not None else []
    message = for_people(outcome.message)
    return [
        condition(
            type_,
            outcome.status,
            outcome.reason,
            message,
            generation=generation,
            previous=previous,
            now=rfc3339(now),
        )
    ]


def _connection(kernel: KernelFacts, situation: Situation, observed: Observed, settings: Settings) -> Json | None:
    """Where to connect: set when the kernel first answers, then kept for as long as the object lives."""
    known = kernel.status.address
    if situation.stage is Stage.RUNNING:
        service_ip = observed.service_ip or (known.ip if known else None)
        ip = service_ip if kernel.by_service else situation.ip
        encryption = _encryption(kernel, observed, settings)
        return _connection_json(kernel, Address(ip, situation.ip, bool(situation.supervised), encryption))
    if known is None:
        return None
    # The address of another pod is soon anybody's.
    is_new_pod = situation.pod is not None and not kernel.is_about(situation.pod.name)
    return _connection_json(kernel, replace(known, pod_ip=None) if is_new_pod else known)


def _public_key(kernel: KernelFacts, public_key: str | None) -> str | None:
    """For clients that make keys. It stays once the kernel was ready, so that an operator's update writes nothing."""
    known: str | None = kernel.status.raw.get("publicKey")
    return public_key if kernel.keys_by_client and kernel.status.address is None else known


def _encryption(kernel: KernelFacts, observed: Observed, settings: Settings) -> str:
    """What the kernel's ports speak; where no supervisor says so, what they were told to."""
    told = observed.report.encryption if observed.report is not None else None
    known = kernel.status.address.encryption if kernel.status.address is not None else None
    asked = encryption_of(kernel.raw["spec"], bounds_for(settings, observed.template))
    return told or known or ("Curve" if asked == "Curve" else "Disabled")


def _connection_json(kernel: KernelFacts, address: Address) -> Json:
    connection: Json = {
        "ip": address.ip,
        "ports": dict(PORTS),
        "transport": TRANSPORT,
        "signatureScheme": SIGNATURE_SCHEME,
        "secretName": secret_name(kernel.name, kernel.uid),
        "podIP": address.pod_ip,
        "controlPort": CONTROL_PORT if address.supervised else None,
        "encryption": address.encryption,
    }
    return {k: v for k, v in connection.items() if v is not None}


def _restart_count(old: StatusFacts, wanted: int) -> int:
    """How often another process was started; restartGeneration may begin at any number."""
    return (old.restart_count or 0) + (old.generation is not None and wanted > old.generation)


def _exit(ending: Ending, message: str) -> Json:
    fields = {
        "exitCode": ending.exit_code,
        "signal": ending.signal,
        "reason": str(ending.reason),
        "message": message,
        "oomKilled": ending.oom_killed,
        "finishedTime": rfc3339_micro(ending.time),
        "restartGeneration": ending.generation,
    }
    return {k: v for k, v in fields.items() if v is not None}


def _times(kernel: KernelFacts, situation: Situation, observed: Observed, now: float) -> Json | None:
    """When each step of the newest start was reached; only looked at while it starts, kept after."""
    known = kernel.status.times
    is_new = situation.wanted != (kernel.status.generation or 0) or "ready" not in known
    if situation.stage is not Stage.RUNNING or not is_new:
        return known or None
    started = observed.report.started_time if observed.report else None
    scheduled = situation.pod.scheduled if situation.pod is not None else None
    times = {
        "scheduled": (scheduled.since or None) if scheduled is not None else None,
        "started": rfc3339_micro(started) if started else None,
        "ready": rfc3339_micro(now),
    }
    return {k: v for k, v in times.items() if v is not None}


def _start(kernel: KernelFacts, situation: Situation, observed: Observed) -> Json | None:
    """Where the newest pod came from, in a namespace with pools."""
    pod, known = situation.pod, kernel.status.raw.get("start")
    if pod is not None and pod.is_member:
        return {"type": "Warm", "pool": pod.pool}
    if observed.cold is not None:
        message = for_people(observed.cold.message)
        return {"type": "Cold", "reason": observed.cold.reason, **({"message": message} if message else {})}
    if known and pod is not None and not kernel.is_about(pod.name):
        return {"type": "Cold", "reason": "Replaced"}
    return known


def _last_activity(observed: Observed, known: str | None) -> str | None:
    seen = observed.report.last_activity if observed.report else None
    if seen is None or (known and seen < (seconds_of(known) or 0.0) + ACTIVITY_STEP_SECONDS):
        return known
    return rfc3339(seen)
