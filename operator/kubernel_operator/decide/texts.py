"""Sentences that go into a status and into Events: without secrets, and of bounded length. Pure."""

from __future__ import annotations

import re

# The API server takes Events of up to 1,024 bytes, and a status repeats its sentence three times.
MESSAGE_MAX_BYTES = 1024
_Z85 = r"0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-"
_SECRETS = re.compile(
    # A key that signs messages. An image's digest looks the same, and says so.
    r"(?<![0-9a-fA-F])(?<!sha256:)[0-9a-fA-F]{64}(?![0-9a-fA-F])"
    # A CurveZMQ key: 40 characters of Z85, with one that is neither a letter, a digit nor part of a path.
    rf"|(?:(?<![{_Z85}])|(?<=[=:]))(?=[{_Z85}]{{0,39}}[\^!*?&<>()\[\]{{}}@%$#+])[{_Z85}]{{40}}(?![{_Z85}])"
)
MASK = "[secret]"


def for_people(text: str) -> str:
    """A sentence as it may be stored: what looks like a key is masked, and the end of what is too long is left out."""
    return cut(masked(text), MESSAGE_MAX_BYTES)


def masked(text: str) -> str:
    """The text without what looks like a key of a connection: whoever reads a status need not be allowed to use it."""
    return _SECRETS.sub(MASK, text)


def with_output(sentence: str, output: str) -> str:
    """A sentence and as much of the end of a kernel's output as fits: the last lines of a traceback say most."""
    output = masked(output).strip()
    if not output:
        return sentence
    head = f"{sentence} Its last output:\n"
    room = MESSAGE_MAX_BYTES - len(head.encode())
    return head + output.encode()[-room:].decode(errors="ignore")


def cut(text: str, size: int) -> str:
    """At most ``size`` bytes of a text."""
    raw = text.encode(errors="replace")
    return text if len(raw) <= size else raw[: size - 3].decode(errors="ignore") + "…"
