"""Which browser the tests use."""

from pathlib import Path

import pytest

from cluster import browser


def test_the_first_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SYSTEM_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.find() is None
    program = tmp_path / "google-chrome"
    program.touch(mode=0o755)
    assert browser.find() == str(program)


def test_one_that_is_there_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(browser.debian, "install", installed.append)
    monkeypatch.setattr(browser, "find", lambda: "/usr/bin/chromium")
    browser.ensure()
    assert installed == []
