"""Reports of supervisors: genuine, well-formed, in order."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from fixtures.objects import NOW, report
from kubernel_operator.observe.report import Report, after_probe, from_control_status, merged
from kubernel_wire.callback import Callback, MalformedReportError, token, verified

KEY = b"operator key"
SECRET = "ns/k1-0123abcd45"
BODY = {
    "secret": SECRET,
    "pod": "k1-1",
    "boot": "b1",
    "sequence": 2,
    "event": "ready",
    "generation": 0,
    "time": NOW,
    "state": "running",
    "ip": "10.0.0.7",
}


def body(**fields: Any) -> bytes:
    """A callback's body; a field of None is left out."""
    return json.dumps({k: v for k, v in {**BODY, **fields}.items() if v is not None}).encode()


def signature(text: bytes, secret: str = SECRET, key: bytes = KEY) -> str:
    return hmac.new(token(key, secret).encode(), text, hashlib.sha256).hexdigest()


def callback(**fields: Any) -> Callback:
    return Callback.model_validate_json(body(**fields))


def test_token() -> None:
    """The value is part of the protocol: kernels outlive the operator's version."""
    assert token(KEY, SECRET) == hmac.new(KEY, b"ns/k1-0123abcd45", hashlib.sha256).hexdigest()
    assert token(KEY, SECRET) != token(KEY, "ns/other") != token(b"other", "ns/other")


def test_genuine() -> None:
    text = body(event="exited", state="exited", exitCode=42, oomKilled=True, log="boom", unheard_of=1)
    assert verified(text, signature(text), KEY) == Callback(
        secret=SECRET,
        pod="k1-1",
        boot="b1",
        sequence=2,
        event="exited",
        generation=0,
        time=NOW,
        state="exited",
        ip="10.0.0.7",
        exit_code=42,
        oom_killed=True,
        log="boom",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("", id="none"),
        pytest.param("é", id="no ASCII"),
        pytest.param(signature(body(sequence=3)), id="of another body"),
        pytest.param(signature(body(), secret="ns/k2-0123abcd45"), id="of another pod"),
        pytest.param(signature(body(), key=b"other"), id="of another operator"),
        pytest.param(signature(body()).upper(), id="upper case"),
    ],
)
def test_forged(wrong: str) -> None:
    assert verified(body(), wrong, KEY) is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"[]", "", id="no object"),
        pytest.param(body(secret=None), "secret", id="field missing"),
        pytest.param(body(secret="k1"), "secret", id="secret without a namespace"),
        pytest.param(body(secret="ns/../k1"), "secret", id="secret with a path"),
        pytest.param(body(event="dance"), "event", id="unknown event"),
        pytest.param(body(state="idle"), "state", id="unknown state"),
        pytest.param(body(sequence=-1), "sequence", id="negative sequence"),
        pytest.param(body(generation=-1), "generation", id="negative generation"),
        pytest.param(body(generation=10**30), "generation", id="generation that no status can hold"),
        pytest.param(body(log="x" * 4097), "log", id="long log"),
        pytest.param(body(time=1e300), "time", id="time that no calendar has"),
        pytest.param(body(time=float("nan")), "time", id="time that is no number"),
        pytest.param(body(lastActivity=1e300), "lastActivity", id="activity that no calendar has"),
        pytest.param(body(ip="evil.example.org"), "ip", id="a host name for an address"),
        pytest.param(body(exitCode=1 << 40), "exitCode", id="exit code that no process has"),
        pytest.param(body(exitCode=-1), "exitCode", id="negative exit code"),
        pytest.param(body(signal=0), "signal", id="no signal"),
        pytest.param(body(signal=65), "signal", id="signal that Linux does not have"),
        pytest.param(body(reason="Ti red"), "reason", id="a reason that is no word"),
        pytest.param(body(age=-1), "age", id="an age that no process has"),
    ],
)
def test_malformed(text: bytes, field: str) -> None:
    with pytest.raises(MalformedReportError, match=f"^{field}: "):
        verified(text, signature(text), KEY)


