"""The development cluster in a Docker container, by kind (https://kind.sigs.k8s.io)."""

import os
import shutil
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import configuration
from cluster.commands import run, succeeds
from cluster.errors import ClusterError
from cluster.images import Image, select
from cluster.layout import Layout, search_path
from cluster.progress import step
from cluster.versions import KIND_NODE_IMAGE
from cluster.waiting import wait_until

NAME = "kubernel"
NODE_CONTAINER = f"{NAME}-control-plane"
MANIFESTS = "/etc/kubernetes/manifests"
# Components that the kubelet runs from a manifest end when it is moved away; the others are services of systemd.
STATIC_PODS = {
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "controller-manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
SERVICES = ("kubelet", "containerd")

Command = tuple[str, ...]


@dataclass(frozen=True)
class KindCluster:
    """The commands of `python3 tests/cluster` for kind."""

    layout: Layout

    @property
    def kubeconfig(self) -> Path:
        """A file of its own: the developer's kubeconfig stays as it is."""
        return self.layout.state / "kind.conf"

    @property
    def audit_log(self) -> Path:
        """The node writes it through a mount of the state folder."""
        return self.layout.audit_log

    def up(self) -> None:
        """Creates the cluster unless it exists."""
        require_programs("docker", "kind")
        config = self._write_configuration()
        exists = NAME in run(["kind", "get", "clusters"]).split()
        commands = export_commands(self.kubeconfig) if exists else create_commands(config, self.kubeconfig)
        with step("kind cluster"):
            run_all(commands)

    def down(self) -> None:
        """Deletes the cluster."""
        run_all(delete_commands(self.kubeconfig))
        self.audit_log.unlink(missing_ok=True)

    def images(self, names: Sequence[str]) -> None:
        """Builds and loads; Docker's own cache finds out what has changed."""
        for image in select(names):
            with step(image.reference):
                run_all(image_commands(image, self.layout.repo))

    def load(self, images: Sequence[str]) -> None:
        """Loads images of the Docker engine, or docker-archives."""
        run_all([load_command(image) for image in images])

    def stop(self, name: str) -> None:
        """Ends one component, as a fault would."""
        run_all([stop_command(name)])

    def start(self, name: str) -> None:
        """Starts one component again, and waits for the API server."""
        run_all([start_command(name)])
        wait_until("the API server", self._answers)

    def status(self) -> str:
        """Returns what the node's containers are doing."""
        return run(["docker", "exec", NODE_CONTAINER, "crictl", "ps"])

    def _answers(self) -> bool:
        kubectl = shutil.which("kubectl", path=search_path(self.layout)) or "kubectl"
        return succeeds([kubectl, "--kubeconfig", self.kubeconfig, "get", "--raw=/readyz"])

    def _write_configuration(self) -> Path:
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        (self.layout.state / "audit-policy.json").write_text(configuration.audit_policy())
        config = self.layout.state / "kind.yaml"
        config.write_text(configure(template(), self.layout.state))
        return config


def template() -> str:
    """Returns the text of kind.yaml."""
    return Path(__file__).with_name("kind.yaml").read_text()


def configure(text: str, state: Path) -> str:
    """Returns kind's configuration for this state folder."""
    return string.Template(text).substitute(STATE=state, NODE_IMAGE=KIND_NODE_IMAGE)


def create_commands(config: Path, kubeconfig: Path) -> list[Command]:
    """Returns the commands that make the cluster."""
    create = ("kind", "create", "cluster", "--config", str(config), "--kubeconfig", str(kubeconfig), "--wait", "3m")
    return [create]


def export_commands(kubeconfig: Path) -> list[Command]:
    """Returns the commands that find an existing cluster again; Docker may have restarted it meanwhile."""
    start = ("docker", "start", NODE_CONTAINER)
    export = ("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig))
    return [start, export]


def delete_commands(kubeconfig: Path) -> list[Command]:
    """Returns the commands that delete the cluster; to kind, an absent cluster is no error."""
    return [("kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(kubeconfig))]


def image_commands(image: Image, repo: Path) -> list[Command]:
    """Returns the commands that build one image and bring it into the node."""
    build = ("docker", "build", "--file", str(repo / image.dockerfile), "--tag", image.reference, str(repo))
    return [build, load_command(image.reference)]


def load_command(image: str) -> Command:
    """Returns the command that brings an image, or a docker-archive, into the node."""
    what = "image-archive" if image.endswith(".tar") else "docker-image"
    return ("kind", "load", what, image, "--name", NAME)


def stop_command(component: str) -> Command:
    """Returns the command that ends a component."""
    if component in STATIC_PODS:
        return _in_node("mv", f"{MANIFESTS}/{STATIC_PODS[component]}.yaml", "/etc/kubernetes/")
    return _in_node("systemctl", "stop", _service(component))


def start_command(component: str) -> Command:
    """Returns the command that starts a component again."""
    if component in STATIC_PODS:
        return _in_node("mv", f"/etc/kubernetes/{STATIC_PODS[component]}.yaml", f"{MANIFESTS}/")
    return _in_node("systemctl", "start", _service(component))


def run_all(commands: Sequence[Command]) -> None:
    """Runs commands in their order, up to the first that fails."""
    for command in commands:
        run(command)


def require_programs(*names: str) -> None:
    """Raises ClusterError when one of the programs is not installed."""
    for name in names:
        if shutil.which(name, path=os.environ.get("PATH")) is None:
            raise ClusterError(
                f"KUBERNEL_CLUSTER=kind needs {name}, which is not installed; see https://kind.sigs.k8s.io,\n"
                "or choose another cluster: KUBERNEL_CLUSTER=native|current."
            )


def _service(component: str) -> str:
    if component not in SERVICES:
        known = ", ".join([*STATIC_PODS, *SERVICES])
        raise ClusterError(f"kind cannot stop or start {component}; use one of: {known}")
    return component


def _in_node(*words: str) -> Command:
    return ("docker", "exec", NODE_CONTAINER, *words)
