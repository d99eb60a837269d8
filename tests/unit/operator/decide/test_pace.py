"""How fast statuses may follow each other."""

import pytest

from fixtures.objects import NOW
from kubernel_operator.decide.pace import Progress, may_write_at, progress


@pytest.mark.parametrize(
    ("phase", "step"),
    [("Pending", 0), ("Starting", 0), ("", 0), ("Running", 1), ("Exited", 2), ("Succeeded", 3), ("Failed", 3)],
)
def test_progress(phase: str, step: int) -> None:
    assert progress(7, phase) == (7, step)


@pytest.mark.parametrize(
    ("said", "last", "new", "at_once"),
    [
        pytest.param((-1, 0), (-1, 0), (0, 0), True, id="first word"),
        pytest.param((0, 0), (0, 0), (0, 0), True, id="another word of a start"),
        pytest.param((0, 0), (0, 0), (0, 1), True, id="ready"),
        pytest.param((0, 1), (0, 1), (0, 2), True, id="exited"),
        pytest.param((0, 2), (0, 2), (0, 3), True, id="over"),
        pytest.param((0, 1), (0, 1), (1, 0), True, id="a restart that was asked for"),
        pytest.param((1, 0), (1, 0), (1, 1), True, id="and its end"),
        pytest.param((0, 2), (0, 2), (1, 1), True, id="ready after a restart of a dead kernel"),
        pytest.param((0, 1), (0, 1), (0, 0), False, id="back from ready"),
        pytest.param((0, 1), (0, 1), (0, 1), True, id="still running, e.g. without its Service"),
        pytest.param((0, 1), (0, 0), (0, 1), False, id="ready again"),
        pytest.param((0, 2), (0, 2), (0, 1), False, id="alive again"),
        pytest.param((0, 2), (0, 2), (0, 2), False, id="another end"),
    ],
)
def test_may_write(said: Progress, last: Progress, new: Progress, at_once: bool) -> None:
    assert may_write_at(NOW, said, last, NOW - 0.5, new) == (NOW if at_once else NOW + 1.5)
    assert may_write_at(NOW, said, last, NOW - 2, new) == NOW
