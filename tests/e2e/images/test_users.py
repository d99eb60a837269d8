"""Whose uid a kernel has, and images that cannot start."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl, Object
from fixtures.operator_process import OperatorProcess
from fixtures.waiting import wait_until
from kubernel_api.conditions import is_true

Operators = Callable[..., OperatorProcess]
Managers = Callable[..., AsyncKernelManager]

# What OpenShift's SCC restricted-v2 makes of every pod: a uid of the namespace's own range, which no image knows.
UID = 1_000_680_000
OPENSHIFT = {
    "runAsNonRoot": True,
    "runAsUser": UID,
    "runAsGroup": 0,
    "fsGroup": UID,
    "seccompProfile": {"type": "RuntimeDefault"},
}
WHO = "import os; print(os.getuid(), os.getgid(), oct(os.stat('/tmp/kubernel/connection.json').st_mode & 0o777))"


@pytest.fixture
def here(kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    return kubectl.within(operator_namespace)


@pytest.mark.parametrize("image", ["kernel-python", "kernel-stacks"])
async def test_an_arbitrary_uid(
    image: str,
    operator_process: Operators,
    operator_namespace: str,
    load_image: Callable[[str], str],
    install_kernelspec: Callable[..., str],
    manager_of: Managers,
) -> None:
    operator_process(operator_namespace, f"--pod-security-context={json.dumps(OPENSHIFT)}")
    manager = manager_of(install_kernelspec(operator_namespace, "--image", load_image(image)))
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, WHO) == f"{UID} 0 0o600\n"
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=90)
        assert await run(client, WHO) == f"{UID} 0 0o600\n"


async def test_an_arbitrary_uid_in_r(
    operator_process: Operators,
    operator_namespace: str,
    r_image: str,
    install_kernelspec: Callable[..., str],
    manager_of: Managers,
) -> None:
    operator_process(operator_namespace, f"--pod-security-context={json.dumps(OPENSHIFT)}")
    manager = manager_of(install_kernelspec(operator_namespace, "--image", r_image, "--language", "R"))
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "cat(system('id -u', intern = TRUE))") == str(UID)


READ_ONLY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


def test_a_read_only_root_filesystem_with_a_folder_for_temporary_files(
    operator_process: Operators, here: Kubectl, operator_namespace: str
) -> None:
    """Not the default: ipykernel and R start with an emptyDir at /tmp only."""
    operator_process(operator_namespace, f"--security-context={json.dumps(READ_ONLY)}")
    apply(here, volumes=[{"name": "tmp", "mountPath": "/tmp", "emptyDir": {}}])
    here("wait", "--for=condition=Ready", "kernel/k", "--timeout=90s")


def test_a_read_only_root_filesystem_alone(operator_process: Operators, here: Kubectl, operator_namespace: str) -> None:
    """F15: connection file and temporary files are in /dev/shm, which every container has."""
    operator_process(operator_namespace, f"--security-context={json.dumps(READ_ONLY)}")
    apply(here)
    here("wait", "--for=condition=Ready", "kernel/k", "--timeout=90s")


def apply(here: Kubectl, **spec: Any) -> None:
    """Applies a KernelInstance named k."""
    here.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}, "spec": spec}
    )


def failed_status(here: Kubectl, **spec: Any) -> Object:
    """The status of a KernelInstance, once it cannot get further."""
    here.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}, "spec": spec}
    )

    def look() -> Object | None:
        status: Object = here.json("get", "kernel", "k").get("status") or {}
        return status if is_true(status, "Stalled") or status["phase"] in {"Exited", "Failed"} else None

    return wait_until("a status that is final", look, seconds=60)


NOT_ROOT = "kernels do not run as root: take an image whose USER is a number but 0, or have runAsUser set for all"


@pytest.mark.parametrize(
    ("name", "user", "message"),
    [
        pytest.param("root", "", "container has runAsNonRoot and image will run as root", id="root"),
        pytest.param(
            "named-user",
            "jovyan",
            "container has runAsNonRoot and image has non-numeric user (jovyan), cannot verify user is non-root",
            id="a user with a name",
        ),
    ],
)
def test_an_image_that_may_be_root(
    operator_process: Operators,
    here: Kubectl,
    operator_namespace: str,
    empty_image: Callable[[str, str], str],
    name: str,
    user: str,
    message: str,
) -> None:
    operator_process(operator_namespace)
    status = failed_status(here, image=empty_image(name, user))
    assert (status["phase"], status["reason"]) == ("Pending", "ConfigError")
    expected = f"The container cannot be created (CreateContainerConfigError): {message}; {NOT_ROOT}"
    assert status["message"] == expected
    assert "exit" not in status


def test_an_image_without_a_shell(
    operator_process: Operators, here: Kubectl, operator_namespace: str, empty_image: Callable[[str, str], str]
) -> None:
    operator_process(operator_namespace)
    status = failed_status(here, image=empty_image("no-shell", "1000"))
    assert (status["phase"], status["reason"]) == ("Failed", "ConfigError")
    assert 'exec: "sh": executable file not found in $PATH' in status["message"]
    assert status["message"].endswith("; the image needs a POSIX shell, sh")
    assert "exitCode" not in status["exit"]


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        pytest.param(["julia", "{connection_file}"], 127, "julia: not found in this image on PATH", id="not there"),
        pytest.param(["/etc/passwd"], 126, "/etc/passwd is not executable", id="not executable"),
        pytest.param(["python3", "-m", "nothing"], 1, "No module named nothing", id="ends with an error"),
    ],
)
def test_a_wrong_argv(
    operator_process: Operators,
    here: Kubectl,
    operator_namespace: str,
    kernel_image: str,
    argv: list[str],
    code: int,
    message: str,
) -> None:
    operator_process(operator_namespace)
    status = failed_status(here, image=kernel_image, kernel={"argv": argv})
    assert (status["reason"], status["exit"]["exitCode"]) == ("KernelCrashed", code)
    assert message in status["message"]
