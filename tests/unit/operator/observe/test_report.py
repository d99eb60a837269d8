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
    "generation": 0,
    "age": 2.0,
    "processAge": 3.0,
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
    text = body(state="exited", exitCode=42, oomKilled=True, log="boom", unheard_of=1)
    assert verified(text, signature(text), KEY) == Callback(
        secret=SECRET,
        pod="k1-1",
        boot="b1",
        sequence=2,
        generation=0,
        age=2.0,
        process_age=3.0,
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
        pytest.param(body(state="idle"), "state", id="unknown state"),
        pytest.param(body(sequence=-1), "sequence", id="negative sequence"),
        pytest.param(body(generation=-1), "generation", id="negative generation"),
        pytest.param(body(log="x" * 4097), "log", id="long log"),
        pytest.param(body(age=None), "age", id="no age"),
        pytest.param(body(age=-1), "age", id="age that lies ahead"),
        pytest.param(body(age=1e300), "age", id="age that no calendar has"),
        pytest.param(body(age=float("nan")), "age", id="age that is no number"),
        pytest.param(body(idleSeconds=1e300), "idleSeconds", id="activity that no calendar has"),
        pytest.param(body(generation=10**30), "generation", id="generation that no JSON number can be"),
        pytest.param(body(sequence=10**30), "sequence", id="sequence that no JSON number can be"),
        pytest.param(body(ip="evil.example.org"), "ip", id="a host name for an address"),
        pytest.param(body(exitCode=1 << 40), "exitCode", id="exit code that no process has"),
        pytest.param(body(exitCode=-1), "exitCode", id="negative exit code"),
        pytest.param(body(signal=0), "signal", id="no signal"),
        pytest.param(body(signal=65), "signal", id="signal that Linux does not have"),
        pytest.param(body(reason="Tired of it"), "reason", id="reason that is no word"),
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
            callback(state="starting", sequence=1, age=4, processAge=3),
            report("starting", sequence=1, time=NOW - 4, started_time=NOW - 3),
            id="started",
        ),
        pytest.param(
            report("starting", sequence=1, time=NOW - 4, started_time=NOW - 3.1),
            callback(age=2, processAge=3),
            report("running", time=NOW - 2, started_time=NOW - 3.1),
            id="ready keeps the time of the start",
        ),
        pytest.param(
            report("exited", sequence=1, time=NOW - 9, started_time=NOW - 99, exit_code=1, log="boom"),
            callback(state="starting", generation=1, age=2, processAge=2),
            report("starting", generation=1, time=NOW - 2, started_time=NOW - 2),
            id="a new process forgets the old one",
        ),
        pytest.param(
            report("running", sequence=1, time=NOW - 9, started_time=NOW - 99),
            callback(age=9.1, processAge=99, idleSeconds=5, idleTimeoutSeconds=60),
            report(
                "running",
                time=NOW - 9,
                started_time=NOW - 99,
                last_activity=NOW - 5,
                idle_timeout_seconds=60,
                tells_idle_timeout=True,
            ),
            id="the same state began when it was first told",
        ),
        pytest.param(
            None,
            callback(state="exited", age=0, processAge=None, exitCode=127, reason="WhatANewerOneMaySay"),
            report("exited", time=NOW, exit_code=127, reason="WhatANewerOneMaySay"),
            id="it could not be started",
        ),
    ],
)
def test_merged(known: Report | None, news: Callback, result: Report) -> None:
    assert merged(known, news, NOW) == result


@pytest.mark.parametrize("skew", [-300, -61, 61, 300])
def test_the_pod_s_clock_counts_for_nothing(skew: int) -> None:
    """m2, F5: a node 35 s behind left no time for a restart."""
    news = callback(state="exited", time=NOW + skew, age=4, processAge=9, exitCode=1)
    assert merged(None, news, NOW) == report("exited", time=NOW - 4, started_time=NOW - 9, exit_code=1)
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
        "age": 20,
        "processAge": 300,
        "idleSeconds": 60,
        "idleTimeoutSeconds": 50,
    }
    seen = from_control_status(answer, NOW)
    assert seen == report(
        "exited",
        boot="",
        sequence=-1,
        generation=3,
        time=NOW - 20,
        started_time=NOW - 300,
        signal=9,
        oom_killed=True,
        reason="IdleTimeout",
        log="its last words",
        last_activity=NOW - 60,
        idle_timeout_seconds=50,
        tells_idle_timeout=True,
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
        pytest.param(report("starting", sequence=7), report(sequence=7), id="the number of the last callback stays"),
    ],
)
def test_after_probe(known: Report | None, result: Report) -> None:
    assert after_probe(known, report(boot="", sequence=-1)) == result
