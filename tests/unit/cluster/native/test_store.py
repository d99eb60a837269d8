from pathlib import Path

import pytest

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
