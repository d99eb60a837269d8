"""The clock that durations are measured with."""

import time

import pytest

from kubernel_operator.steady_clock import SteadyClock

NOW = 1_800_000_000.0


@pytest.mark.parametrize("wrong", [-300, -61, 61, 300])
def test_the_system_s_clock_is_never_asked(monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """Neither what it says at the start nor a step of it later counts."""
    system = time.time
    monkeypatch.setattr(time, "time", lambda: system() + wrong)
    clock = SteadyClock(NOW)
    assert 0 <= clock() - NOW < 100
    monkeypatch.setattr(time, "time", lambda: system() - wrong)
    assert 0 <= clock() - NOW < 100
