"""Whether a living pod is to get other amounts of cpu and memory, and how far that has come. Pure.

The spec's own words count, and only when they were changed after the pod was made: what an admission webhook, a
LimitRange or an autoscaler made of them is left alone until somebody asks for something else.
"""

from __future__ import annotations

from kubernel_api.conditions import ConditionType, Reason, find_condition
from kubernel_api.quantity import amount
from kubernel_cluster.errors import ApiError
from kubernel_operator.decide.situation import Situation, Stage
from kubernel_operator.observe.facts import Json
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed, Purpose, ResizeAnswer
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.sizes import Sizes

from .memory import GROWTH_AGAIN, REFUSED_SECONDS, frozen_report
from .outcome import Outcome
from .startup import is_only_startup, own_limit, sizes_at_rest, startup_sizes

# A resize that was refused is asked for again so often: quotas and limits change without a word to anybody.
RETRY_SECONDS = 60.0
_LIVING = {Stage.STARTING, Stage.RUNNING}
#: What people have to hear of: the kernel has not got what was asked for.
TROUBLES = {Reason.RESIZE_DEFERRED, Reason.RESIZE_INFEASIBLE, Reason.RESIZE_REFUSED, Reason.API_ERROR}


def wanted_sizes(kernel: KernelFacts, pod: PodFacts, memory_max: str = "") -> Sizes:
    """What the spec names, and what has to go with it.

    Memory that has grown by itself stays so, as far as that may grow: ``memory_max``.

    A request that nobody named was made equal to its limit when the pod was made, and goes on being equal; none can be
    above its limit. Where there was neither, nothing is reserved: Kubernetes would reserve all of a new limit, and so
    may make the pod Guaranteed.

    A pod that has the CPU of its start gets its own back with it: that it has more may be all that keeps its QoS class.
    """
    known = sizes_at_rest(kernel, pod)
    requests, limits = dict(kernel.sizes.requests), dict(kernel.sizes.limits)
    for name, limit in kernel.sizes.limits.items():
        request = known.requests.get(name)
        if name in requests:
            continue
        if request is None:
            if name not in known.limits:
                requests[name] = "0"
            continue
        is_its_limit = name in known.limits and amount(request) == amount(known.limits[name])
        if is_its_limit or amount(request) > amount(limit):
            requests[name] = limit
    for name, request in kernel.sizes.requests.items():
        if name not in limits and name in known.limits and amount(request) > amount(known.limits[name]):
            limits[name] = request
    grown = known.limits.get("memory", "0")
    if memory_max and "memory" in limits and amount(limits["memory"]) < amount(grown) <= amount(memory_max):
        limits["memory"] = grown
        if "memory" in requests:
            requests["memory"] = known.requests.get("memory", requests["memory"])
    if own_limit(kernel, pod):
        limits.setdefault("cpu", max(known.limits["cpu"], requests.get("cpu", "0"), key=amount))
    return Sizes(requests, limits)


def due_resize(
    kernel: KernelFacts, situation: Situation, observed: Observed, now: float
) -> tuple[Purpose, Sizes] | None:
    """The amounts to ask the API server for now, and what for; None: there is nothing to ask."""
    for purpose, to in _wanted(kernel, situation, observed):
        at = _asked_at(purpose, situation, observed, to)
        if at is not None and now >= at:
            return purpose, to
    return None


def resize_again_at(kernel: KernelFacts, situation: Situation, observed: Observed) -> float | None:
    """Unix seconds at which a resize is asked for again that was refused; None: none is."""
    times = (_asked_at(purpose, situation, observed, to) for purpose, to in _wanted(kernel, situation, observed))
    return min((at for at in times if at), default=None)


def is_resize_answered(kernel: KernelFacts, situation: Situation, observed: Observed) -> bool:
    """Whether the API server has said yes or no to the amounts of this spec, if they are other than the pod's."""
    to = missing_of_spec(kernel, situation)
    return (
        to is None
        or bool(situation.resize_objection)
        or _answer(Purpose.SPEC, situation, observed, to) is not None
        or _is_not_taken(kernel)
    )


