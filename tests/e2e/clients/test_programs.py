"""The programs that people run notebooks and code with, unchanged; the environment alone sends them to the cluster."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from fixtures.programs import Environment, RunProgram

WHERE = "import socket\nprint('hello', who, 'from', socket.gethostname())"
HELLO = re.compile(r"hello (\w+) from k-[0-9a-f-]{36}-1\n")
CONSOLE_LINES = "x = 6 * 7\nprint('the answer is', x)\nexit\n"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook for the kernelspec python3 that says hello to ``who``, its parameter."""
    path = tmp_path / "hello.ipynb"
    cells = [
        {"cell_type": "code", "id": "parameter", "source": "who = 'world'", "metadata": {"tags": ["parameters"]}},
        {"cell_type": "code", "id": "hello", "source": WHERE, "metadata": {}},
    ]
    path.write_text(
        json.dumps(
            {
                "cells": [{**cell, "outputs": [], "execution_count": None} for cell in cells],
                "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    return path


@pytest.fixture
def run(run_program: RunProgram, cluster_environment: Environment) -> Callable[..., str]:
    """Runs a program that must succeed, and returns its standard output."""

    def run_(*command: str, stdin: str = "") -> str:
        done = run_program(*command, env=cluster_environment, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_


Run = Callable[..., str]


def outputs(path: Path) -> str:
    """What the cells of a notebook printed."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return "".join(output["text"] for cell in notebook.cells for output in cell.outputs)


def test_jupyter_execute(run: Run, notebook: Path) -> None:
    run("jupyter", "execute", "--inplace", str(notebook))
    assert HELLO.fullmatch(outputs(notebook))[1] == "world"


def test_papermill(run: Run, notebook: Path) -> None:
    result = notebook.with_name("result.ipynb")
    run("papermill", str(notebook), str(result), "-p", "who", "papermill")
    assert HELLO.fullmatch(outputs(result))[1] == "papermill"


def test_nbconvert(run: Run, notebook: Path) -> None:
    page = run("jupyter", "nbconvert", "--execute", "--to=markdown", "--stdout", str(notebook))
    assert HELLO.search(page)[1] == "world"


def test_jupyter_run(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    file.write_text(f"who = 'file'\n{WHERE}")
    assert HELLO.fullmatch(run("jupyter", "run", str(file)))[1] == "file"
    assert HELLO.fullmatch(run("jupyter", "run", stdin=f"who = 'stdin'\n{WHERE}"))[1] == "stdin"


def test_jupyter_console(run: Run) -> None:
    """Its end asks the kernel to end, and tells the kernel manager nothing."""
    assert "the answer is 42\n" in run("jupyter", "console", "--simple-prompt", stdin=CONSOLE_LINES)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("jupyter execute hello.ipynb", id="execute"),
        pytest.param("papermill hello.ipynb result.ipynb", id="papermill"),
        pytest.param("jupyter nbconvert --execute --to=markdown hello.ipynb", id="nbconvert"),
        pytest.param("jupyter run hello.ipynb", id="run"),
        pytest.param("jupyter console --simple-prompt", id="console"),
    ],
)
@pytest.mark.usefixtures("notebook")
def test_a_start_that_fails_says_why(run_program: RunProgram, cluster_environment: Environment, command: str) -> None:
    """The last lines on the terminal, where people look: what, why, which command shows more."""
    environment = {**cluster_environment, "KUBERNEL_ARGV": '["python3", "-m", "no_such_kernel"]'}
    done = run_program(*command.split(), env=environment)
    assert done.returncode != 0
    namespace = cluster_environment["KUBERNEL_NAMESPACE"]
    last_lines = re.compile(
        rf"""The kernel ended with exit code 1 \(KernelCrashed\)\.
Its last output:
\S+: No module named no_such_kernel
Try: KUBERNEL_IMAGE=IMAGE, or image in kernel\.json
More: kubernel events k-\S+ -n {namespace}[^$]*
$"""
    )
    assert last_lines.search(done.stderr), done.stderr


def test_a_kernel_that_dies_fails_the_notebook(
    run_program: RunProgram, cluster_environment: Environment, notebook: Path
) -> None:
    """nbclient's own words, after the log's, which know the reason."""
    notebook.write_text(notebook.read_text().replace("who = 'world'", "import os; os._exit(3)"))
    done = run_program("jupyter", "execute", str(notebook), env=cluster_environment)
    assert done.returncode != 0
    assert "nbclient.exceptions.DeadKernelError: Kernel died" in done.stderr
    assert re.search(r"Kernel \S+ ended with 3: The kernel ended with exit code 3 \(KernelCrashed\)", done.stderr)


def test_a_script_that_shuts_nothing_down(run: Run) -> None:
    """A local kernel ends when its parent has gone; this one is deleted by the end of the process."""
    script = "from jupyter_client.manager import KernelManager; KernelManager(kernel_name='python3').start_kernel()"
    run("python", "-c", script)
