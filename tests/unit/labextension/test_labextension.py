"""What is built is what the sources say; and the sources' own tests, where somebody has built them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
HERE, BUILT = REPO / "labextension", REPO / "provisioner" / "labextension"


def test_what_is_built_is_up_to_date() -> None:
    """make labextension, and commit provisioner/labextension."""
    done = subprocess.run([sys.executable, HERE / "sources.py"], capture_output=True, text=True, check=True)
    assert (BUILT / "sources.sha256").read_text() == done.stdout


def test_jupyterlab_finds_all_of_it() -> None:
    """The names of the parts that it loads first."""
    described = json.loads((BUILT / "package.json").read_text())
    build = described["jupyterlab"]["_build"]
    assert build["extension"] == "./extension"
    assert (BUILT / build["load"]).is_file()


def test_the_lock_file_names_no_registry() -> None:
    assert not re.search(r"https?://", (HERE / "yarn.lock").read_text())
    assert "resolution:" in (HERE / "yarn.lock").read_text()


@pytest.mark.skipif(not (HERE / "node_modules").is_dir(), reason="make labextension has not been run here")
def test_decisions() -> None:
    node = shutil.which("node")
    assert node is not None
    compiler = HERE / "node_modules" / "typescript" / "bin" / "tsc"
    subprocess.run([node, compiler, "-p", HERE], check=True, capture_output=True)
    done = subprocess.run(
        [node, "--test", HERE / "lib" / "telling.test.js"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
