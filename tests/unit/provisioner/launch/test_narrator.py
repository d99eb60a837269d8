"""What a slow start writes to the server's log."""

import logging

import pytest

from kubernel_provisioner.launch.narrator import Narrator


class Clock:
    """Seconds that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def narrator(clock: Clock, caplog: pytest.LogCaptureFixture) -> Narrator:
    caplog.set_level(logging.DEBUG)
    return Narrator(logging.getLogger("test"), "Kernel ns/k-1", clock)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_each_reason_is_logged_once(narrator: Narrator, caplog: pytest.LogCaptureFixture) -> None:
    narrator.heard("ImagePulling", "Pulling r:1.")
    narrator.heard("ImagePulling", "Pulling r:1, 20 %.")
    narrator.heard("KernelStarting", "")
    assert lines(caplog) == [
        ("INFO", "Kernel ns/k-1: ImagePulling: Pulling r:1."),
        ("INFO", "Kernel ns/k-1: KernelStarting"),
    ]


def test_a_warning_after_a_minute_and_every_half_minute_then(
    narrator: Narrator, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    for seconds in (59, 60, 61, 89, 90, 119, 120):
        clock.now = 100.0 + seconds
        narrator.still_waiting("Unschedulable", "0/1 nodes are available.")
        said.append(len(caplog.records))
    assert said == [0, 1, 1, 1, 2, 2, 3]
    text = "Kernel ns/k-1 is still starting after 60 s: Unschedulable: 0/1 nodes are available."
    assert lines(caplog)[0] == ("WARNING", text)


def test_it_says_when_it_wants_to_be_asked_again(narrator: Narrator, clock: Clock) -> None:
    assert narrator.next_warning == 60
    clock.now = 170.0
    assert narrator.next_warning == 0
    narrator.still_waiting("Pending", "")
    assert narrator.next_warning == 20


def test_a_warning_of_its_own_is_logged_once(narrator: Narrator, caplog: pytest.LogCaptureFixture) -> None:
    narrator.warn_once("no operator")
    narrator.warn_once("no operator")
    assert lines(caplog) == [("WARNING", "Kernel ns/k-1: no operator")]
