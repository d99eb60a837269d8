"""Why a kernel did not start, or has ended: the operator's words as a person in front of a notebook reads them. Pure.

The cause comes first, with the reason's word behind it; the remedy is in words of the kernelspec, which is what that
person has; and the last command finds something although the KernelInstance is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from kubernel_api.conditions import Reason
from kubernel_api.quantity import amount, memory
from kubernel_provisioner.errors import lines_of
from kubernel_provisioner.words import one_line, without_ids

from .subject import Subject

OUTPUT = "Its last output:"
UNKNOWN_OUTPUT = "What it printed last is not known: its pod does not answer."
NO_SUPERVISOR = "What it printed last is not known: its image has no Python for the supervisor that would tell."
OVER = "It does not come back by itself: start a new kernel."
# A field of the KernelInstance, which the operator's sentences name; the provisioner's options have its last word.
_FIELD = re.compile(
    r"\bspec\.(?:(?:resources\.(?:limits|requests)|lifecycle|connection|kernel)\.)?((?:nvidia\.com/)?[a-zA-Z]+)"
)
# What the operator says to whoever has kubectl, and a command that lacks the flags for this cluster. An older operator
# leaves the kernel's name to its reader.
_OR_FIELD = re.compile(r",? or spec\.[a-zA-Z.]+(?:: \w+)?")
_COMMAND = re.compile(r"\bkubernel (\w+) (?:NAME\b|[a-z0-9-]+ -n [a-z0-9-]+) ?((?:--\w+ \w+)?)")
# The kernelspec's options whose names in ``kubernel install`` are others.
_FLAGS = {
    "start_deadline_seconds": "start-deadline",
    "idle_timeout_seconds": "idle-timeout",
    "template_name": "template",
}


@dataclass(frozen=True)
class Explanation:
    """The parts of a text for people; see ``errors.KubernelError``."""

    what: str
    why: str
    command: str
    more: str

    def __str__(self) -> str:
        return "\n".join(lines_of(self.what, self.why, self.command, self.more))

    def and_it_printed(self, output: str) -> Explanation:
        """With its last output, or why that is not known; which is the user's own: for a cell, and for nobody else."""
        return replace(self, why="\n".join(part for part in (self.why, output) if part))

    @property
    def sentence(self) -> str:
        """The cause and what is known beside it, in one line for a log."""
        return one_line(f"{self.what} {self.why}")


def explain_start(
    subject: Subject, reason: str, message: str, spec: Mapping[str, Any], waited_for: str = ""
) -> Explanation:
    """Why a kernel did not start.

    Args:
        subject: the kernel.
        reason: the word in its status.
        message: the sentence in its status.
        spec: of its KernelInstance.
        waited_for: the reason of what it waited for before that.
    """
    cause = waited_for if reason == Reason.START_TIMEOUT and waited_for else reason
    what, why = _cause(message, reason, cause)
    return Explanation(what, why, _remedy(subject, cause, message, spec), subject.kubernel("events"))


def explain_end(
    subject: Subject, status: Mapping[str, Any] | None, spec: Mapping[str, Any], *, gone: bool, is_over: bool = False
) -> Explanation:
    """How a kernel ended that had worked.

    Args:
        subject: the kernel.
        status: of its KernelInstance, as last seen.
        spec: of its KernelInstance.
        gone: whether the KernelInstance was deleted.
        is_over: whether it is over for good; else it is restarted.
    """
    events = subject.kubernel("events")
    ended = (status or {}).get("exit") or {}
    if gone and not ended:
        return Explanation("The kernel's KernelInstance was deleted.", OVER, "", events)
    reason = str(ended.get("reason") or (status or {}).get("reason") or "")
    message = str(ended.get("message") or (status or {}).get("message") or "")
    what, why = _cause(message, reason)
    why = "\n".join(part for part in (why, OVER if gone or is_over else "") if part)
    return Explanation(
        what, why, _remedy(subject, reason, message, spec), _for_this_one(subject, reason, spec) or events
    )


def explain_suspension(subject: Subject, message: str) -> str:
    """Why a kernel that runs stands still: what its status says, with commands for this very kernel."""
    text = _OR_FIELD.sub("", message).replace("spec.memory.whenFull", "memory_when_full")
    return _COMMAND.sub(lambda command: subject.kubernel(command[1], command[2]), text)


