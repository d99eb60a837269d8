"""The command line: what it prints, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubernel_provisioner.commands import cli
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
        "cpu_request": "500m",
        "memory": "4Gi",
        "memory_request": "2Gi",
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


@pytest.mark.parametrize("name", ["", "..", "../pods/a", "a b", "k-1/status", "K-1"])
@pytest.mark.parametrize("command", ["stop", "restart", "logs", "connect", "pause", "ps -n"])
def test_a_name_that_is_none(command: str, name: str, capsys: Capture) -> None:
    """``kubernel stop "$UNSET"`` asked for the list of kernels, and took it for one."""
    if (command, name) == ("ps -n", ""):
        return  # the default, as for kubectl
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), name])
    assert caught.value.code == 2
    assert f"{name!r} cannot be the name of" in capsys.readouterr().err


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


def test_every_option_of_install(tmp_path: Path) -> None:
    """As kernel.json has it; ``test_kernelspec`` shows that the provisioner takes it."""
    options = """--image-pull-secret a --image-pull-secret b --image-pull-policy Always --env-allow HTTPS_PROXY
    --volume home-me:/work --volume data.x:/data:ro --volume {"name":"tmp","mountPath":"/t","emptyDir":{}}
    --node-selector a/b=c --toleration gpu:NoSchedule --toleration k=v --runtime-class gvisor --priority-class low
    --start-deadline 600 --idle-timeout 3600 --active-deadline 7200 --orphan-after 60 --fork Auto --preload pandas
    --cpu 2 --cpu-request 1 --startup-cpu 4 --memory 4Gi --memory-request 1Gi --memory-max 8Gi
    --memory-when-full Continue --path-map /home/me=/work --access direct"""
    assert main(["install", "--name", "n", "--prefix", str(tmp_path), *options.split()]) == 0
    spec = json.loads((tmp_path / "share/jupyter/kernels/n/kernel.json").read_text())
    assert spec["metadata"]["kernel_provisioner"]["config"] == {
        "image_pull_secrets": ["a", "b"],
        "image_pull_policy": "Always",
        "env_allow": ["HTTPS_PROXY"],
        "volumes": [
            {"name": "home-me", "mountPath": "/work", "persistentVolumeClaim": {"claimName": "home-me"}},
            {
                "name": "data-x",
                "mountPath": "/data",
                "persistentVolumeClaim": {"claimName": "data.x"},
                "readOnly": True,
            },
            {"name": "tmp", "mountPath": "/t", "emptyDir": {}},
        ],
        "node_selector": {"a/b": "c"},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "k", "operator": "Equal", "value": "v"},
        ],
        "runtime_class_name": "gvisor",
        "priority_class_name": "low",
        "start_deadline_seconds": 600,
        "idle_timeout_seconds": 3600,
        "active_deadline_seconds": 7200,
        "orphan_after_seconds": 60,
        "fork": "Auto",
        "preload": ["pandas"],
        "cpu": "2",
        "cpu_request": "1",
        "startup_cpu": "4",
        "memory": "4Gi",
        "memory_request": "1Gi",
        "memory_max": "8Gi",
        "memory_when_full": "Continue",
        "path_map": {"/home/me": "/work"},
        "access": "direct",
    }


@pytest.mark.parametrize(
    "option",
    [
        *("--volume=data", "--volume=data:relative", "--volume=:/data", "--volume=data:/x:rx", "--volume={", "--env=A"),
        *(
            "--volume=data:/",
            "--idle-timeout=0",
            "--cpu=-1",
            "--cpu-request=many",
            "--startup-cpu=x",
            "--node-selector=x",
        ),
        *("--image=A b", "--toleration=a:Sometimes", "--preload=1x", "--memory-request=2Gi", "--memory-max=1Gi"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, capsys: Capture, option: str) -> None:
    """Before anything is written, in a few lines that name the option."""
    assert main(["install", "--name", "n", "--memory", "1Gi", "--prefix", str(tmp_path), option]) == 1
    assert not (tmp_path / "share").exists()
    error = capsys.readouterr().err
    name = option.removeprefix("--").partition("=")[0].replace("-", "_").removesuffix("_request")
    assert name in error.replace("-", "_").replace("mountPath", "volume").replace("requests", "memory")
    assert len(error.splitlines()) <= 4


def test_as_a_plugin_of_kubectl(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-kernel"])
    with pytest.raises(SystemExit):
        main(["ps", "--help"])
    assert capsys.readouterr().out.startswith("usage: kubectl kernel ps ")


def test_stop_wants_to_know_whom(capsys: Capture) -> None:
    assert main(["stop"]) == 2
    assert main(["stop", "k-1", "--all"]) == 2
    assert capsys.readouterr().out == "Name the kernels, or say --all.\n" * 2


def completions(line: str) -> list[str]:
    """As kubectl asks for them."""
    code = "import sys; from kubernel_provisioner.commands.completion import main; sys.exit(main())"
    words = line.split(" ")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("re", ["remove", "restart", "resize", "resume"], id="commands"),
        pytest.param("ps -o w", ["wide"], id="choices"),
        pytest.param("install --name n --image-p", ["--image-pull-policy", "--image-pull-secret"], id="options"),
        pytest.param("remove s", ["science"], id="kernelspecs"),
        pytest.param("events k", [], id="kernels of a cluster that does not answer"),
    ],
)
def test_completion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert main(["install", "--name", "science", "--prefix", str(tmp_path)]) == 0
    *found, directive = completions(line)
    assert (sorted(found), directive) == (sorted(offered), ":4")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_a_shell(capsys: Capture, shell: str) -> None:
    assert main(["completion", shell]) == 0
    assert "kubernel" in capsys.readouterr().out


@pytest.fixture
def _some_kernelspecs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["install", "--name", name, "--display-name", "Größe", "--prefix", str(tmp_path)]) == 0


LISTING = (sys.executable, "-m", "kubernel_provisioner.commands.cli", "list")


@pytest.mark.usefixtures("_some_kernelspecs")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_who_reads_may_have_enough(monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
    """``kubernel list | head``."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(LISTING, stdout=writing, stderr=subprocess.PIPE, check=True, timeout=60)
    os.close(writing)
    assert run.stderr == b""


