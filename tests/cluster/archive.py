"""Packs a root filesystem into a docker-archive, the file format that every container tool reads."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pack(
    root: Path, image: str, target: Path, *, entrypoint: Sequence[str] = (), announced: Sequence[str] = ()
) -> None:
    """Writes an image of one layer.

    Args:
        root: the folder that becomes the image's root.
        image: name and tag.
        target: the file to write.
        entrypoint: the image's ENTRYPOINT.
        announced: images that the file `repositories` names first of all, although they are elsewhere.
    """
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        tar.add(root, arcname=".")
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = image_config(digest, entrypoint)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [image], "Layers": [f"{digest}.tar"]}]
    with tarfile.open(target, "w") as tar:
        if announced:
            _add(tar, "repositories", json.dumps(repositories(announced, digest)).encode())
        _add(tar, config_name, config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        tar.add(layer, arcname=f"{digest}.tar")
    layer.unlink()


def image_config(layer_digest: str, entrypoint: Sequence[str]) -> bytes:
    """Returns the image's configuration, as the OCI image specification has it."""
    machine = {"architecture": architecture(platform.machine()), "os": "linux"}
    process = {"Env": [f"PATH={PATH}"], "Entrypoint": list(entrypoint) or None, "WorkingDir": "/"}
    layers = {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]}
    history = [{"created_by": "kubernel"}]
    return json.dumps({**machine, "config": process, "rootfs": layers, "history": history}).encode()


def repositories(images: Sequence[str], layer: str) -> dict[str, dict[str, str]]:
    """Returns the content of the file `repositories`: a layer by repository and tag."""
    split = [image.rpartition(":") for image in images]
    return {name: {tag: layer for other, _, tag in split if other == name} for name, _, _ in split}


def architecture(machine: str) -> str:
    """Returns a machine's architecture as images call it; macOS says arm64 where Linux says aarch64."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
