"""Every script in docs/examples, run as a user runs it, and what it prints."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.cluster import REPO
from fixtures.kubectl import Kubectl
from fixtures.programs import Environment, RunProgram

EXAMPLES = REPO / "docs" / "examples"
# What ipykernel says of a local kernel without encryption, and debugpy, now and then, of Python's frozen modules.
NO_COMPLAINT = re.compile(r"Kernel is running over TCP without encryption|^\d\.\d\ds - ")


@pytest.fixture
def run_example(run_program: RunProgram) -> Callable[..., list[str]]:
    """Runs a script, which must succeed without a word of complaint, and returns the lines that it printed."""

    def run(name: str, *arguments: str, env: Environment) -> list[str]:
        done = run_program("python", str(EXAMPLES / name), *arguments, env=env)
        complaints = [line for line in done.stderr.splitlines() if not NO_COMPLAINT.search(line)]
        assert (done.returncode, complaints) == (0, []), done.stderr
        return [without_pod_name(line) for line in done.stdout.splitlines()]

    return run


RunExample = Callable[..., list[str]]


@pytest.fixture
def local_default(cluster_environment: Environment) -> Environment:
    """Access to the cluster, with the local provisioner as default."""
    return {name: value for name, value in cluster_environment.items() if name.startswith("KUBERNEL_")}


def without_pod_name(line: str) -> str:
    """Kernel ids are random, and so are the pods' names."""
    return re.sub(r"\bk-[0-9a-f-]{36}-1\b", "POD", line)


def test_local_beside_cluster(run_example: RunExample, local_default: Environment, run_program: RunProgram) -> None:
    install = ("kubernel", "install", "--user", "--name", "on-kubernetes")
    assert run_program(*install, env=local_default).returncode == 0
    local, remote = "LocalProvisioner", "KubernetesProvisioner"
    host = run_program("uname", "-n").stdout.strip()
    assert run_example("local_beside_cluster.py", "python3", "on-kubernetes", env=local_default) == [
        f"{local} has_process: True poll: None",
        f"hello from {host}",
        f"{local} has_process: False",
        f"{remote} has_process: True poll: None",
        "hello from POD",
        f"{remote} has_process: False",
    ]


def test_own_provisioner(run_example: RunExample, local_default: Environment, run_program: RunProgram) -> None:
    user = run_program("id", "-un").stdout.strip()
    assert run_example("own_provisioner.py", env=local_default) == [
        "in the kernel the role is data_scientist",
        "in the kernel the role is data_scientist",
        f"refused: {user} is not in role admin, so k-1 is not started.",
    ]


def test_discover_and_create(run_example: RunExample, local_default: Environment) -> None:
    assert run_example("discover_and_create.py", env=local_default) == [
        "kubernel = kubernel_provisioner:KubernetesProvisioner",
        "local-provisioner = jupyter_client.provisioning:LocalProvisioner",
        "created: LocalProvisioner for some-id",
        "created: KubernetesProvisioner for some-id",
        "6 * 7 = 42",
        "6 * 7 = 42",
    ]


@pytest.mark.parametrize(
    ("where", "provisioner", "info"),
    [
        pytest.param("local_default", "LocalProvisioner", "connection_info, ip, kernel_id, pgid, pid", id="local"),
        pytest.param(
            "cluster_environment",
            "KubernetesProvisioner",
            "connection_info, instance, kernel_id, namespace",
            id="cluster",
        ),
    ],
)
def test_async_operations(
    run_example: RunExample, request: pytest.FixtureRequest, where: str, provisioner: str, info: str
) -> None:
    assert run_example("async_operations.py", env=request.getfixturevalue(where)) == [
        f"provisioner: {provisioner}",
        "poll: None has_process: True",
        f"info: {info}",
        "wait: -15 has_process: False",
        "alive: False",
    ]


def test_connection_file_of_a_local_process(
    run_example: RunExample, local_default: Environment, run_program: RunProgram
) -> None:
    user = run_program("id", "-un").stdout.strip()
    assert run_example("connection_file.py", env=local_default) == [
        "launched: Popen",
        f"hello from a kernel of {user}",
        "exit code: -15",
    ]


def test_connection_file_of_a_kernel_on_the_cluster(
    run_example: RunExample, cluster_environment: Environment, namespace: str, kubectl: Kubectl
) -> None:
    here = kubectl.within(namespace)
    here("apply", f"--filename={EXAMPLES / 'minimal.yaml'}")
    here("wait", "--for=condition=Ready", "kernel/minimal", "--timeout=60s")
    assert run_example("connection_file.py", "minimal", env=cluster_environment) == [
        "connected: minimal",
        "hello from a kernel of jovyan",
    ]
    here("delete", "kernel", "minimal")


def test_wrap_a_container(run_example: RunExample, local_default: Environment, run_program: RunProgram) -> None:
    host, uid = run_program("uname", "-n").stdout.strip(), run_program("id", "-u").stdout.strip()
    assert run_example("wrap_a_container.py", env=local_default) == [
        f"niceness 5 uid {uid} on {host}",
        "niceness 0 uid 1000 on POD",
    ]


def test_take_over(run_example: RunExample, cluster_environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "info.json"
    assert run_example("take_over.py", "start", str(file), env=cluster_environment) == ["x is set"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["namespace"] == cluster_environment["KUBERNEL_NAMESPACE"]
    assert run_example("take_over.py", "continue", str(file), env=cluster_environment) == ["x is still 42"]


def test_a_local_kernel_cannot_be_taken_over(
    run_program: RunProgram, local_default: Environment, tmp_path: Path
) -> None:
    script, file = str(EXAMPLES / "take_over.py"), str(tmp_path / "info.json")
    first = run_program("python", script, "start", file, env=local_default)
    assert (first.returncode, first.stdout) == (0, "x is set\n")
    other = run_program("python", script, "continue", file, env=local_default)
    assert (other.returncode, other.stderr) == (1, "LocalProvisioner has not found a kernel to take over.\n")
