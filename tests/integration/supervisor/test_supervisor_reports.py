"""What the operator is told: order, signatures, retries, exit codes."""

from __future__ import annotations

import os
import signal

import pytest

from fixtures.supervisors import TOKEN, Kernel, Operator, Supervise, eventually


def test_started_ready_exited_with_everything_an_operator_needs(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator, restartGraceSeconds=0, restartGeneration=4)
    operator.wait("running")
    container.request("signal", signum=signal.SIGKILL)
    operator.wait("exited")
    assert container.wait() == 128 + signal.SIGKILL

    boots = {report.pop("boot") for report in operator.reports}
    addresses = {report.pop("ip") for report in operator.reports}
    ages = [(report.pop("age"), report.pop("processAge")) for report in operator.reports]
    assert (len(boots), addresses) == (1, {"127.0.0.1"})
    assert all(0 <= age <= process_age for age, process_age in ages[1:])
    common = {
        "version": 2,
        "secret": "ns/secret",
        "pod": "k-1-1",
        "generation": 4,
        "exitCode": None,
        "oomKilled": False,
        "reason": None,
        "log": "",
        "idleSeconds": None,
        "idleTimeoutSeconds": None,
        "encryption": "Disabled",
    }
    for report in operator.reports:
        report.pop("memory", None)  # where the machine tells it
    assert operator.reports[-2:] == [
        {**common, "sequence": 2, "state": "running", "signal": None},
        {**common, "sequence": 3, "state": "exited", "signal": signal.SIGKILL, "reason": "Killed"},
    ]


@pytest.mark.parametrize(
    ("body", "exit_code", "number", "container_code"),
    [
        pytest.param("sys.exit(0)", 0, None, 0, id="exit 0"),
        pytest.param("sys.exit(42)", 42, None, 42, id="exit 42"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", None, 11, 139, id="segmentation fault"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", None, 9, 137, id="killed"),
    ],
)
def test_exit_code_is_told_and_becomes_the_containers(
    supervise: Supervise,
    kernel: Kernel,
    operator: Operator,
    body: str,
    exit_code: int | None,
    number: int | None,
    container_code: int,
) -> None:
    container = supervise(kernel(body), operator=operator, restartGraceSeconds=0.2)
    exited = operator.wait("exited")
    assert (exited["exitCode"], exited["signal"]) == (exit_code, number)
    assert container.wait() == container_code


