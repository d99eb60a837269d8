"""A kernel's memory: what is said of it, how it grows, and what keeps one that stands still from growing. Pure.

The supervisor stops a kernel short of its limit and says so, again and again, until the limit in force has grown. What
was asked for stands in the pod itself, so that an operator that takes over finds it there.
"""

from __future__ import annotations

from kubernel_api.conditions import ConditionType, Reason
from kubernel_api.quantity import amount
from kubernel_operator.clock import rfc3339
from kubernel_operator.decide.situation import Situation, Stage
from kubernel_operator.observe.facts import Json, seconds_of
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed, Purpose, ResizeAnswer
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.report import FOR_MEMORY, MIB, Report, in_mib
from kubernel_operator.observe.sizes import Sizes

from .outcome import Outcome

#: A limit grows to the largest of these multiples that is to be had.
STEPS = (2.0, 1.5, 1.25)
LEAST_STEP = 8 * MIB  # less is not worth a request
# What was refused is tried again so soon: a kernel stands still for 30 s at most.
REFUSED_SECONDS = 5.0
GROWTH_AGAIN = "every 5 s"
# A growth that takes no longer is no news.
PATIENCE_SECONDS = 2.0
# Usage is written when it moved by this part of the limit, and so often at most: a little more often than a supervisor
# tells of it.
SAID_SHARE, SAID_LEAST, SAID_SECONDS = 25, 8 * MIB, 30.0


