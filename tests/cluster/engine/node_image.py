"""A node image of kind from this machine's own programs and packages, for where no image registry can be reached.

`kind build node-image` takes a tar file as Kubernetes' release process makes it. It pulls the images that are not in
there, so here all of them are. Real are kind, systemd, kubeadm, kubelet, kube-proxy and the static pods; kind's network
and volume plugins are stand-ins.
"""

import hashlib
import json
import platform
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cluster import archive, images, tools
from cluster.commands import run
from cluster.engine.docker import Docker
from cluster.layout import Layout
from cluster.native import bases, buildah
from cluster.progress import step
from cluster.versions import CRICTL, GO_TOOLS, KIND, KUBERNETES

HERE = Path(__file__).parent
NAME = "localhost/kubernel/kind-node"
BUILDS = ("kubernetes", "kubeadm", "etcd", "coredns", "kind", "crictl")
# What runs in pods; kubeadm and the kubelet run on the node itself.
POD_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "coredns")
STAND_INS = ("kindnetd", "local-path-provisioner")
NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl")
# The archives that kind looks for. All images are in the first; the others only have to be there.
ARCHIVES = ("kube-apiserver.tar", "kube-controller-manager.tar", "kube-scheduler.tar", "kube-proxy.tar")
# Pods of these images name no command.
ENTRYPOINTS = {
    "coredns": ("/usr/local/bin/coredns",),
    "pause": ("/usr/bin/catatonit", "-P"),
    "kindnetd": ("/usr/local/bin/kindnetd",),
}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def ensure(layout: Layout, docker: Docker) -> str:
    """Returns the name of the node image, after making it and what images of ours are based on, where it is absent."""
    for image in images.IMAGES:
        _ensure_base(layout, docker, image)
    name = f"{NAME}:{recipe(bases.recipe(layout, 'debian'))}"
    if docker.has(name):
        return name
    tools.ensure(layout.bin, BUILDS)
    sources = tools.source_folder("sigs.k8s.io/kind", KIND)
    (layout.engine / "scratch").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.engine / "scratch") as scratch:
        with step("node image: systemd and containerd"):
            _build_node_base(layout, docker, sources, Path(scratch))
        with step("node image: Kubernetes' images"):
            names = image_names(_required(layout, sources))
            _build_components(layout, docker, names, Path(scratch))
        with step("node image: packing"):
            server = _pack(layout, docker, names, Path(scratch))
        with step("node image: kind build node-image"):
            options = ("--type=file", f"--base-image={NAME}-base", f"--image={name}")
            environment = {**docker.environment, "TMPDIR": scratch}
            run(["nice", layout.bin / "kind", "build", "node-image", *options, server], env=environment)
    return name


def recipe(base: str) -> str:
    """Returns a digest of what the node image is made from.

    Args:
        base: digest of what its Debian is made from.
    """
    digest = hashlib.sha256(f"{base} {KUBERNETES} {KIND} {CRICTL} {GO_TOOLS} {ENTRYPOINTS}".encode())
    for file in ("node.Dockerfile", "components.Dockerfile", "ctr", *STAND_INS):
        digest.update((HERE / file).read_bytes())
    return digest.hexdigest()[:16]


def image_names(required: Iterable[str]) -> dict[str, str]:
    """Returns which of our images each image of the cluster is, by its name: that of an entrypoint, or `components`."""
    return {name: _kind_of(name) for name in required}


def named_in(text: str) -> set[str]:
    """Returns the images that a Go source of kind, or a configuration of containerd, has in quotes."""
    return set(re.findall(r'"((?:docker\.io/kindest|registry\.k8s\.io)/[a-z0-9/-]+:[\w.-]+)"', text))


def _kind_of(name: str) -> str:
    program = name.rpartition("/")[2].partition(":")[0]
    return program if program in ENTRYPOINTS else "components"


