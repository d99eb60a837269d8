from pathlib import Path

import pytest

from cluster.engine import node_image
from cluster.engine.node_image import image_names, named_in

KINDNET = 'const kindnetdImage = "docker.io/kindest/kindnetd:v20260820-69b56db7"\n'
STORAGE = """
const storageProvisionerImage = "docker.io/kindest/local-path-provisioner:v20260820-69b56db7"
image: ` + storageProvisionerImage + `
"""
CONTAINERD = '  sandbox_image = "registry.k8s.io/pause:3.10"\n  snapshotter = "overlayfs"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KINDNET, {"docker.io/kindest/kindnetd:v20260820-69b56db7"}),
        (STORAGE, {"docker.io/kindest/local-path-provisioner:v20260820-69b56db7"}),
        (CONTAINERD, {"registry.k8s.io/pause:3.10"}),
    ],
)
def test_the_images_that_kind_would_pull_are_found_in_its_sources(text: str, expected: set[str]) -> None:
    assert named_in(text) == expected


def test_pods_without_a_command_get_an_image_with_an_entrypoint() -> None:
    required = [
        "registry.k8s.io/coredns/coredns:v1.13.1",
        "registry.k8s.io/pause:3.10.1",
        "registry.k8s.io/etcd:3.6.6-0",
    ]
    assert list(image_names(required).values()) == ["coredns", "pause", "components"]
    assert image_names(["docker.io/kindest/kindnetd:v1"]) == {"docker.io/kindest/kindnetd:v1": "kindnetd"}


def test_another_dockerfile_makes_another_node_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node_image.recipe("bookworm")
    assert node_image.recipe("trixie") != before
    for file in node_image.HERE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(node_image, "HERE", tmp_path)
    assert node_image.recipe("bookworm") == before
    (tmp_path / "kindnetd").write_text("another one")
    assert node_image.recipe("bookworm") != before
