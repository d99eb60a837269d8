"""The clock that durations are measured with."""

import time

import pytest

from kubernel_operator.steady_clock import steady_clock


@pytest.mark.parametrize("step", [-300, 300])
def test_a_step_of_the_system_s_clock_is_none_of_ours(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    before = steady_clock()
    system = time.time
    monkeypatch.setattr(time, "time", lambda: system() + step)
    assert 0 <= steady_clock() - before < 100
