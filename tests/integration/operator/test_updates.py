"""The operator is updated, and updated back, under kernels that run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.cluster import REPO

from .conftest import Place
from .kernels import Kernel

OPERATOR = REPO / "operator"


def supervisor_of(kernel: Kernel) -> str:
    """The name of the ConfigMap that the kernel's pod runs."""
    (pod,) = kernel.children("pods")
    env = {each["name"]: each for each in pod["spec"]["containers"][0]["env"]}
    name: str = env["KUBERNEL_SUPERVISOR"]["valueFrom"]["configMapKeyRef"]["name"]
    return name


def replaced(kernel: Kernel, incarnation: int, generation: int) -> None:
    """Its pod is deleted by hand, and a restart brings the next one."""
    kernel.delete_pod(f"{kernel.name}-{incarnation}")
    kernel.reason("PodDeleted")
    kernel.restart(generation)
    kernel.ready(generation)
    kernel.wait("one pod", lambda: kernel.child_names("pods") == [f"{kernel.name}-{incarnation + 1}"])


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder with an operator whose supervisor is another one."""
    folder = tmp_path / "newer"
    for package in ("kubernel_operator", "kubernel_supervisor"):
        shutil.copytree(OPERATOR / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "kubernel_supervisor" / "run" / "supervisor.py").open("a") as module:
        module.write("\nNEWER = True\n")
    return folder


def test_there_and_back_again(make_place: Callable[..., Place], newer: Path) -> None:
    place = make_place()
    kernel = place.kernels.start(connection={})
    older, key = supervisor_of(kernel), kernel.key()

    def update(path: str) -> None:
        place.operator.stop()
        place.operator.environment["PYTHONPATH"] = path
        place.operator.forked = False  # other modules than this process has imported
        place.operator.start()

    update(str(newer))
    place.kernels.start()  # it leads
    assert (kernel.child_names("pods"), supervisor_of(kernel)) == ([f"{kernel.name}-1"], older)
    kernel.restart(1)
    kernel.ready(1)
    assert kernel.child_names("pods") == [f"{kernel.name}-1"], "in place, by the supervisor of the older operator"
    replaced(kernel, 1, 2)
    assert supervisor_of(kernel) != older

    update(os.environ.get("PYTHONPATH", ""))
    place.kernels.start()
    kernel.restart(3)
    kernel.ready(3)
    assert kernel.child_names("pods") == [f"{kernel.name}-2"], "in place, by the supervisor of the newer operator"
    replaced(kernel, 2, 4)
    assert (supervisor_of(kernel), kernel.key()) == (older, key)
