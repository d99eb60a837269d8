"""Kernelspecs by name: where they are looked for and what becomes of argv and env."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.supervisors import Operator, Supervise
from kubernel_supervisor.supervisor import StartError, data_folders, find_kernelspecs, read_kernelspec


def install(data_folder: Path, name: str, **spec: Any) -> Path:
    """A kernelspec as Jupyter lays them out; returns its folder."""
    folder = data_folder / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": ["x", "{connection_file}"], "language": "x", **spec}))
    return folder


def test_folders_in_jupyters_order(tmp_path: Path) -> None:
    (tmp_path / "conda/bin").mkdir(parents=True)
    jupyter = tmp_path / "conda/bin/jupyter"
    jupyter.touch(0o755)
    env = {"HOME": "/home/u", "PATH": f"{tmp_path}/conda/bin", "JUPYTER_PATH": "/a:/b"}
    assert data_folders(env) == [
        "/a",
        "/b",
        "/home/u/.local/share/jupyter",
        f"{sys.prefix}/share/jupyter",
        f"{tmp_path}/conda/share/jupyter",
        "/opt/conda/share/jupyter",
        "/usr/local/share/jupyter",
        "/usr/share/jupyter",
    ]


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"JUPYTER_DATA_DIR": "/data", "HOME": "/home/u"}, "/data"),
        ({"XDG_DATA_HOME": "/xdg", "HOME": "/home/u"}, "/xdg/jupyter"),
        ({"HOME": "/home/u"}, "/home/u/.local/share/jupyter"),
        ({}, "/.local/share/jupyter"),
    ],
)
def test_users_own_folder(env: dict[str, str], folder: str) -> None:
    assert data_folders({"PATH": "/nowhere", **env})[0] == folder


def test_first_of_a_name_wins_whatever_its_case(tmp_path: Path) -> None:
    first = install(tmp_path / "first", "IR")
    install(tmp_path / "second", "ir")
    other = install(tmp_path / "second", "julia-1.11")
    (tmp_path / "second/kernels/no-spec").mkdir()
    found = find_kernelspecs({"JUPYTER_PATH": f"{tmp_path}/first:{tmp_path}/second", "HOME": "/nowhere", "PATH": ""})
    assert found["ir"] == str(first)
    assert found["julia-1.11"] == str(other)
    assert "no-spec" not in found


def test_placeholders_and_environment(tmp_path: Path) -> None:
    folder = install(
        tmp_path,
        "r",
        argv=["R", "--args", "{connection_file}", "{resource_dir}/logo.svg", "{prefix}", "{unknown}"],
        env={"A": "${HOME}/lib", "B": "$HOME", "C": "${UNKNOWN}", "D": "plain", "E": 7},
    )
    argv, env = read_kernelspec("R", {"JUPYTER_PATH": str(tmp_path), "HOME": "/h", "PATH": ""})
    assert argv == ["R", "--args", "{connection_file}", f"{folder}/logo.svg", sys.prefix, "{unknown}"]
    assert env == {"A": "/h/lib", "B": "/h", "C": "${UNKNOWN}", "D": "plain", "E": "7"}


@pytest.mark.parametrize(("installed", "expected"), [(True, "{prefix}/bin/python"), (False, "python")])
def test_python_means_the_one_that_the_kernelspec_belongs_to(tmp_path: Path, installed: bool, expected: str) -> None:
    prefix = tmp_path / "conda"
    install(prefix / "share/jupyter", "python3", argv=["python", "-m", "ipykernel_launcher"])
    (prefix / "bin").mkdir()
    if installed:
        (prefix / "bin/python").touch(0o755)
    argv, _ = read_kernelspec("python3", {"JUPYTER_PATH": f"{prefix}/share/jupyter", "HOME": "/h", "PATH": ""})
    assert argv == [expected.replace("{prefix}", str(prefix)), "-m", "ipykernel_launcher"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "kernel.json cannot be used: JSONDecodeError"),
        ('{"argv": ["x"]} and more', "kernel.json cannot be used: JSONDecodeError: Extra data"),
        ("[]", "kernel.json cannot be used: TypeError"),
        ('{"language": "x"}', "kernel.json cannot be used: KeyError: 'argv'"),
        ('{"argv": ["x"], "env": ["A=1"]}', "kernel.json cannot be used: AttributeError"),
    ],
)
def test_broken_kernelspec_is_named(tmp_path: Path, text: str, message: str) -> None:
    (install(tmp_path, "broken") / "kernel.json").write_text(text)
    with pytest.raises(StartError, match=r"broken/kernel\.json") as caught:
        read_kernelspec("broken", {"JUPYTER_PATH": str(tmp_path), "HOME": "/h", "PATH": ""})
    assert caught.value.code == 127
    assert message in str(caught.value)


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
