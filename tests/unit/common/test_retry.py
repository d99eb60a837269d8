"""When a request is sent again."""

import pytest

from kubernel_cluster.errors import ApiUnavailableError
from kubernel_cluster.retry import LONGEST_PAUSE_SECONDS, NONE, Patience, wanted_pause

PATIENCE = Patience(absent=3.0, busy=30.0)
ABSENT = ApiUnavailableError("connection refused")
BUSY = ApiUnavailableError("503", status=503)
LATER = ApiUnavailableError("429", status=429, retry_after=7.0)


@pytest.mark.parametrize(
    ("patience", "attempt", "elapsed", "error", "delay"),
    [
        pytest.param(PATIENCE, 1, 0.0, ABSENT, 0.1, id="soon"),
        pytest.param(PATIENCE, 2, 0.2, ABSENT, 0.4, id="later"),
        pytest.param(PATIENCE, 3, 2.5, ABSENT, None, id="an API server that is away is reported soon"),
        pytest.param(PATIENCE, 1, 5.0, ABSENT, None, id="so is one that swallows packets"),
        pytest.param(PATIENCE, 3, 2.5, BUSY, 1.0, id="one that is busy is waited for"),
        pytest.param(PATIENCE, 99, 20.0, BUSY, 5.0, id="and asked every few seconds"),
        pytest.param(PATIENCE, 99, 29.0, BUSY, None, id="but not for ever"),
        pytest.param(PATIENCE, 1, 0.0, LATER, 7.0 * 1.125, id="as late as it says, and later"),
        pytest.param(PATIENCE, 1, 25.0, LATER, None, id="not when that is too late"),
        pytest.param(NONE, 1, 0.0, BUSY, None, id="never"),
    ],
)
def test_delay(
    patience: Patience, attempt: int, elapsed: float, error: ApiUnavailableError, delay: float | None
) -> None:
    assert patience.delay(attempt, elapsed, error, lambda: 0.5) == delay


def test_jitter() -> None:
    assert PATIENCE.delay(1, 0, BUSY, lambda: 0.0) == pytest.approx(0.075)
    assert PATIENCE.delay(1, 0, BUSY, lambda: 1.0) == pytest.approx(0.125)
    assert PATIENCE.delay(1, 0, LATER, lambda: 0.0) == 7.0, "never sooner than the server wants"


@pytest.mark.parametrize(
    ("error", "least"),
    [
        pytest.param(LATER, 7.0, id="as long as it says"),
        pytest.param(ApiUnavailableError("429", status=429, retry_after=3600.0), LONGEST_PAUSE_SECONDS, id="bounded"),
        pytest.param(BUSY, 0.0, id="it does not say"),
        pytest.param(ValueError("no answer of an API server"), 0.0, id="something else"),
    ],
)
def test_the_pause_that_an_api_server_wants(error: Exception, least: float) -> None:
    assert wanted_pause(error, lambda: 0.0) == least
    assert wanted_pause(error, lambda: 1.0) == 1.25 * least
