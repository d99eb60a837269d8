"""The supervisor's parts that need no process: parsing, authentication, the log's tail."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernel_supervisor.supervisor import (
    Loop,
    Relay,
    RequestError,
    authenticated,
    callback_target,
    kernel_environment,
    oom_kills,
    parse_json,
    split_url,
    substitute,
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://10.96.1.2:8443/v1/callback", ("10.96.1.2", 8443, "/v1/callback")),
        ("http://operator.kubernel.svc/a/b", ("operator.kubernel.svc", 80, "/a/b")),
        ("http://10.0.0.1:80", ("10.0.0.1", 80, "/")),
        ("http://[2001:db8::1]:8443/c", ("2001:db8::1", 8443, "/c")),
        ("http://[2001:db8::1]/c", ("2001:db8::1", 80, "/c")),
    ],
)
def test_url(url: str, target: tuple[str, int, str]) -> None:
    assert split_url(url) == target


@pytest.mark.parametrize("url", ["https://10.0.0.1/c", "10.0.0.1:80", "http://", "http://10.0.0.1:port/c"])
def test_unusable_url_is_said_and_not_tried(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert callback_target(url) is None
    assert capfd.readouterr().err.startswith("kubernel: no callbacks: ")


@pytest.mark.parametrize("url", [None, ""])
def test_no_url_is_nobody_to_tell(url: str | None, capfd: pytest.CaptureFixture[str]) -> None:
    assert callback_target(url) is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "value",
    [None, True, -1.5e3, 2**70, 'ü\n"\\ 🙂', [], {}, {"a": [1, {"b": None}]}],
    ids=repr,
)
@pytest.mark.parametrize("ascii_", [True, False])
def test_json_is_read_as_json_does(value: Any, ascii_: bool) -> None:
    assert parse_json(f" {json.dumps(value, ensure_ascii=ascii_)}\n") == value


@pytest.mark.parametrize("text", ["", "{", "{} {}", "nothing", "'a'"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "result"),
    [("plain", "plain"), ("$A-${A}", "1-1"), ("$$A", "$A"), ("${B}$B", "${B}$B"), ("${", "${"), ("%s {A}", "%s {A}")],
)
def test_substitution_is_jupyters(text: str, result: str) -> None:
    assert substitute(text, {"A": "1"}) == result


def signed(key: bytes, role: str, nonce: str, text: str) -> bytes:
    """A request line, computed from docs/protocols.md rather than by our client."""
    mac = hmac.new(key, f"kubernel-control-v1\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return f"{mac} {role} {text}".encode()


KEYS = {b"connection": b"key", b"operator": b"token"}
RIGHT = signed(b"key", "connection", "n", '{"op": "status"}')


def test_right_mac() -> None:
    assert authenticated(RIGHT, "n", KEYS) == {"op": "status"}
    assert authenticated(signed(b"token", "operator", "n", "{}"), "n", KEYS) == {}


@pytest.mark.parametrize(
    ("line", "keys", "error"),
    [
        pytest.param(b"", KEYS, "authentication failed", id="nothing"),
        pytest.param(b"\xff\xfe \xff \xff", KEYS, "authentication failed", id="binary"),
        pytest.param(RIGHT.upper(), KEYS, "authentication failed", id="upper case"),
        pytest.param(RIGHT[1:], KEYS, "authentication failed", id="a digit less"),
        pytest.param(RIGHT + b" ", KEYS, "authentication failed", id="a space more"),
        pytest.param(signed(b"key", "connection", "m", "{}"), KEYS, "authentication failed", id="another nonce"),
        pytest.param(signed(b"key", "operator", "n", "{}"), KEYS, "authentication failed", id="another role"),
        pytest.param(signed(b"", "operator", "n", "{}"), {b"operator": b""}, "authentication failed", id="no token"),
        pytest.param(signed(b"key", "connection", "n", "{"), KEYS, "the request is no JSON", id="no JSON"),
        pytest.param(signed(b"key", "connection", "n", "1"), KEYS, "the request is no JSON object", id="a number"),
    ],
)
def test_anything_else_is_refused(line: bytes, keys: dict[bytes, bytes], error: str) -> None:
    with pytest.raises(RequestError, match=f"^{error}$"):
        authenticated(line, "n", keys)


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
        ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n", 1),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),  # before Linux 4.13
        ("memory.events", "", 0),
        ("memory.events", "no such format at all\n", 0),
    ],
)
def test_out_of_memory_kills(tmp_path: Path, name: str, text: str, number: int) -> None:
    (tmp_path / name).write_text(text)
    assert oom_kills((f"{tmp_path}/absent", f"{tmp_path}/{name}")) == number


def test_no_cgroup_is_no_kill(tmp_path: Path) -> None:
    assert oom_kills((f"{tmp_path}/absent",)) == 0


def test_environment_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("A", "container")
    monkeypatch.setenv("KUBERNEL_TOKEN", "secret")
    extra = {"A": "restart", "JPY_PARENT_PID": "1", "KUBERNEL_KEY": "x", "JPY_SESSION_NAME": "n.ipynb"}
    assert kernel_environment(extra) == {"HOME": "/home/u", "A": "restart", "JPY_SESSION_NAME": "n.ipynb"}


# ---- The log's tail.

SECRET = "5ec2e7" * 10 + "abcd"


@pytest.fixture
def pipes() -> Iterator[tuple[tuple[int, int], ...]]:
    """Two pipes as the kernel's stdout and stderr."""
    pairs = (os.pipe(), os.pipe())
    yield pairs
    for pair in pairs:
        for end in pair:
            os.close(end)


def tail_of(pipes: tuple[tuple[int, int], ...], text: str) -> str:
    """What is told when the kernel has printed ``text``."""
    relay = Relay(Loop(), pipes, ["", SECRET])
    for start in range(0, len(text), 4096):
        os.write(pipes[1][1], text[start : start + 4096].encode())
        relay.drain()
    return relay.tail()


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("one\ntwo", "one\ntwo", id="short"),
        pytest.param(f"{SECRET} {SECRET}\n", "[secret] [secret]\n", id="secrets"),
        pytest.param("x" * 3000 + "\nlast\n", "last\n", id="whole lines only"),
        pytest.param("x" * 5000, "x" * 2048, id="one long line"),
        pytest.param("ü" * 2000 + "\nü", "ü", id="text that is no ASCII"),
    ],
)
def test_tail(pipes: tuple[tuple[int, int], ...], text: str, tail: str) -> None:
    assert tail_of(pipes, text) == tail


@pytest.mark.parametrize("shift", range(0, 72, 5))
def test_tail_never_holds_part_of_a_secret(pipes: tuple[tuple[int, int], ...], shift: int) -> None:
    tail = tail_of(pipes, SECRET * 70 + "." * shift)
    assert SECRET[:12] not in tail
    assert SECRET[-12:] not in tail
