import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.layout import find_layout
from cluster.native import store
from cluster.native.store import KEY_LABEL, absent_blobs, parse_label

HEADER = "REF  TYPE  DIGEST  SIZE  PLATFORMS  LABELS"
ROW = "localhost/kubernel/operator:dev application/x sha256:00 1.0 MiB linux/amd64"


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        pytest.param(f"{HEADER}\n{ROW} a=b,{KEY_LABEL}=cafe\n", "cafe", id="loaded"),
        pytest.param(f"{HEADER}\n{ROW} io.cri-containerd.image=managed\n", None, id="loaded without a key"),
        pytest.param(f"{HEADER}\n{ROW} -\n", None, id="loaded without any label"),
        pytest.param(f"{HEADER}\n", None, id="absent"),
    ],
)
def test_the_key_of_a_loaded_image_is_in_its_labels(listing: str, expected: str | None) -> None:
    assert parse_label(listing, KEY_LABEL) == expected


def test_only_absent_blobs_are_imported(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for name in ("cafe", "beef", "f00d"):
        (blobs / name).touch()
    assert absent_blobs(tmp_path, {"sha256:cafe"}) == ["blobs/sha256/beef", "blobs/sha256/f00d"]


def test_layers_that_are_collected_meanwhile_are_imported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "layout"
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for path in (folder / "oci-layout", folder / "index.json", blobs / "cafe", blobs / "beef"):
        path.touch()
    imported: list[set[str]] = []

    def ctr(_: Any, *arguments: str | Path) -> str:
        if arguments[:2] == ("content", "list"):
            return "sha256:cafe\n"
        with tarfile.open(arguments[-1]) as tar:
            imported.append({Path(name).name for name in tar.getnames()})
        if len(imported) == 1:
            raise ClusterError("ctr: failed to prepare extraction snapshot: parent snapshot does not exist: not found")
        return ""

    monkeypatch.setattr(store, "ctr", ctr)
    store.import_layout(find_layout(os.environ), folder)
    assert imported == [{"oci-layout", "index.json", "beef"}, {"oci-layout", "index.json", "beef", "cafe"}]
