"""The program that stands before runc, run as dockerd runs it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.engine import runc

CAPABILITIES = {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"], "ambient": []}
STRIPPED = {"bounding": ["CAP_CHOWN"], "effective": [], "ambient": []}


def written(path: Path, document: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_a_container_is_made_without_the_capability(tmp_path: Path) -> None:
    file = written(tmp_path / "bundle" / "config.json", {"process": {"capabilities": CAPABILITIES}, "root": {}})
    runc.rewrite(["--log", "x", "create", "--bundle", str(file.parent), "id"])
    assert json.loads(file.read_text()) == {"process": {"capabilities": STRIPPED}, "root": {}}


def test_so_is_what_is_run_in_one(tmp_path: Path) -> None:
    file = written(tmp_path / "process.json", {"capabilities": CAPABILITIES, "args": ["sh"]})
    runc.rewrite(["exec", "--process", str(file), "id"])
    assert json.loads(file.read_text()) == {"capabilities": STRIPPED, "args": ["sh"]}


@pytest.mark.parametrize("document", [{"process": {"args": ["sh"]}}, {"process": {"capabilities": None}}])
def test_a_container_without_capabilities_stays_as_it_is(tmp_path: Path, document: Any) -> None:
    file = written(tmp_path / "bundle" / "config.json", document)
    runc.rewrite(["run", "-b", str(file.parent), "id"])
    assert json.loads(file.read_text()) == document


@pytest.mark.parametrize("words", [["--version"], ["state", "id"], ["run", "--bundle", "/nowhere", "id"], ["--bundle"]])
def test_other_command_lines_are_left_alone(words: list[str]) -> None:
    runc.rewrite(words)


def test_the_real_runc_is_run_with_the_same_words(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours" / "runc", tmp_path / "theirs" / "runc"
    ours.parent.mkdir()
    shutil.copy(runc.__file__, ours)
    theirs.parent.mkdir()
    theirs.write_text('#!/bin/sh\necho "$@"\n')
    for program in (ours, theirs):
        program.chmod(0o755)
    path = os.pathsep.join([str(ours.parent), str(theirs.parent), "/usr/bin:/bin"])
    done = subprocess.run([ours, "state", "id"], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == "state id\n"
