"""The development cluster in a Docker container, by kind (https://kind.sigs.k8s.io)."""

import json
import os
import shutil
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import audit, images, tools
from cluster.commands import run, run_visibly, succeeds
from cluster.errors import ClusterError
from cluster.kind import node, routes, state
from cluster.layout import KIND_POD_CIDR, KIND_SERVICE_CIDR, Layout
from cluster.locking import locked
from cluster.progress import say, step
from cluster.versions import KIND, KIND_NODE_IMAGE
from cluster.waiting import wait_until

NAME = "kubernel"


@dataclass(frozen=True)
class KindCluster:
    """The commands of `python3 tests/cluster` for kind."""

    layout: Layout

    @property
    def kubeconfig(self) -> Path:
        """A file of its own: the developer's kubeconfig stays as it is."""
        return self.layout.kind / "admin.conf"

    @property
    def audit_log(self) -> Path:
        """The node writes it through a mount."""
        return self._shared / "logs" / "audit.log"

    def up(self) -> None:
        """Creates the cluster, or takes up the one that is there if it is whole, up to date and comes to work."""
        require_docker()
        tools.require(self.layout, "kubectl")
        with locked(self.layout.kind):
            self.prepare()
            found = node.inspect()
            state.require_ours(found, self._shared)
            todo, why = state.decide(found, self._read_stamp(), self._made_from())
            if todo in {state.Step.CREATE, state.Step.REMAKE} or not self._take_up(todo):
                self._create(found, why or "it does not become ready")
            node.refuse_absent_pods()
            if found := node.inspect():
                routes.ensure(found.address)
        say(f"The cluster is up: export KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """Deletes the cluster."""
        require_docker()
        with locked(self.layout.kind):
            found = node.inspect()
            state.require_ours(found, self._shared)
            if found:
                routes.remove(found.address)
            with step("deleting the kind cluster"):
                self._kind("delete", "cluster", "--name", NAME, "--kubeconfig", self.kubeconfig)
            self._stamp.unlink(missing_ok=True)
            self.audit_log.unlink(missing_ok=True)

    def images(self, names: Sequence[str]) -> None:
        """Builds and loads; Docker's own cache finds out what has changed."""
        chosen = images.select(names)
        require_up()
        with locked(self.layout.kind, "images.lock"):
            for image in chosen:
                pull(images.base_image((self.layout.repo / image.dockerfile).read_text()))
                with step(image.reference):
                    build(image, self.layout.repo)
                    self._load(image.reference)

    def load(self, images: Sequence[str]) -> None:
        """Loads images of the Docker engine, or docker-archives."""
        require_up()
        for image in images:
            with step(f"loading {image}"):
                self._load(image)

    def stop(self, name: str) -> None:
        """Kills one component, as a fault would, and waits until it is gone."""
        with locked(self.layout.kind):
            node.stop(name)

    def start(self, name: str) -> None:
        """Starts one component again, and waits until the cluster works."""
        with locked(self.layout.kind):
            node.start(name)
            self._await_ready()

    def status(self) -> str:
        """Returns what the node's containers are doing."""
        return node.containers()

    @property
    def _shared(self) -> Path:
        """The one folder that the node sees: neither keys nor the rest of the state are in it."""
        return self.layout.kind / "node"

    @property
    def _stamp(self) -> Path:
        return self.layout.kind / "made-from.json"

    def prepare(self) -> None:
        """Writes what the node mounts."""
        self.audit_log.parent.mkdir(parents=True, exist_ok=True)
        (self._shared / audit.FILE).write_text(audit.policy())
        # The API server runs as root and makes its log for root alone. One that is there keeps its owner and rights.
        self.audit_log.touch(mode=0o644)

    def configuration(self) -> str:
        """Returns kind's configuration for this machine."""
        return configure(template(), self._shared, state.node_image(os.environ, KIND_NODE_IMAGE))

    def _made_from(self) -> str:
        return state.made_from(self.configuration(), audit.policy())

    def _read_stamp(self) -> state.Stamp | None:
        return state.parse_stamp(self._stamp.read_text()) if self._stamp.exists() else None

    def _take_up(self, todo: state.Step) -> bool:
        """Returns whether the cluster that is there works, after starting it where it has stopped."""
        if todo is state.Step.KEEP and self._is_ready():
            return True
        with step("starting the kind cluster again"):
            if todo is not state.Step.KEEP:
                run(["docker", str(todo), node.CONTAINER])
            self._kind("export", "kubeconfig", "--name", NAME, "--kubeconfig", self.kubeconfig)
            try:
                self._await_ready()
            except ClusterError:
                return False
        return True

    def _create(self, found: state.Node | None, why: str) -> None:
        """Creates the cluster, in the place of one that is of no use."""
        if found:
            say(f"  The kind cluster that is there is made anew: {why}.")
            with step("deleting the kind cluster"):
                self._kind("delete", "cluster", "--name", NAME, "--kubeconfig", self.kubeconfig)
        self._stamp.unlink(missing_ok=True)
        pull(state.node_image(os.environ, KIND_NODE_IMAGE))
        file = self.layout.kind / "kind.yaml"
        file.write_text(self.configuration())
        with step("kind cluster"):
            try:
                # --retain: of a node that is deleted at once nobody learns what was wrong.
                self._kind("create", "cluster", "--retain", "--config", file, "--kubeconfig", self.kubeconfig)
                self._await_ready()
            except ClusterError as error:
                raise ClusterError(failure(str(error), node.last_words())) from error
        if made := node.inspect():
            self._stamp.write_text(state.format_stamp(state.Stamp(made.id, self._made_from())))

    def _await_ready(self) -> None:
        wait_until("the kind cluster", self._is_ready, _require_running)

    def _is_ready(self) -> bool:
        """Returns whether the API server, the node and the ServiceAccount that pods need are ready."""
        kubectl: list[str | Path] = [
            tools.require(self.layout, "kubectl"),
            "--kubeconfig",
            self.kubeconfig,
            "--request-timeout=5s",
        ]
        return (
            succeeds([*kubectl, "get", "--raw=/readyz"])
            and succeeds([*kubectl, "wait", "--for=condition=Ready", "node", "--all", "--timeout=0"])
            and succeeds([*kubectl, "get", "--namespace=default", "serviceaccount", "default"])
        )

    def _load(self, image: str) -> None:
        what = "image-archive" if image.endswith(".tar") else "docker-image"
        self._kind("load", what, image, "--name", NAME)

    def _kind(self, *arguments: str | Path) -> None:
        run([find_kind(self.layout), *arguments])


def template() -> str:
    """Returns the text of kind.yaml."""
    return Path(__file__).with_name("kind.yaml").read_text()


def configure(text: str, folder: Path, node_image: str) -> str:
    """Returns kind's configuration.

    Args:
        text: of kind.yaml.
        folder: what the node sees as /kubernel.
        node_image: the node's image.
    """
    values = {
        "FOLDER": str(folder),
        "NODE_IMAGE": node_image,
        "POD_CIDR": KIND_POD_CIDR,
        "SERVICE_CIDR": KIND_SERVICE_CIDR,
    }
    # In quotes, and those of JSON are YAML's: a folder may have any name.
    return string.Template(text).substitute({name: json.dumps(value) for name, value in values.items()})


def failure(error: str, last_words: str) -> str:
    """Returns what to say of a cluster that did not come up."""
    return (
        f"{error}\n\nWhat the node says:\n{last_words}\n\n"
        f"The node is still there for a look (docker exec -it {node.CONTAINER} bash);\n"
        "`up` makes a new one, `down` removes it."
    )


def find_kind(layout: Layout) -> Path:
    """Returns kind: the one on the PATH if it is new enough for the node image, else one built here."""
    found = shutil.which("kind")
    if found and state.is_supported(run([found, "version"]), KIND):
        return Path(found)
    try:
        tools.ensure(layout.bin, ["kind"])
    except ClusterError as error:
        raise ClusterError(f"kind {KIND} or newer is needed (https://kind.sigs.k8s.io).\n{error}") from error
    return layout.bin / "kind"


def pull(image: str) -> None:
    """Pulls an image that the engine does not have, and shows how far it is: it may be hundreds of megabytes."""
    if not succeeds(["docker", "image", "inspect", image]):
        say(f"  pulling {image}")
        run_visibly(["docker", "pull", image])


def build(image: images.Image, repo: Path) -> None:
    """Builds an image with the checkout as its context."""
    where = [f"--file={repo / image.dockerfile}", f"--tag={image.reference}", str(repo)]
    # Without a value Docker takes that of the environment: a mirror of the package index, where there is one.
    mirror = ["--build-arg=PIP_INDEX_URL"] if "PIP_INDEX_URL" in os.environ and image.requirements else []
    # buildx adds attestations, which make an image an index of several, and kind cannot load those into a node
    # (kubernetes-sigs/kind#3795). By a variable, because engines without buildx do not know the option.
    run(["docker", "build", "--quiet", *mirror, *where], env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})


def require_docker() -> None:
    """Raises ClusterError when no Docker engine answers."""
    if not succeeds(["docker", "info"]):
        raise ClusterError(
            "KUBERNEL_CLUSTER=kind needs a Docker engine, and `docker info` does not reach one. Start it,\n"
            "or choose another cluster: KUBERNEL_CLUSTER=native|current."
        )


def require_up() -> None:
    """Raises ClusterError when there is no running cluster to work with."""
    require_docker()
    found = node.inspect()
    if found is None or found.status != "running":
        raise ClusterError("The kind cluster does not run; start it with `make cluster`.")


def _require_running() -> None:
    found = node.inspect()
    if found is None or found.status != "running":
        raise ClusterError("The node's container ended.")
