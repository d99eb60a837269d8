import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from cluster.archive import architecture, pack


def test_an_archive_holds_what_its_manifest_names(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "pause").write_text("a program")
    target = tmp_path / "image.tar"
    pack(root, "localhost/pause:1", target, entrypoint=("/pause", "-P"))
    with tarfile.open(target) as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["localhost/pause:1"]
    config = json.loads(contents[manifest["Config"]])
    assert config["config"]["Entrypoint"] == ["/pause", "-P"]
    (layer,) = manifest["Layers"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(contents[layer]).hexdigest()}"]
    assert list(tmp_path.glob("*.layer")) == []


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")])
def test_an_architecture_is_called_as_images_call_it(machine: str, expected: str) -> None:
    assert architecture(machine) == expected


def test_names_of_images_that_are_elsewhere_come_first(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    target = tmp_path / "image.tar"
    names = ["registry.example.org/a/b:1", "registry.example.org/a/b:2", "localhost:5000/c:1"]
    pack(tmp_path / "root", "localhost/empty:1", target, announced=names)
    with tarfile.open(target) as tar:
        first = tar.next()
        assert first is not None
        assert first.name == "repositories"
        file = tar.extractfile(first)
        assert file is not None
        content = json.load(file)
    assert {name: sorted(tags) for name, tags in content.items()} == {
        "registry.example.org/a/b": ["1", "2"],
        "localhost:5000/c": ["1"],
    }