def outcome(kernel: KernelFacts, situation: Situation, observed: Observed) -> Outcome | None:
    """How far the newest resize has come; None: none was asked for, or there is nothing new to say of it."""
    pod = situation.pod
    if pod is None or not pod.sizes or situation.stage not in _LIVING:
        return None
    if (to := missing_of_spec(kernel, situation)) is not None:
        return _of_spec(kernel, situation, observed, pod, to)
    grown = _last(Purpose.GROWTH, pod, observed)
    if frozen_report(observed) is not None and grown is not None and grown.refusal and not grown.failed:
        if situation.growth is not None:
            return None  # less is tried, or the same again
        return Outcome("False", Reason.RESIZE_REFUSED, _refused(grown.asked, pod, grown, GROWTH_AGAIN))
    if situation.stage is Stage.RUNNING and (kept := _not_taken_back(kernel, pod, observed)):
        return Outcome("False", Reason.RESIZE_REFUSED, kept)
    if is_only_startup(kernel, pod):
        return None  # nobody asked for it
    is_known = kernel.status.condition(ConditionType.RESIZING) is not None
    was_asked = grown is not None or _last(Purpose.SPEC, pod, observed) is not None
    is_under_way = was_asked or pod.resize_pending is not None or pod.resize_in_progress is not None
    if not is_under_way and (not is_known or pod.kernel is None or not pod.kernel.sizes):
        return None
    has_yet_to_run = situation.stage is Stage.STARTING and observed.report is None and not pod.kernel_runs
    if has_yet_to_run and pod.resize_pending is None:
        return Outcome("False", Reason.RESIZED, f"In force: {pod.sizes}.")  # it starts with them
    return _by_kubelet(pod)


def _of_spec(kernel: KernelFacts, situation: Situation, observed: Observed, pod: PodFacts, to: Sizes) -> Outcome | None:
    """What has become of amounts of the spec that the pod is not to have yet."""
    if situation.resize_objection:
        message = f"The resize to {to} was refused: {situation.resize_objection}"
        return Outcome("False", Reason.RESIZE_REFUSED, message)
    answer = _answer(Purpose.SPEC, situation, observed, to)
    if answer is None:
        said = kernel.status.condition(ConditionType.RESIZING)
        if said is None or not _is_not_taken(kernel):
            return None
        return Outcome("True" if said.is_true else "False", Reason(said.reason), said.message)
    if answer.failed:
        message = f"The resize to {to} has not come through yet, it is tried again: {answer.refusal.rstrip('.')}."
        return Outcome("True", Reason.API_ERROR, message)
    return Outcome("False", Reason.RESIZE_REFUSED, _refused(to, pod, answer, "every minute"))


def sizes_in_force(kernel: KernelFacts, pod: PodFacts | None) -> Sizes:
    """What the kernel really has. Before the kubelet has said anything of a pod, what that was made with."""
    if pod is None:
        return kernel.status.sizes
    found = pod.kernel.sizes if pod.kernel is not None and pod.kernel.sizes else pod.sizes
    return kernel.status.sizes if not found or found.same(kernel.status.sizes) else found


def condition_news(old: Json, new: Json) -> list[tuple[str, str]]:
    """Reason and message for Events: a resize has come to a point that people wait for, or a kernel stands still."""
    stands = _is_suspended(new) and not _is_suspended(old)
    after = find_condition(new.get("conditions") or [], ConditionType.SUSPENDED)
    stood = [(after["reason"], after["message"])] if after is not None and stands else []
    resized = _resize_news(old, new)
    return [*stood, *([resized] if resized else [])]


def _is_suspended(status: Json) -> bool:
    found = find_condition(status.get("conditions") or [], ConditionType.SUSPENDED)
    return found is not None and found["status"] == "True"


def _resize_news(old: Json, new: Json) -> tuple[str, str] | None:
    before = find_condition(old.get("conditions") or [], ConditionType.RESIZING)
    after = find_condition(new.get("conditions") or [], ConditionType.RESIZING)
    if after is None or after["reason"] not in {*TROUBLES, Reason.RESIZED}:
        return None
    same = before is not None and all(before.get(key) == after[key] for key in ("reason", "message"))
    return None if same else (after["reason"], after["message"])


def refusal_of_resize(error: ApiError) -> tuple[str, bool]:
    """Why the API server did not take a resize, with the way out; and whether it will never take it."""
    text = error.message.rstrip(".")
    if error.status == 404:
        way_out = "close the kernel and start it anew with other resources"
        return f"this Kubernetes cannot resize pods, 1.33 and newer can; {way_out}", True
    if error.status == 403 and "exceeded quota" in text:
        return f"{text}; ask for less, or end other kernels", False
    if error.status == 403 and "pods/resize" in text and "cannot patch" in text:
        return f"{text}; the operator's chart is older than the operator: upgrade it", False
    if "QOS" in text and "BestEffort" in text:
        way_out = "one without any requests and limits cannot get some; start the kernel anew with them"
        return f"a living pod keeps its QoS class ({text}); {way_out}", True
    if "QOS" in text:
        way_out = "where requests and limits are equal, change both in spec.resources; else keep them different"
        return f"a living pod keeps its QoS class ({text}); {way_out}", True
    return text, error.status != 403