def _required(layout: Layout, sources: Path) -> set[str]:
    """Returns the images that kubeadm, containerd and kind's manifests name."""
    by_kubeadm = run([layout.bin / "kubeadm", "config", "images", "list", f"--kubernetes-version={KUBERNETES}"])
    files = ("const_cni.go", "const_storage.go")
    texts = [(sources / "pkg" / "build" / "nodeimage" / file).read_text() for file in files]
    texts.append((sources / "images" / "base" / "files" / "etc" / "containerd" / "config.toml").read_text())
    return {*by_kubeadm.split(), *(image for text in texts for image in named_in(text))}


def _ensure_base(layout: Layout, docker: Docker, image: images.Image) -> None:
    """Gives a Debian made here the name of the image of docker.io that an image of ours is based on."""
    wanted = images.base_image((layout.repo / image.dockerfile).read_text())
    certificates = hashlib.sha256(CERTIFICATES.read_bytes()).hexdigest()[:16]
    name = f"localhost/kubernel/trusting-{image.base}:{bases.recipe(layout, image.base)}-{certificates}"
    if not docker.has(name):
        original = bases.ensure(layout, image.base)
        with step(f"base image: {wanted}"), tempfile.TemporaryDirectory(dir=layout.engine) as scratch:
            file = Path(scratch) / "base.tar"
            buildah.export_archive(layout, original, file)
            docker.run("load", f"--input={file}")
            file.unlink()
            shutil.copy(CERTIFICATES, scratch)
            docker.build(HERE / "trusted.Dockerfile", Path(scratch), name, [f"BASE_IMAGE={original}"])
    docker.run("tag", name, wanted)


def _build_node_base(layout: Layout, docker: Docker, sources: Path, scratch: Path) -> None:
    context = scratch / "node"
    shutil.copytree(sources / "images" / "base" / "files", context / "files")
    for program in (layout.bin / "crictl", HERE / "ctr"):
        _copy_program(program, context)
    docker.build(HERE / "node.Dockerfile", context, f"{NAME}-base")


def _build_components(layout: Layout, docker: Docker, names: dict[str, str], scratch: Path) -> None:
    context = scratch / "components"
    for program in (*(layout.bin / name for name in POD_PROGRAMS), *(HERE / name for name in STAND_INS)):
        _copy_program(program, context / "bin")
    docker.build(HERE / "components.Dockerfile", context, f"{NAME}-components")
    for kind, words in ENTRYPOINTS.items():
        dockerfile = f"FROM {NAME}-components\nENTRYPOINT {json.dumps(words)}\n"
        docker.run("build", f"--tag={NAME}-{kind}", "-", stdin=dockerfile)
    for name, kind in names.items():
        docker.run("tag", f"{NAME}-{kind}", name)


def _pack(layout: Layout, docker: Docker, names: dict[str, str], scratch: Path) -> Path:
    """Returns the tar file that `kind build node-image` takes.

    kind asks the archives for their images' names, so as to pull the others, but reads no more than one image's in
    each, or else the file `repositories`. So the three archives that are left have that file, and an image of nothing.
    """
    folder = scratch / "kubernetes" / "server" / "bin"
    for program in NODE_PROGRAMS:
        _copy_program(layout.bin / program, folder)
    (scratch / "kubernetes" / "version").write_text(KUBERNETES)
    docker.run("save", f"--output={folder / ARCHIVES[0]}", *names)
    empty = scratch / "empty"
    empty.mkdir()
    for file in ARCHIVES[1:]:
        archive.pack(empty, f"{NAME}-empty:1", folder / file, announced=sorted(names))
    server = scratch / f"kubernetes-server-linux-{archive.architecture(platform.machine())}.tar.gz"
    with tarfile.open(server, "w:gz", compresslevel=1) as tar:
        tar.add(scratch / "kubernetes", arcname="kubernetes")
    return server


def _copy_program(program: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, folder)
    (folder / program.name).chmod(0o755)