def test_ready_only_when_all_five_ports_listen(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(
        kernel("sockets = listen(); sockets[2].close(); print('four of five'); sys.stdout.flush(); signal.pause()"),
        operator=operator,
    )
    container.wait_for_output("four of five")
    assert container.request("status")["state"] == "starting"
    container.request("stop")
    operator.wait("exited")
    assert "running" not in operator.states()


@pytest.mark.parametrize("status", [404, 408, 500, 503])
def test_report_that_is_not_taken_is_sent_again_until_it_is(
    supervise: Supervise, kernel: Kernel, operator: Operator, status: int
) -> None:
    operator.answers = [status, status, status]
    supervise(kernel("serve()"), operator=operator)
    assert operator.wait("running")["sequence"] == 2
    assert operator.attempts in {4, 5}  # the first report may have been replaced before it was taken


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_report_that_is_refused_does_not_block_later_ones(
    supervise: Supervise, kernel: Kernel, operator: Operator, status: int
) -> None:
    operator.answers = [status]
    container = supervise(["no-such-program"], operator=operator)
    container.wait_for_output(f"the operator refused a report with HTTP status {status}")
    container.request("restart", generation=1)
    assert operator.wait("exited", generation=1)["sequence"] == 2
    assert operator.attempts == 2


def test_failure_in_any_language_fits_into_a_report(supervise: Supervise, operator: Operator) -> None:
    """A body of 22 kB was answered 413, for ever."""
    supervise(["\u00fc" * 9000], operator=operator)
    log = operator.wait("exited")["log"]
    assert log.startswith("\u00fc" * 1000)
    assert len(log.encode()) <= 2048


def test_only_the_operator_can_take_a_report(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """Its old address may belong to somebody else, who answers 204 to anything."""
    operator.token = "somebody else's"
    supervise(kernel("serve()"), operator=operator)
    operator.wait_for_attempts(4)
    assert {report["sequence"] for report in operator.reports} <= {1, 2}
    attempts, operator.token = operator.attempts, TOKEN
    operator.wait_for_attempts(attempts + 1)


def test_operators_name_is_tried_when_its_address_does_not_answer(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    absent = Operator()
    absent.close()
    supervise(kernel("serve()"), callback_url=f"{absent.url} {operator.url.replace('127.0.0.1', 'localhost')}")
    operator.wait("running")


def test_exit_is_told_to_an_operator_that_comes_back_within_the_grace(supervise: Supervise, kernel: Kernel) -> None:
    absent = Operator()
    absent.close()
    port = int(absent.url.split(":")[2].split("/")[0])
    container = supervise(kernel("sys.exit(3)"), callback_url=absent.url)
    container.status(state="exited")
    back = Operator(port)
    try:
        assert back.wait("exited")["exitCode"] == 3
        assert back.states() == ["exited"]  # the newest only
    finally:
        back.close()


def test_container_ends_after_the_grace_when_no_operator_ever_answers(supervise: Supervise, kernel: Kernel) -> None:
    absent = Operator()
    absent.close()
    container = supervise(kernel("sys.exit(3)"), callback_url=absent.url, restartGraceSeconds=0.5)
    assert container.wait() == 3


def test_log_holds_the_last_lines_of_a_kernel_that_did_not_get_ready(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    body = (
        "for n in range(1000): print('line %04d ' % n + 'x' * 40)\nsys.stdout.flush(); sys.exit('ImportError: no such')"
    )
    container = supervise(kernel(body), operator=operator, restartGraceSeconds=0)
    log = operator.wait("exited")["log"]
    lines = log.splitlines()
    assert len(log.encode()) <= 2048
    assert lines[0].startswith("line 09")
    assert lines[-1] == "ImportError: no such"
    # Two streams, read from one pipe here: the shorter one may come in the middle of the longer one's line.
    printed, error = container.output(), "ImportError: no such\n"
    assert error in printed
    assert printed.replace(error, "").splitlines() == [f"line {n:04} " + "x" * 40 for n in range(1000)]


def test_log_holds_stderr_however_much_was_printed_after_it(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    body = "sys.stderr.write('ImportError: no such\\n')\nfor n in range(1000): print('line %04d' % n)\nsys.exit(1)"
    supervise(kernel(body), operator=operator, restartGraceSeconds=0)
    log = operator.wait("exited")["log"]
    lines = log.splitlines()
    assert (lines[0][:6], lines[-2:]) == ("line 0", ["line 0999", "ImportError: no such"])
    assert len(log.encode()) <= 2048


def test_status_tells_what_the_last_report_told(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("sys.exit('ImportError: no such')"), operator=operator)
    report = operator.wait("exited")
    status = container.request("status")
    envelope, ages = {"version", "secret", "pod", "boot", "sequence"}, {"age", "processAge"}
    assert report.keys() - envelope == status.keys() - {"ok", "pid", "zygote", "spare"}
    told = report.keys() - envelope - ages
    assert {name: status[name] for name in told} == {name: report[name] for name in told}
    assert status["age"] >= report["age"]
    assert (status["processAge"] or 0) >= (report["processAge"] or 0)  # none if it ended before it was looked at
    assert status["log"] == "ImportError: no such\n"


def test_a_clean_exit_before_ready_says_what_it_said(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    supervise(kernel("print('usage: kernel [options]')"), operator=operator)
    assert operator.wait("exited", exitCode=0)["log"] == "usage: kernel [options]\n"


def test_log_of_a_crash_after_ready_is_empty(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    crashed = supervise(
        kernel("SOCKETS = listen(); print('private'); sys.stdout.flush(); signal.pause()"), operator=operator
    )
    crashed.wait_for_output("private")
    crashed.status(state="running")
    crashed.request("signal", signum=signal.SIGABRT)
    assert operator.wait("exited", signal=signal.SIGABRT)["log"] == ""


@pytest.mark.parametrize(
    ("handler", "sent", "expected"),
    [
        pytest.param("", 9, {"signal": 9, "reason": "Killed"}, id="SIGKILL"),
        pytest.param("", 15, {"signal": 15, "reason": "Killed"}, id="SIGTERM"),
        pytest.param("lambda *_: sys.exit(3)", 15, {"exitCode": 3, "reason": None}, id="it ends by itself"),
        pytest.param("lambda *_: os.abort()", 15, {"signal": 6, "reason": None}, id="it crashes then"),
        pytest.param("signal.SIG_DFL", 2, {"signal": 2, "reason": None}, id="an interrupt"),
    ],
)
def test_who_is_killed_by_a_client_has_not_crashed(
    supervise: Supervise, kernel: Kernel, operator: Operator, handler: str, sent: int, expected: dict[str, object]
) -> None:
    handle = f"signal.signal({sent}, {handler}); " if handler else ""
    container = supervise(kernel(f"{handle}SOCKETS = listen(); signal.pause()"), operator=operator)
    container.status(state="running")
    container.request("signal", signum=sent)
    operator.wait("exited", **expected)


def test_who_kills_itself_has_crashed(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    supervise(kernel("os.kill(os.getpid(), 9)"), operator=operator)
    operator.wait("exited", signal=signal.SIGKILL, reason=None)


def test_log_never_holds_a_secret(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    supervise(kernel(f"sys.exit('key=' + INFO['key'] + ' token={TOKEN}')"), operator=operator)
    assert operator.wait("exited")["log"] == "key=[secret] token=[secret]\n"


def test_output_is_passed_on_unchanged_and_at_once(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(
        kernel("os.write(1, bytes(range(256)) * 4096); os.write(2, b'no newline at the end'); signal.pause()")
    )
    path = container.folder / "output"
    container_has_all = 256 * 4096 + len(b"no newline at the end")
    eventually(lambda: path.stat().st_size == container_has_all, "all of the output while the kernel runs")
    assert path.read_bytes().replace(b"no newline at the end", b"") == bytes(range(256)) * 4096


def test_stuck_log_does_not_hold_up_the_control_port(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    reader, writer = os.pipe()  # nobody reads
    container = supervise(
        kernel("threading.Thread(target=lambda: os.write(1, b'x' * 10_000_000), daemon=True).start(); serve()"),
        operator=operator,
        output=writer,
    )
    os.close(writer)
    operator.wait("running")
    assert container.request("status")["state"] == "running"
    os.close(reader)
