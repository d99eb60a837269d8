"""Whether a container will never run, or only does not yet. Pure.

The kubelet tries for ever. What is known to pass is waited for: a registry that does not answer or limits rates, a node
that has just joined. What is said again and again is believed: that there is no such image, or that it is not for us;
that the container cannot be made.
"""

from __future__ import annotations

import re

from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import Container, PodFacts, Waiting

# A registry that mirrors another one, or a node that has yet to get its credentials, may say no once. The kubelet pulls
# again 10 s after the first time at the earliest; unless it is woken then, that may become 25 s.
PULL_AGAIN_SECONDS, PULL_BELIEVED_SECONDS = 11.0, 15.0
# It tries to make a container every 10 to 15 s. A busy container runtime, or storage that blinks, fails once or twice.
CREATION_BELIEVED_SECONDS = 30.0

# What it did not find is often there a moment later, so that it is made to try again so long after the last time.
WAKE_AFTER_SECONDS = (0.0, 1.0, 1.0, 2.0, 4.0, 8.0)

# What registries and the runtimes say (containerd, CRI-O); their HTTP status is in it, or was put into words.
_VERDICT = re.compile(
    r"\bnot found\b|manifest unknown|name unknown|repository does not exist|unauthorized|authentication required"
    r"|authorization failed|\bdenied\b|no basic auth credentials|insufficient_scope|\b40[134]\b|no match for platform",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b429\b|too ?many ?requests|rate limit|\b5\d\d\b|time(d)? ?out|deadline exceeded|connection (refused|reset)"
    r"|no such host|server misbehaving|temporary failure|network is unreachable|no route to host|\bEOF\b|canceled",
    re.IGNORECASE,
)
# What the node does with an image that its registry has given: some of that is "not found" or "denied", too.
_UNPACKING = re.compile(r"failed to (unpack|extract|get reader)|adding layer|ApplyLayer", re.IGNORECASE)
# What the kubelet and the runtime put before that, each with the image's name once more.
_PREFIX = re.compile(
    r'(?:rpc error: code = \w+ desc = |Back-off pulling image "[^"]*": |Err[A-Z]\w+: '
    r'|failed to (?:pull(?: and unpack)? image|resolve reference) "[^"]*": )*'
)
_PULL_FAILED = frozenset({"ErrImagePull", "ImagePullBackOff"})
CREATION_FAILED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
# What each try will say: image and pod do not fit together.
_NEVER_CREATED = ("runAsNonRoot", "non-root policy", "find key", "no command specified", "executable file not found")
# The pod and its Secrets are created at the same time, and a busy node, or one that has just joined, is late to see
# them or to answer at all.
_NOT_CREATED_YET = (
    "failed to sync",
    "services have not yet been read",
    "context deadline exceeded",
    "failed to reserve container name",
    "already in use by",
    "code = Unavailable",
)


def is_verdict(image: str, message: str) -> bool:
    """Whether a failed pull failed for good, as far as the registry's words tell.

    Args:
        image: what was pulled; its name may have any of these words in it.
        message: the kubelet's.
    """
    said = re.sub(r'"[^"]*"|https?://\S+', " ", message).replace(image, " ")
    return bool(_VERDICT.search(said)) and not _PASSING.search(said) and not _UNPACKING.search(said)


def registrys_words(image: str, message: str) -> str:
    """What is new in the kubelet's message to whoever knows that this image cannot be pulled."""
    said = message[_PREFIX.match(message).end() :]  # type: ignore[union-attr]  # it matches nothing, too
    return said.removeprefix(f"{image}: ") or message


def refused_container(pod: PodFacts) -> Container | None:
    """The container that is refused just now, the kernel's or an init container: by a registry, or by its node."""
    containers = [pod.blocking_init, pod.kernel]
    return next((c for c in containers if c is not None and _believed_after(c) is not None), None)


def believed_at(pod: PodFacts | None, observed: Observed) -> float | None:
    """Unix seconds from which a refusal is believed; None when there is none."""
    since = observed.refused_since.get(pod.name) if pod is not None else None
    refused = refused_container(pod) if pod is not None else None
    seconds = _believed_after(refused) if refused is not None else None
    return None if since is None or seconds is None else since + seconds


def is_believed(pod: PodFacts | None, observed: Observed, now: float) -> bool:
    """Whether a container has been refused for long enough."""
    at = believed_at(pod, observed)
    return at is not None and now >= at


def is_final(waiting: Waiting) -> bool:
    """Whether a container that could not be made never will be, without doubt."""
    return any(words in waiting.message for words in _NEVER_CREATED)


def is_passing(waiting: Waiting) -> bool:
    """Whether the next try to make a container may well succeed."""
    missing = "not found" in waiting.message and ("secret" in waiting.message or "configmap" in waiting.message)
    return missing or any(words in waiting.message for words in _NOT_CREATED_YET)


def wake_due(pod: PodFacts, observed: Observed) -> tuple[int, float] | None:
    """How often the kubelet was made to try again, and the Unix seconds of the next time.

    Returns:
        None when another try would change nothing, or there were enough of them.
    """
    known = observed.woken
    times, last = (known.times, known.at) if known is not None and known.pod_uid == pod.uid else (0, 0.0)
    waiting = [c.waiting for c in (pod.blocking_init, pod.kernel) if c is not None and c.waiting is not None]
    if any(each.reason in CREATION_FAILED and is_passing(each) for each in waiting):
        return (times, last + WAKE_AFTER_SECONDS[times]) if times < len(WAKE_AFTER_SECONDS) else None
    refused, since = refused_container(pod), observed.refused_since.get(pod.name)
    if refused is None or refused.waiting is None or refused.waiting.reason not in _PULL_FAILED or since is None:
        return None
    return (times, since + PULL_AGAIN_SECONDS) if last < since else None


def _believed_after(container: Container) -> float | None:
    """For how long it must be refused; None when it is not, or when there is no doubt."""
    waiting = container.waiting
    if waiting is None:
        return None
    if waiting.reason in _PULL_FAILED:
        return PULL_BELIEVED_SECONDS if is_verdict(container.image, waiting.message) else None
    is_doubtful = waiting.reason in CREATION_FAILED and not is_passing(waiting) and not is_final(waiting)
    return CREATION_BELIEVED_SECONDS if is_doubtful else None
