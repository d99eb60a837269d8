"""Kernelspecs that are installed, listed and removed."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.commands.kernelspec import (
    Installed,
    KernelspecOptions,
    build_kernel_json,
    install,
    kernels_folder,
    list_installed,
    remove,
)
from kubernel_provisioner.errors import ConfigurationError

IRKERNEL = ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"]


@pytest.fixture
def manager(tmp_path: Path) -> KernelSpecManager:
    """Sees the kernelspecs in ``tmp_path`` and nothing else."""
    return KernelSpecManager(kernel_dirs=[str(tmp_path)], ensure_native_kernel=False)


def test_kernel_json() -> None:
    options = KernelspecOptions(
        name="scipy", display_name="SciPy", config={"image": "s:1", "cpu": "1", "memory": None, "env": {}}
    )
    assert build_kernel_json(options) == {
        "argv": ["kubernel", "not-a-local-kernel", "{connection_file}"],
        "display_name": "SciPy",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {
            "kernel_provisioner": {"provisioner_name": "kubernel", "config": {"image": "s:1", "cpu": "1"}},
            "debugger": True,
            "supported_encryption": ["curve"],
        },
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {}, id="python: the operator's default"),
        pytest.param({"argv": ["x", "{connection_file}"]}, {"argv": ["x", "{connection_file}"]}, id="argv"),
        pytest.param({"language": "R"}, {"argv": IRKERNEL}, id="R"),
        pytest.param({"language": "julia", "kernel_name": "j"}, {"kernel_name": "j"}, id="kernelspec in the image"),
        pytest.param({"config": {"env": {"A": "1"}}}, {"env": {"A": "1"}}, id="env"),
    ],
)
def test_config(options: dict[str, Any], expected: dict[str, Any]) -> None:
    config = build_kernel_json(KernelspecOptions(name="n", **options))["metadata"]["kernel_provisioner"]["config"]
    assert config == expected
    KubernetesProvisioner(**config)  # which refuses what it does not know


def test_other_languages_are_interrupted_by_signal_unless_told_otherwise() -> None:
    made = [build_kernel_json(KernelspecOptions(name="n", language="R", interrupt_mode=m)) for m in ("", "message")]
    assert [spec["interrupt_mode"] for spec in made] == ["signal", "message"]


def test_a_language_without_a_usual_command_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no usual command for kernels of language 'julia'"):
        build_kernel_json(KernelspecOptions(name="n", language="julia"))


def test_install_list_remove(tmp_path: Path, manager: KernelSpecManager) -> None:
    folder = install(KernelspecOptions(name="SciPy", config={"image": "s:1"}), tmp_path)
    assert json.loads((folder / "kernel.json").read_text())["display_name"] == "SciPy"
    assert list_installed(manager) == [Installed("scipy", "SciPy", "s:1", str(tmp_path / "scipy"))]
    assert remove("SciPy", manager) == str(tmp_path / "scipy")
    assert list_installed(manager) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    install(KernelspecOptions(name="n", display_name="old"), tmp_path)
    with pytest.raises(ConfigurationError, match="already"):
        install(KernelspecOptions(name="n"), tmp_path)
    install(KernelspecOptions(name="n", display_name="new"), tmp_path, replace=True)
    assert json.loads((tmp_path / "n" / "kernel.json").read_text())["display_name"] == "new"


@pytest.mark.parametrize("name", ["", "a b", "../x", "ä"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        install(KernelspecOptions(name=name), tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be written to .*\nNot a directory\nTry: .*--user"):
        install(KernelspecOptions(name="n"), tmp_path / "file")


def test_only_our_own_is_removed(tmp_path: Path, manager: KernelSpecManager) -> None:
    (tmp_path / "theirs").mkdir()
    spec = {"argv": ["x"], "display_name": "Theirs", "language": "x"}
    (tmp_path / "theirs" / "kernel.json").write_text(json.dumps(spec))
    assert list_installed(manager) == []
    with pytest.raises(ConfigurationError, match="did not install the kernelspec 'theirs'"):
        remove("theirs", manager)
    with pytest.raises(ConfigurationError, match="There is no kernelspec 'absent'"):
        remove("absent", manager)


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/data")
    places = [kernels_folder(), kernels_folder(prefix="/opt"), kernels_folder(user=True)]
    assert places == [
        Path(sys.prefix) / "share/jupyter/kernels",
        Path("/opt/share/jupyter/kernels"),
        Path("/data/kernels"),
    ]


AMOUNT = "must be an amount such as 2, 500m or 1.5Gi, and not negative"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"memory": "4Gb"}, f"spec.resources.requests.memory: {AMOUNT}; it is '4Gb'."),
        ({"cpu": "-1"}, f"spec.resources.requests.cpu: {AMOUNT}; it is '-1'."),
        ({"gpu": "one"}, f"spec.resources.limits.nvidia.com/gpu: {AMOUNT}; it is 'one'."),
        (
            {"image": "a b"},
            "spec.image: is no image name such as quay.io/jupyter/scipy-notebook:2026-07-28; it is 'a b'.",
        ),
    ],
)
def test_what_the_api_would_refuse(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    """With the API server's own sentence, before anything is written."""
    with pytest.raises(ConfigurationError) as caught:
        install(KernelspecOptions(name="n", config=config), tmp_path)
    assert str(caught.value).splitlines() == ["Kernelspec 'n' could start no kernel.", said]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", ["4Gi", "4G", "1.5Gi", "4e9", "500M", "1000", ".5Gi", "+1Gi", "0"])
def test_amounts_that_the_api_takes(tmp_path: Path, memory: str) -> None:
    install(KernelspecOptions(name="n", config={"memory": memory, "cpu": "500m"}), tmp_path)
