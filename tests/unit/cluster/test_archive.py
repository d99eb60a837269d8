import hashlib
import json
import tarfile
from pathlib import Path

from cluster.archive import pack


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