def missing_of_spec(kernel: KernelFacts, situation: Situation) -> Sizes | None:
    """The amounts of a changed spec that a living pod has not got."""
    pod = situation.pod
    if pod is None or not pod.sizes or situation.stage not in _LIVING or not pod.may_run:
        return None
    if kernel.generation <= pod.made_for or not kernel.sizes:
        return None
    if kernel.generation == kernel.status.observed_generation and not _is_not_taken(kernel):
        return None
    to = wanted_sizes(kernel, pod, situation.memory_max)
    return None if sizes_at_rest(kernel, pod).has(to) else to


def _wanted(kernel: KernelFacts, situation: Situation, observed: Observed) -> list[tuple[Purpose, Sizes]]:
    """What there is to ask for, the most urgent first: one at a time, since each request changes the pod."""
    spec = None if situation.resize_objection else missing_of_spec(kernel, situation)
    found = {
        Purpose.SPEC: spec,
        Purpose.GROWTH: situation.growth,
        Purpose.STARTUP: startup_sizes(kernel, situation, observed),
    }
    return [(purpose, to) for purpose, to in found.items() if to is not None]


def _not_taken_back(kernel: KernelFacts, pod: PodFacts, observed: Observed) -> str:
    """Why a kernel that is ready still has the CPU of its start; "" when that is on its way, or has none."""
    own, answer = own_limit(kernel, pod), _last(Purpose.STARTUP, pod, observed)
    if not own or answer is None or not answer.refusal:
        return ""
    return (
        f"The CPU limit of its start, {pod.sizes.limits['cpu']}, could not be taken back to {own}: {answer.refusal}. "
        "It is tried again every minute."
    )


def _is_not_taken(kernel: KernelFacts) -> bool:
    """Whether the status says of this very spec that the API server has not taken it."""
    said = kernel.status.condition(ConditionType.RESIZING)
    return (
        said is not None
        and said.reason in {Reason.RESIZE_REFUSED, Reason.API_ERROR}
        and kernel.generation == kernel.status.observed_generation
    )


def _asked_at(purpose: Purpose, situation: Situation, observed: Observed, to: Sizes) -> float | None:
    """Unix seconds from which these amounts are to be asked for: 0 for at once, None for never again."""
    answer = _answer(purpose, situation, observed, to)
    if answer is None or answer.failed:
        return 0.0
    if answer.hopeless and purpose is not Purpose.STARTUP:  # nobody keeps what was for a start
        return None
    return answer.at + (REFUSED_SECONDS if purpose is Purpose.GROWTH else RETRY_SECONDS)


def _answer(purpose: Purpose, situation: Situation, observed: Observed, to: Sizes) -> ResizeAnswer | None:
    known = None if situation.pod is None else _last(purpose, situation.pod, observed)
    return known if known is not None and known.asked.same(to) else None


def _last(purpose: Purpose, pod: PodFacts, observed: Observed) -> ResizeAnswer | None:
    """What became of the last request of that kind for this pod."""
    known = observed.resizes.get(purpose)
    return known if known is not None and known.pod_uid == pod.uid else None


def _refused(to: Sizes, pod: PodFacts, answer: ResizeAnswer, often: str) -> str:
    words = answer.refusal or "it was taken, and something else in the cluster, an admission webhook or an autoscaler, "
    if not answer.refusal:
        words += f"set {pod.sizes} instead"
    again = f" It is tried again {often}." if answer.refusal and not answer.hopeless else ""
    return f"The resize to {to} was refused: {words}.{again}"


def _by_kubelet(pod: PodFacts) -> Outcome:
    """What the node makes of the amounts that the pod is to have."""
    node = pod.node or "of the pod"
    if (pending := pod.resize_pending) is not None:
        words = pending.message.rstrip(".") or pending.reason
        if pending.reason == "Infeasible":
            way_out = "Ask for less, or close the kernel and start it anew, which may find another node."
            message = f"The resize to {pod.sizes} is not possible on node {node}: {words}. {way_out}"
            return Outcome("False", Reason.RESIZE_INFEASIBLE, message)
        message = f"The resize to {pod.sizes} waits until node {node} has room: {words}."
        return Outcome("True", Reason.RESIZE_DEFERRED, message)
    in_force = pod.kernel.sizes if pod.kernel is not None else Sizes()
    if pod.resize_in_progress is None and in_force.has(pod.sizes):
        return Outcome("False", Reason.RESIZED, f"In force: {in_force}.")
    why = pod.resize_in_progress.message.rstrip(".") if pod.resize_in_progress is not None else ""
    if pod.resize_in_progress is not None and pod.resize_in_progress.reason == "Error":
        way_out = " Have the kernel use less, or ask for more." if "memory limit" in why else ""
        message = f"Node {node} cannot resize the kernel to {pod.sizes} yet, and tries again: {why}.{way_out}"
        return Outcome("True", Reason.RESIZE_IN_PROGRESS, message)
    return Outcome("True", Reason.RESIZE_IN_PROGRESS, f"The node is resizing the kernel to {pod.sizes}. {why}".strip())
