"""The command line: what it prints, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubernel_provisioner.commands.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


def test_install_list_remove(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "share/jupyter/kernels/sc"
    options = [
        "--template",
        "gpu",
        "--image",
        "s:1",
        "--cpu",
        "2",
        "--memory",
        "4Gi",
        "--gpu",
        "1",
        "--env",
        "A=1",
        "--env",
        "B=x=y",
    ]
    place = ["--service", "None", "--namespace", "jhub", "--prefix", str(tmp_path)]
    assert main(["install", "--name", "sc", "--display-name", "SciPy", *options, *place]) == 0
    assert json.loads((folder / "kernel.json").read_text())["metadata"]["kernel_provisioner"]["config"] == {
        "template_name": "gpu",
        "image": "s:1",
        "cpu": "2",
        "memory": "4Gi",
        "gpu": "1",
        "namespace": "jhub",
        "service": "None",
        "env": {"A": "1", "B": "x=y"},
    }
    assert main(["list"]) == 0
    assert main(["remove", "sc"]) == 0
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        f"Installed kernelspec sc in {folder}\n"
        f"NAME   IMAGE   DISPLAY NAME   FOLDER\nsc     s:1     SciPy          {folder}\n"
        f"Removed {folder}\n"
        "NAME   IMAGE   DISPLAY NAME   FOLDER\n"
    )


def test_argv_takes_the_rest_of_the_line(tmp_path: Path) -> None:
    argv = ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"]
    assert main(["install", "--name", "r", "--prefix", str(tmp_path), "--argv", *argv]) == 0
    spec = json.loads((tmp_path / "share/jupyter/kernels/r/kernel.json").read_text())
    assert spec["metadata"]["kernel_provisioner"]["config"] == {"argv": argv}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["remove", "absent"], "There is no kernelspec 'absent'.\nTry: kubernel list\n", id="remove"),
        pytest.param(["install", "--name", "n", "--env", "A"], "--env: 'A' is not of the form NAME=VALUE\n", id="env"),
        pytest.param(
            ["check", "--kubeconfig", "/nowhere"],
            "Cannot log in to the Kubernetes cluster: there is no kubeconfig at /nowhere.",
            id="check without a cluster",
        ),
        pytest.param(
            ["connect", "k-1", "--kubeconfig", "/nowhere"],
            "Cannot log in to the Kubernetes cluster: there is no kubeconfig at /nowhere.",
            id="connect without a cluster",
        ),
    ],
)
def test_errors_are_a_few_lines(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    text = printed.err + printed.out
    assert message in text
    assert text.count("\n") <= 3


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["install"], ["install", "--name", "n", "--user", "--sys-prefix"]]
)
def test_wrong_use(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kubernel" in capsys.readouterr().err


def test_a_program_that_ignores_provisioners_is_told_so(capsys: Capture) -> None:
    assert main(["not-a-local-kernel", "/tmp/connection.json", "--HistoryManager.hist_file=:memory:"]) == 1
    assert capsys.readouterr().err.startswith("This kernel runs on Kubernetes")


def test_help_does_not_load_kubernetes() -> None:
    code = (
        "import sys\nfrom kubernel_provisioner.commands.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('kubernetes', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
