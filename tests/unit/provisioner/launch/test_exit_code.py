"""The exit code that poll and wait return, for every kind of status."""

from typing import Any

import pytest

from kubernel_provisioner.launch.exit_code import exit_code

FINISHED = [{"type": "Finished", "status": "True"}]


def ended(**fields: Any) -> dict[str, Any]:
    return {"phase": "Exited", "exit": {"restartGeneration": 0, **fields}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, None, id="no status yet"),
        pytest.param({}, None, id="empty status"),
        pytest.param(
            {"phase": "Pending", "conditions": [{"type": "Finished", "status": "False"}]}, None, id="starting"
        ),
        pytest.param({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, None, id="running"),
        pytest.param({"conditions": [{"type": "Finished", "status": "Unknown"}]}, None, id="finished unknown"),
        pytest.param({"conditions": [{"type": "Stalled", "status": "True"}]}, None, id="stalled is not over"),
        pytest.param(ended(exitCode=0), 0, id="exit 0"),
        pytest.param(ended(exitCode=42), 42, id="exit 42"),
        pytest.param(ended(exitCode=137, signal=9), -9, id="SIGKILL"),
        pytest.param(ended(exitCode=139, signal=11), -11, id="SIGSEGV"),
        pytest.param(ended(signal=15), -15, id="signal without code"),
        pytest.param(ended(exitCode=143), 143, id="a kernel may itself exit with 143"),
        pytest.param(ended(exitCode=1, oomKilled=True), -9, id="out of memory"),
        pytest.param(ended(exitCode=1, oomKilled=False), 1, id="not out of memory"),
        pytest.param(ended(reason="Evicted"), -9, id="evicted, no code known"),
        pytest.param({"exit": {"exitCode": 3}}, 3, id="no generation counts as 0"),
        pytest.param({"conditions": FINISHED, "reason": "Completed"}, 0, id="completed, no code known"),
        pytest.param({"conditions": FINISHED, "reason": "NodeLost"}, -9, id="finished, no code known"),
        pytest.param({"conditions": FINISHED, **ended(exitCode=7)}, 7, id="finished with code"),
    ],
)
def test_exit_code(status: dict[str, Any] | None, expected: int | None) -> None:
    assert exit_code(status, wanted=0, current=True) == expected


@pytest.mark.parametrize(
    ("status", "current", "expected"),
    [
        pytest.param(ended(exitCode=1, restartGeneration=1), True, None, id="end of an older process"),
        pytest.param(ended(exitCode=1, restartGeneration=2), True, 1, id="end of this process"),
        pytest.param(ended(exitCode=1, restartGeneration=3), True, 1, id="somebody else restarted it"),
        pytest.param({"conditions": FINISHED, **ended(exitCode=1)}, False, None, id="finished before the restart"),
        pytest.param({"conditions": FINISHED, **ended(exitCode=1)}, True, -9, id="finished in spite of the restart"),
    ],
)
def test_after_a_restart_was_asked_for(status: dict[str, Any], current: bool, expected: int | None) -> None:
    assert exit_code(status, wanted=2, current=current) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"phase": "Running"}, -9, id="deleted while it ran"),
        pytest.param(None, -9, id="deleted before it had a status"),
        pytest.param(ended(exitCode=42), 42, id="deleted after its end"),
    ],
)
def test_deleted(status: dict[str, Any] | None, expected: int) -> None:
    assert exit_code(status, wanted=0, current=False, gone=True) == expected
