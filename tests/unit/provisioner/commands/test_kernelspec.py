"""Kernelspecs that are installed, listed and removed."""

import errno
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
    update,
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
            "kernel_provisioner": {
                "provisioner_name": "kubernel",
                "config": {"image": "s:1", "cpu": "1", "cpu_request": "250m"},
            },
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
    with pytest.raises(ConfigurationError, match=r"cannot be written to(.|\n)*Not a directory\nTry: .*--user"):
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


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path, manager: KernelSpecManager) -> None:
    """To a kernelspec that others use, too."""
    shared, link = install(KernelspecOptions(name="n"), tmp_path / "elsewhere"), tmp_path / "mine"
    link.symlink_to(shared)
    assert remove("mine", manager) == str(link)
    assert not link.is_symlink()
    assert (shared / "kernel.json").is_file()


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
        ({"memory": "4Gb"}, f"memory: {AMOUNT}; it is '4Gb'."),
        ({"cpu": "-1"}, f"cpu: {AMOUNT}; it is '-1'."),
        ({"gpu": "one"}, f"gpu: {AMOUNT}; it is 'one'."),
        (
            {"image": "a b"},
            "image: is no image name such as quay.io/jupyter/scipy-notebook:2026-07-28; it is 'a b'.",
        ),
    ],
)
def test_what_the_api_would_refuse(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    """With the API server's own sentence, before anything is written."""
    with pytest.raises(ConfigurationError) as caught:
        install(KernelspecOptions(name="n", config=config), tmp_path)
    assert (caught.value.what, caught.value.why) == ("Kernelspec 'n' could start no kernel.", said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", ["4Gi", "4G", "1.5Gi", "4e9", "500M", "1000", ".5Gi", "+1Gi", "0"])
def test_amounts_that_the_api_takes(tmp_path: Path, memory: str) -> None:
    install(KernelspecOptions(name="n", config={"memory": memory, "cpu": "500m"}), tmp_path)


def config_of(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "kernel.json").read_text())
    return dict(found["metadata"]["kernel_provisioner"]["config"])


def test_less_is_reserved_than_may_be_used(tmp_path: Path) -> None:
    given = {"cpu": "1", "memory": "3Gi", "memory_request": "3Gi"}
    folder = install(KernelspecOptions(name="n", config=given), tmp_path)
    assert config_of(folder) == {**given, "cpu_request": "250m"}


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [("100m", "300Mi", ("25m", "150Mi")), ("64", "1000", ("16000m", None)), ("1m", "1Mi", (None, None))],
)
def test_what_is_reserved(tmp_path: Path, cpu: str, memory: str, expected: tuple[str | None, ...]) -> None:
    folder = install(KernelspecOptions(name="n", config={"cpu": cpu, "memory": memory}), tmp_path)
    found = config_of(folder)
    assert (found.get("cpu_request"), found.get("memory_request")) == expected


def test_an_update_keeps_what_is_not_named(tmp_path: Path, manager: KernelSpecManager) -> None:
    first = KernelspecOptions(
        name="n", display_name="N", language="R", config={"image": "r:1", "memory": "1Gi", "env": {"A": "1"}}
    )
    folder = install(first, tmp_path)
    mine = json.loads((folder / "kernel.json").read_text())
    mine["metadata"]["mine"], mine["env"] = 1, {"B": "2"}
    (folder / "kernel.json").write_text(json.dumps(mine))
    assert update(KernelspecOptions(name="N", config={"memory": "4Gi", "env": {}}), None, manager) == folder
    after = json.loads((folder / "kernel.json").read_text())
    config = {"image": "r:1", "memory": "4Gi", "memory_request": "2Gi", "env": {"A": "1"}, "argv": IRKERNEL}
    mine["metadata"]["kernel_provisioner"]["config"] = config
    assert after == mine


def test_an_update_of_a_kernelspec_with_numbers(tmp_path: Path, manager: KernelSpecManager) -> None:
    """Written by hand; kernels start from it, so nothing is wrong with it."""
    file = install(KernelspecOptions(name="n"), tmp_path) / "kernel.json"
    made = json.loads(file.read_text())
    made["metadata"]["kernel_provisioner"]["config"] = {"cpu": 2.5, "cpu_request": 0.5}
    file.write_text(json.dumps(made))
    update(KernelspecOptions(name="n", config={"image": "s:2"}), manager=manager)
    config = json.loads(file.read_text())["metadata"]["kernel_provisioner"]["config"]
    assert config == {"cpu": 2.5, "cpu_request": 0.5, "image": "s:2"}


def test_an_update_into_another_folder(tmp_path: Path, manager: KernelSpecManager) -> None:
    """Of a kernelspec that one may not write, for instance in a hub's image."""
    folder = install(KernelspecOptions(name="n", config={"image": "s:1"}), tmp_path)
    mine = update(KernelspecOptions(name="n", config={"gpu": "1"}), tmp_path / "mine", manager)
    assert mine == tmp_path / "mine" / "n"
    assert (config_of(mine), config_of(folder)) == ({"image": "s:1", "gpu": "1"}, {"image": "s:1"})
    assert {logo.name for logo in mine.glob("logo-*")} == {logo.name for logo in folder.glob("logo-*")}


