"""Lines that people see whole, and can paste."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from kubernel_provisioner.words import COLUMNS, command_lines, one_line, without_ids, wrapped

WORDS = st.lists(st.text("abc-/.'=é", min_size=1, max_size=40), min_size=1, max_size=20)


@given(WORDS)
def test_a_command_can_be_pasted(words: list[str]) -> None:
    command = shlex.join(words)
    lines = command_lines("Try", command)
    assert shlex.split("\n".join(lines).removeprefix("Try:").replace("\\\n", " ")) == words
    assert all(len(line) <= COLUMNS or len(line.split()) <= 3 for line in lines)


@given(WORDS)
def test_wrapping_twice_is_wrapping_once(words: list[str]) -> None:
    lines = wrapped(" ".join(words))
    assert wrapped("\n".join(lines)) == lines
    assert " ".join(lines).split() == " ".join(words).split()


def test_lines_stay_lines() -> None:
    assert wrapped("one\n\n  two") == ["one", "", "  two"]


def test_ids() -> None:
    assert without_ids("Pod k-3f2a1b2c-0d1e-4f5a-8b6c-7d8e9fa0b1c2-1 was evicted") == "Pod k-3f2a1b2c…-1 was evicted"
    assert without_ids("sha256-3f2a1b2c") == "sha256-3f2a1b2c"


def test_one_line() -> None:
    assert one_line("a\n b  c\n") == "a b c"
