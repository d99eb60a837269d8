"""Times as Kubernetes writes them."""

import pytest

from kubernel_operator.clock import rfc3339, rfc3339_micro, unix


def test_texts() -> None:
    assert rfc3339(1_800_000_000.9) == "2027-01-15T08:00:00Z"
    assert rfc3339_micro(1_800_000_000.25) == "2027-01-15T08:00:00.250000Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param("2027-01-15T08:00:00Z", 1_800_000_000.0, id="Time"),
        pytest.param("2027-01-15T08:00:00.250000Z", 1_800_000_000.25, id="MicroTime"),
        pytest.param("2027-01-15T09:00:00+01:00", 1_800_000_000.0, id="elsewhere"),
    ],
)
def test_unix(text: str | None, seconds: float | None) -> None:
    assert unix(text) == seconds