def memory_status(report: Report | None, known: Json | None) -> Json | None:
    """``status.memory``: what was said before, until something else is worth a write."""
    told = report.memory if report is not None and report.state == "running" else None
    if report is None or told is None:
        return known
    limit = None if told.limit is None else in_mib(told.limit)
    said = {"usage": in_mib(told.usage), "limit": limit, "time": rfc3339(report.memory_time)}
    found = {name: value for name, value in said.items() if value is not None}
    if known is None or known.get("limit") != limit:
        return found
    moved = abs(told.usage - int(amount(known["usage"])))
    is_news = moved >= max((told.limit or told.usage) // SAID_SHARE, SAID_LEAST)
    return found if is_news and report.memory_time >= (seconds_of(known.get("time")) or 0.0) + SAID_SECONDS else known


def frozen_report(observed: Observed) -> Report | None:
    """The report of a kernel that stands still short of its memory limit."""
    report = observed.report
    is_so = report is not None and FOR_MEMORY in report.frozen and report.memory is not None and report.memory.limit
    return report if is_so else None


def growth(pod: PodFacts, observed: Observed, most: str, now: float) -> Sizes | None:
    """The memory to give to a kernel that stands still: more than it has, less than what was refused; None: none.

    Args:
        pod: its pod.
        observed: with its supervisor's report.
        most: how far it may grow; "" for not at all.
        now: Unix seconds.
    """
    report, limit = frozen_report(observed), pod.sizes.limits.get("memory")
    if report is None or report.memory is None or report.memory.limit is None or limit is None or not most:
        return None
    in_force, asked = report.memory.limit, int(amount(limit))
    if asked >= in_force + MIB and pod.resize_pending is None:
        return None  # on its way
    highest = min(int(amount(most)), _room(report))
    if (failed := _failed(pod, observed.resizes.get(Purpose.GROWTH), in_force, now)) is not None:
        highest = min(highest, failed - MIB)
    targets = [min(int(in_force * step), int(amount(most)), _room(report)) // MIB for step in STEPS]
    target = next((t for t in targets if in_force + LEAST_STEP <= t * MIB <= highest), None)
    if target is None:
        return None
    request = pod.sizes.requests.get("memory")
    grown = {"memory": f"{target}Mi"}
    return Sizes(grown if request is not None and amount(request) == amount(limit) else {}, grown)


def _room(report: Report) -> int:
    """How far the limit may grow for what the node has left, which its own scheduler does not look at."""
    memory = report.memory
    if memory is None or memory.available is None:
        return 1 << 62
    return memory.usage + memory.available


def _failed(pod: PodFacts, answer: ResizeAnswer | None, in_force: int, now: float) -> int | None:
    """The smallest amount that could not be had just now, in bytes."""
    found = [int(amount(pod.sizes.limits["memory"]))] if pod.resize_pending is not None else []
    if (refused := _refused(pod, answer, now)) is not None:
        found.append(int(amount(refused.asked.limits.get("memory", "0"))))
    return min((size for size in found if size > in_force), default=None)


def _refused(pod: PodFacts, answer: ResizeAnswer | None, now: float) -> ResizeAnswer | None:
    is_recent = answer is not None and answer.pod_uid == pod.uid and now < answer.at + REFUSED_SECONDS
    return answer if answer is not None and is_recent and answer.refusal and not answer.failed else None


def suspension(kernel: KernelFacts, situation: Situation, observed: Observed, now: float) -> Outcome | None:
    """The condition Suspended; None: the kernel has never stood still long enough for anybody to hear of it."""
    report, pod = frozen_report(observed), situation.pod
    if report is not None and report.memory is not None and pod is not None:
        why = _why_not_more(situation, pod, report, observed, now)
        said = kernel.status.condition(ConditionType.SUSPENDED)
        if not why and said is not None and said.is_true and said.reason == Reason.MEMORY_LIMIT:
            return Outcome("True", Reason.MEMORY_LIMIT, said.message)  # asked again: no news before that is answered
        since = report.frozen_since if report.frozen_since is not None else now
        if why or now >= since + PATIENCE_SECONDS:
            usage, limit = in_mib(report.memory.usage), in_mib(report.memory.limit or 0)
            resize = _command("resize", kernel)
            message = (
                f"The kernel stands still: it uses {usage} of its {limit} of memory. {why or 'More is on its way.'} In "
                "30 s at most it goes on as spec.memory.whenFull says. Until then: interrupt or restart it, or give it "
                f"more: {resize} --memory AMOUNT."
            )
            return Outcome("True", Reason.MEMORY_LIMIT, message)
    if observed.report is None and situation.stage is Stage.RUNNING:
        return None  # an operator that has just started asks; till then what was said holds
    if observed.report is not None and observed.report.is_paused:
        message = (
            "The kernel is paused: its processes stand still and keep their memory. It goes on with "
            f"{_command('resume', kernel)}, or spec.suspend: false."
        )
        return Outcome("True", Reason.PAUSED, message)
    said = kernel.status.condition(ConditionType.SUSPENDED)
    return None if said is None else Outcome("False", Reason.RUNNING, "")


def _command(what: str, kernel: KernelFacts) -> str:
    return f"kubernel {what} {kernel.name} -n {kernel.namespace}"


def _why_not_more(situation: Situation, pod: PodFacts, report: Report, observed: Observed, now: float) -> str:
    """Why a kernel that stands still does not get more memory; "" when it may yet."""
    asked = observed.resizes.get(Purpose.GROWTH)
    if asked is not None and asked.pod_uid == pod.uid and asked.failed:
        return f"More could not be asked for yet, it is tried again: {asked.refusal.rstrip('.')}."
    if situation.growth is not None:
        return ""
    in_force = report.memory.limit if report.memory is not None and report.memory.limit is not None else 0
    if pod.resize_pending is not None:
        words = pod.resize_pending.message.rstrip(".") or pod.resize_pending.reason
        return f"Node {pod.node or 'of the pod'} has no more: {words}."
    if (refused := _refused(pod, observed.resizes.get(Purpose.GROWTH), now)) is not None:
        again = "" if refused.hopeless else f" It is tried again {GROWTH_AGAIN}."
        return f"More was refused: {refused.refusal}.{again}"
    if int(amount(pod.sizes.limits.get("memory", "0"))) >= in_force + MIB:
        return ""
    if not situation.memory_max:
        return "It may not grow by itself: spec.memory.max is not set."
    if in_force + LEAST_STEP > int(amount(situation.memory_max)):
        bound = "spec.memory.max, or a bound of the administrator's"
        return f"It may grow by itself to {situation.memory_max} and no further: {bound}."
    if in_force + LEAST_STEP > _room(report):
        left = in_mib(report.memory.available or 0) if report.memory is not None else "nothing"
        return f"Node {pod.node or 'of the pod'} has {left} left."
    return ""
