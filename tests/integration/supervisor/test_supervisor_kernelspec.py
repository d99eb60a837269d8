"""A kernel that is named by its kernelspec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixtures.supervisors import Operator, Supervise


def install(data_folder: Path, name: str, **spec: Any) -> Path:
    """A kernelspec as Jupyter lays them out; returns its folder."""
    folder = data_folder / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": ["x", "{connection_file}"], "language": "x", **spec}))
    return folder


def test_kernel_starts_by_name(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    install(
        tmp_path / "data",
        "Shelly",
        argv=["sh", "-c", 'echo "$GREETING $NAME"; test -s "$1"', "sh", "{connection_file}"],
        env={"GREETING": "hello from ${HOME}", "NAME": "kernelspec"},
    )
    env = {"JUPYTER_PATH": str(tmp_path / "data"), "HOME": str(tmp_path), "NAME": "container"}
    container = supervise([], operator=operator, env=env, kernelName="shelly", restartGraceSeconds=0)
    assert container.wait() == 0
    assert container.output() == f"hello from {tmp_path} kernelspec\n"


def test_unknown_name_lists_what_there_is(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    install(tmp_path, "aardvark")
    container = supervise(
        [], operator=operator, env={"JUPYTER_PATH": str(tmp_path)}, kernelName="ir", restartGraceSeconds=0
    )
    exited = operator.wait("exited")
    assert exited["exitCode"] == 127
    assert exited["log"].startswith("no kernelspec named 'ir' in this image; found: aardvark")
    assert container.wait() == 127