@pytest.mark.parametrize(
    ("known", "sequence", "taken"),
    [
        pytest.param(None, 1, True, id="first"),
        pytest.param(report(sequence=1), 2, True, id="next"),
        pytest.param(report(sequence=1), 9, True, id="some were lost"),
        pytest.param(report(sequence=2), 2, False, id="sent twice"),
        pytest.param(report(sequence=2), 1, False, id="overtaken"),
        pytest.param(report(boot="b0", sequence=9), 1, True, id="a new supervisor counts from 1"),
        pytest.param(report(boot="", sequence=-1), 1, True, id="any callback is newer than a probe"),
    ],
)
def test_order(known: Report | None, sequence: int, taken: bool) -> None:
    assert (merged(known, callback(sequence=sequence), NOW) is not None) is taken


@pytest.mark.parametrize(
    ("known", "news", "result"),
    [
        pytest.param(
            None,
            callback(event="started", state="starting", sequence=1, age=3),
            report("starting", sequence=1, time=NOW - 3, started_time=NOW - 3),
            id="started",
        ),
        pytest.param(
            report("starting", sequence=1, time=NOW - 3, started_time=NOW - 3),
            callback(age=2),
            report("running", time=NOW - 2, started_time=NOW - 3),
            id="ready keeps the time of the start",
        ),
        pytest.param(
            report("exited", sequence=1, time=NOW - 9, started_time=NOW - 99, exit_code=1, log="boom"),
            callback(event="started", state="starting", generation=1, age=2),
            report("starting", generation=1, time=NOW - 2, started_time=NOW - 2),
            id="a new process forgets the old one",
        ),
        pytest.param(
            report("running", sequence=1, time=NOW - 9, started_time=NOW - 99),
            callback(event="activity", age=2, lastActivity=NOW - 5),
            report("running", time=NOW - 9, started_time=NOW - 99, last_activity=NOW - 5),
            id="activity is no change of state",
        ),
        pytest.param(
            None,
            callback(event="exited", state="exited", signal=11),
            report("exited", time=NOW, started_time=NOW, signal=11),
            id="a supervisor that says no age: now",
        ),
    ],
)
def test_merged(known: Report | None, news: Callback, result: Report) -> None:
    assert merged(known, news, NOW) == result


@pytest.mark.parametrize("skew", [-300, -61, 61, 300])
def test_the_pod_s_clock_counts_for_nothing(skew: int) -> None:
    """m2, F5: a node 35 s behind left no time for a restart."""
    news = callback(event="exited", state="exited", time=NOW + skew, age=4, exitCode=1)
    assert merged(None, news, NOW) == report("exited", time=NOW - 4, started_time=NOW - 4, exit_code=1)
    answer = {"state": "exited", "generation": 0, "ip": "10.0.0.7", "time": NOW + skew, "age": 4}
    assert from_control_status(answer, NOW).time == NOW - 4


def test_probe_of_a_supervisor() -> None:
    answer = {
        "ok": True,
        "state": "exited",
        "generation": 3,
        "pid": None,
        "exitCode": None,
        "signal": 9,
        "oomKilled": True,
        "reason": "IdleTimeout",
        "log": "its last words",
        "ip": "10.0.0.7",
        "lastActivity": NOW - 60,
    }
    seen = from_control_status(answer, NOW)
    assert seen == report(
        "exited",
        boot="",
        sequence=-1,
        generation=3,
        time=NOW,
        signal=9,
        oom_killed=True,
        reason="IdleTimeout",
        log="its last words",
        last_activity=NOW - 60,
    )
    assert seen.is_probed
    assert not report().is_probed


def test_probe_that_is_answered_with_nonsense() -> None:
    with pytest.raises(MalformedReportError, match=r"^state: "):
        from_control_status({"ok": True, "generation": 1, "state": "tired"}, NOW)


@pytest.mark.parametrize(
    ("known", "result"),
    [
        pytest.param(None, report(boot="", sequence=-1), id="nothing was known"),
        pytest.param(
            report("starting", sequence=7, started_time=NOW - 4),
            report("running", sequence=7, started_time=NOW - 4),
            id="the number of the last callback stays",
        ),
        pytest.param(
            report("starting", sequence=7, generation=5, started_time=NOW - 4),
            report("running", sequence=7),
            id="another process was started at another time",
        ),
    ],
)
def test_after_probe(known: Report | None, result: Report) -> None:
    assert after_probe(known, report(boot="", sequence=-1)) == result
