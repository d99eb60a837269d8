"""The images inside the native cluster's containerd."""

import shutil
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from cluster import archive
from cluster.commands import run
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.native.configuration import PAUSE_IMAGE

KEY_LABEL = "kubernel.dev/made-from"


def ctr(layout: Layout, *arguments: str | Path) -> str:
    """Runs containerd's own client in the namespace that Kubernetes uses."""
    return run(["ctr", "--address", layout.containerd_socket, "--namespace", "k8s.io", *arguments])


def made_from(layout: Layout, image: str) -> str | None:
    """Returns the key of what the loaded image was made from; None when it is absent or was loaded without one."""
    return parse_label(ctr(layout, "images", "list", f"name=={image}"), KEY_LABEL)


def parse_label(listing: str, label: str) -> str | None:
    """Returns the label's value in the last column of a listing of one image."""
    for line in listing.splitlines()[1:]:
        pairs = (pair.partition("=") for pair in line.split()[-1].split(","))
        return next((value for name, _, value in pairs if name == label), None)
    return None


def import_archive(layout: Layout, file: Path) -> None:
    """Imports a docker-archive under the name it carries."""
    ctr(layout, "images", "import", file)


def import_layout(layout: Layout, folder: Path) -> None:
    """Imports an OCI layout, without the layers that are there already.

    After a change of our own sources that is all but one of them: half a second instead of five. containerd may just be
    collecting what only an image had whose name went to another one; then all layers are imported.
    """
    present = set(ctr(layout, "content", "list", "--quiet").split())
    try:
        import_blobs(layout, folder, present)
    except ClusterError:
        import_blobs(layout, folder, ())


def import_blobs(layout: Layout, folder: Path, present: Collection[str]) -> None:
    """Imports an OCI layout, without the blobs whose digests are present."""
    file = folder.with_suffix(".tar")
    with tarfile.open(file, "w") as tar:
        for path in ("oci-layout", "index.json", *absent_blobs(folder, present)):
            tar.add(folder / path, arcname=path)
    ctr(layout, "images", "import", file)


def absent_blobs(folder: Path, present: Collection[str]) -> list[str]:
    """Returns the paths of the layout's blobs whose digests are not present, in the order of their names."""
    digests = (f"sha256:{blob.name}" for blob in sorted((folder / "blobs" / "sha256").iterdir()))
    return [f"blobs/{digest.replace(':', '/')}" for digest in digests if digest not in present]


def label(layout: Layout, image: str, key: str) -> None:
    """Remembers what the image was made from; after the import, so that only a complete one says so."""
    ctr(layout, "images", "label", image, f"{KEY_LABEL}={key}")


def ensure_pause(layout: Layout) -> None:
    """Makes and loads the image that holds every pod's namespaces; Debian's catatonit is a static program for that."""
    if made_from(layout, PAUSE_IMAGE) is not None:
        return
    with tempfile.TemporaryDirectory(dir=layout.state) as scratch:
        root = Path(scratch) / "root"
        root.mkdir()
        shutil.copy("/usr/bin/catatonit", root / "pause")
        file = Path(scratch) / "pause.tar"
        archive.pack(root, PAUSE_IMAGE, file, entrypoint=("/pause", "-P"))
        import_archive(layout, file)
    label(layout, PAUSE_IMAGE, "catatonit")


def remove_containers(layout: Layout) -> None:
    """Forgets the containers of an earlier cluster, whose processes are gone."""
    containers: Sequence[str] = ctr(layout, "containers", "list", "--quiet").split()
    if containers:
        ctr(layout, "containers", "delete", *containers)