@pytest.mark.usefixtures("_some_kernelspecs")
def test_a_terminal_that_cannot_show_all_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    run = subprocess.run(LISTING, capture_output=True, text=True, check=True, timeout=60)
    assert r"Gr\xf6\xdfe" in run.stdout


@pytest.mark.usefixtures("_some_kernelspecs")
@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_was_closed(closed: int) -> None:
    """``kubernel stop NAME >&-`` of a daemon or cron: what was done is no failure."""
    closing = ["sh", "-c", f'exec "$@" {closed}>&-', "sh"]
    run = subprocess.run([*closing, *LISTING], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.usefixtures("_some_kernelspecs")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(LISTING, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (1, "The output cannot be written: No space left on device\n")


WITHOUT_A_HOME = """
import os, pwd, sys
from kubernel_provisioner.commands.cli import main

def fail(_):
    raise KeyError

pwd.getpwuid = fail
for name in ("HOME", "JUPYTER_DATA_DIR"):
    os.environ.pop(name)
prefix = os.environ["JUPYTER_PATH"].removesuffix("/share/jupyter")
sys.exit(main(["install", "--name", "n", "--prefix", prefix]) + main(["list"]) + main(["remove", "n"]))
"""


def test_an_account_without_a_home() -> None:
    """A number that no passwd knows, as OpenShift gives them; Jupyter cannot look for kernelspecs there."""
    command = [sys.executable, "-c", WITHOUT_A_HOME]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_an_interruption_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_check", interrupt)
    assert main(["check"]) == 130
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def fail(*args: object) -> None:
        Path("/dev/null/kernel.json").touch()

    monkeypatch.setattr(cli, "_check", fail)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "/dev/null/kernel.json: Not a directory\n"
