"""Whether a registry has refused an image, or only did not give it now. Pure.

The kubelet tries for ever. A registry that does not answer, is overloaded or limits rates is waited for; one that says
twice that there is no such image, or that it is not for us, is believed.
"""

from __future__ import annotations

import re

from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import Container, PodFacts

# The kubelet's second try comes 10 s after the first one. A registry that mirrors another one, or a node that has yet
# to get its credentials, may say no once.
BELIEVED_SECONDS = 15.0

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
_FAILED = frozenset({"ErrImagePull", "ImagePullBackOff"})


def is_verdict(image: str, message: str) -> bool:
    """Whether a failed pull failed for good, as far as the registry's words tell.

    Args:
        image: what was pulled; its name may have any of these words in it.
        message: the kubelet's.
    """
    said = re.sub(r'"[^"]*"|https?://\S+', " ", message).replace(image, " ")
    return bool(_VERDICT.search(said)) and not _PASSING.search(said)


def refused_container(pod: PodFacts) -> Container | None:
    """The container whose image a registry refuses just now, the kernel's or that of an init container."""
    containers = [pod.blocking_init, pod.kernel]
    return next((c for c in containers if c is not None and _is_refused(c)), None)


def _is_refused(container: Container) -> bool:
    waiting = container.waiting
    return waiting is not None and waiting.reason in _FAILED and is_verdict(container.image, waiting.message)


def believed_at(pod: PodFacts | None, observed: Observed) -> float | None:
    """Unix seconds from which a refusal is believed; None when there is none."""
    since = observed.refused_since.get(pod.name) if pod is not None else None
    return None if since is None else since + BELIEVED_SECONDS