@pytest.mark.parametrize(
    ("config", "error"), [({"memory": "4Gb"}, "could start no kernel"), ({"idle_timeout_seconds": 0}, "could start no")]
)
def test_an_update_that_is_wrong_changes_nothing(
    tmp_path: Path, manager: KernelSpecManager, config: dict[str, Any], error: str
) -> None:
    folder = install(KernelspecOptions(name="n", config={"memory": "1Gi"}), tmp_path)
    before = (folder / "kernel.json").read_text()
    with pytest.raises(ConfigurationError, match=error):
        update(KernelspecOptions(name="n", config=config), None, manager)
    assert (folder / "kernel.json").read_text() == before


def test_only_what_is_there_is_updated(tmp_path: Path, manager: KernelSpecManager) -> None:
    with pytest.raises(ConfigurationError, match="There is no kernelspec 'absent'"):
        update(KernelspecOptions(name="absent"), None, manager)


def test_the_logos_of_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ipykernel's for Python; else those of a local kernelspec; else none."""
    local = tmp_path / "share" / "jupyter" / "kernels" / "ir"
    local.mkdir(parents=True)
    (local / "kernel.json").write_text(json.dumps({"argv": ["R"], "display_name": "R", "language": "R"}))
    (local / "logo-64x64.png").write_bytes(b"R's")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    python = install(KernelspecOptions(name="p"), tmp_path / "new")
    r = install(KernelspecOptions(name="r", language="r"), tmp_path / "new")
    other = install(KernelspecOptions(name="j", language="julia", kernel_name="j"), tmp_path / "new")
    assert (python / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")
    assert (r / "logo-64x64.png").read_bytes() == b"R's"
    assert [path.name for path in other.iterdir()] == ["kernel.json"]


def test_logos_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "logo-svg.svg").write_text("<svg/>")
    folder = install(KernelspecOptions(name="n", logos=tmp_path), tmp_path / "new")
    assert [path.name for path in folder.glob("logo-*")] == ["logo-svg.svg"]
    with pytest.raises(ConfigurationError, match="There is no logo in"):
        install(KernelspecOptions(name="m", logos=tmp_path / "new"), tmp_path / "new")


def test_an_update_adds_to_a_mapping(tmp_path: Path, manager: KernelSpecManager) -> None:
    """``--update`` changes what is named: one variable, not all of them."""
    install(KernelspecOptions(name="n", config={"env": {"A": "1", "B": "1"}, "preload": ["a"]}), tmp_path)
    folder = update(KernelspecOptions(name="n", config={"env": {"B": "2"}, "preload": ["b"]}), None, manager)
    config = json.loads((folder / "kernel.json").read_text())["metadata"]["kernel_provisioner"]["config"]
    assert (config["env"], config["preload"]) == ({"A": "1", "B": "2"}, ["b"])


@pytest.mark.parametrize("display_name", ["a\udcff", "a" * 1000])
def test_a_kernelspec_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, manager: KernelSpecManager, monkeypatch: pytest.MonkeyPatch, display_name: str
) -> None:
    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    install(KernelspecOptions(name="n", display_name="old"), tmp_path)
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(ConfigurationError, match="The kernelspec cannot be written"):
        update(KernelspecOptions(name="n", display_name=display_name), None, manager)
    assert [spec.display_name for spec in list_installed(manager)] == ["old"]
    assert [path.name for path in (tmp_path / "n").iterdir() if "json" in path.name] == ["kernel.json"]


@pytest.mark.parametrize("stanza", ["kubernel", None, [], {"provisioner_name": "other"}])
def test_somebody_elses_kernelspec_is_none_of_ours(tmp_path: Path, manager: KernelSpecManager, stanza: Any) -> None:
    (tmp_path / "other").mkdir()
    spec = {"argv": ["x"], "display_name": "x", "language": "x", "metadata": {"kernel_provisioner": stanza}}
    (tmp_path / "other" / "kernel.json").write_text(json.dumps(spec))
    assert list_installed(manager) == []


def test_what_is_wrong_is_shown_in_part_and_no_password_at_all(tmp_path: Path) -> None:
    for config, error in (
        ({"env": {"A": "s3cret" * 6000}}, r"env.0.value: String should have at most 32768 characters\.$"),
        ({"priority_class_name": "X" * 5000}, r"; it is\s'X{12}\.\.\.X{13}'\.$"),
    ):
        with pytest.raises(ConfigurationError, match=error) as caught:
            install(KernelspecOptions(name="n", config=config), tmp_path)
        assert "s3cret" not in str(caught.value)