def _cause(message: str, reason: str, waited_for: str = "") -> tuple[str, str]:
    """The first sentence, with the reason's word, and the rest."""
    text, found, output = message.strip().partition(OUTPUT)
    text = as_options(text)
    first, _, rest = text.strip().partition(". ")
    first = first.partition("\n")[0] if "\n" in first else first
    rest = text.strip()[len(first) :].lstrip(". \n")
    word = f"{reason}, {waited_for}" if waited_for and waited_for != reason else reason
    if not first:
        return f"Nothing more is known than {word or 'that it is over'}.", output.strip()
    what = f"{without_ids(first).rstrip('.:')} ({word})." if word else f"{without_ids(first).rstrip('.')}."
    shown = f"{OUTPUT}\n{output.strip()}" if found else ""
    return what, "\n".join(part for part in (rest, shown) if part)


def as_options(text: str) -> str:
    """A sentence about fields of a KernelInstance, in words of the provisioner's options."""
    return _FIELD.sub(_as_option, text)


def _as_option(field: re.Match[str]) -> str:
    """``spec.resources.limits.memory`` as ``memory``, ``spec.imagePullSecrets`` as ``image_pull_secrets``."""
    name = field[1].removeprefix("nvidia.com/")
    return re.sub(r"(?<=[a-z])[A-Z]+", lambda capitals: f"_{capitals[0].lower()}", name)


def _remedy(subject: Subject, reason: str, message: str, spec: Mapping[str, Any]) -> str:
    """A command that mends it, in words of the kernelspec; empty where none is known."""
    limits: Mapping[str, Any] = (spec.get("resources") or {}).get("limits") or {}
    lifecycle: Mapping[str, Any] = spec.get("lifecycle") or {}
    match reason:
        case Reason.OOM_KILLED:
            return _option(subject, "memory", _more_memory(limits))
        case Reason.UNSCHEDULABLE:
            return _ask_for_less(subject, message, limits)
        case Reason.QUOTA_EXCEEDED:
            return f"{_list(subject)}; end some, or ask for less"
        case Reason.IMAGE_PULL_FAILED | Reason.IMAGE_REFUSED | Reason.INVALID_IMAGE_NAME:
            return _option(subject, "image", "IMAGE")
        case Reason.KERNEL_CRASHED if "No module named" in message or "no such" in message.lower():
            return _option(subject, "image", "IMAGE")
        case Reason.TEMPLATE_NOT_FOUND:
            return "kubernel templates; then " + _option(subject, "template_name", "NAME")
        case Reason.VOLUME_PENDING:
            return f"{subject.kubectl} get pvc -n {subject.namespace}"
        case Reason.START_TIMEOUT | Reason.IMAGE_PULLING | Reason.SCALING_UP:
            seconds = int(lifecycle.get("startDeadlineSeconds") or 300)
            return _option(subject, "start_deadline_seconds", str(2 * seconds))
        case Reason.IDLE_TIMEOUT:
            seconds = int(lifecycle.get("idleTimeoutSeconds") or 3600)
            return _option(subject, "idle_timeout_seconds", str(2 * seconds))
    return ""


def _option(subject: Subject, option: str, value: str) -> str:
    """The command that changes an option of the kernelspec; its other options stay."""
    if not subject.kernelspec:
        return f"KUBERNEL_{option.upper()}={value}, or {option} in kernel.json"
    flag = _FLAGS.get(option, option)
    return f"kubernel install --name {subject.kernelspec} --{flag} {value} --update"


def _ask_for_less(subject: Subject, message: str, limits: Mapping[str, Any]) -> str:
    """Whose amount is too large for each node, as the scheduler says."""
    for resource, option in (("nvidia.com/gpu", "gpu"), ("memory", "memory"), ("cpu", "cpu")):
        if f"Insufficient {resource}" in message:
            half = _half(resource, amount(limits.get(resource) or 0))
            return _option(subject, option, half) if half else ""
    return ""


def _half(resource: str, asked: Decimal) -> str:
    """Half of it, as an example; empty where that is nothing."""
    match resource:
        case "memory":
            return memory(asked / 2)
        case "cpu":
            return f"{int(asked * 500)}m" if asked else ""
        case _:
            return str(int(asked) // 2 or "")


def _list(subject: Subject) -> str:
    return f"kubernel ps -n {subject.namespace}{subject.kubectl.removeprefix('kubectl')}"


def _for_this_one(subject: Subject, reason: str, spec: Mapping[str, Any]) -> str:
    """What helps the kernel itself, which is restarted; the kernelspec is for those that come after it."""
    limits: Mapping[str, Any] = (spec.get("resources") or {}).get("limits") or {}
    if reason != Reason.OOM_KILLED or "memory" not in limits:
        return ""
    return subject.kubernel("resize", f"--memory {_more_memory(limits)}")


def _more_memory(limits: Mapping[str, Any]) -> str:
    """Twice as much."""
    return memory(amount(limits.get("memory") or 0) * 2) or "AMOUNT"
