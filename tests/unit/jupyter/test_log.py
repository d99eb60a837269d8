"""What the server's log says of an error that explains itself."""

import logging

import pytest

from kubernel_jupyter.log import OneLine
from kubernel_provisioner.errors import KubernelError

ERROR = KubernelError("Kernel k-1 did not start.", "No node has room.", "kubectl get events")
LINE = "Kernel k-1 did not start. No node has room. Try: kubectl get events"


@pytest.fixture
def log() -> logging.Logger:
    log = logging.Logger("server")
    log.addFilter(OneLine())
    log.propagate = True
    log.parent = logging.getLogger()
    return log


def fail(error: Exception) -> None:
    raise error


def say(log: logging.Logger, error: Exception) -> None:
    """As jupyter_client does, and asyncio."""
    try:
        fail(error)
    except Exception as caught:
        log.exception(caught)  # noqa: TRY401
        log.error("Task exception was never retrieved", exc_info=caught)


def test_it_is_one_line_and_said_once(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    say(log, ERROR)
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [(LINE, None)]


def test_another_one_is_news(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    say(log, ERROR)
    say(log, KubernelError("Kernel k-2 did not start."))
    assert [record.getMessage() for record in caplog.records] == [LINE, "Kernel k-2 did not start."]


def test_others_keep_their_traceback(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    say(log, ValueError("x"))
    assert [bool(record.exc_info) for record in caplog.records] == [True, True]
