"""Where the development cluster keeps its files, and the addresses it uses."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

BRIDGE = "kubernel0"
GATEWAY = "10.244.0.1"  # the bridge's own address: node, DNS server and API server as pods see them
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
# The same in IPv6, where KUBERNEL_IP_FAMILIES says that pods and Services have both.
GATEWAY_6 = "fd00:10:244::1"
POD_CIDR_6 = "fd00:10:244::/64"
SERVICE_CIDR_6 = "fd00:10:96::/112"
IPV4, DUAL = "IPv4", "IPv4,IPv6"
# Others than the native cluster's, so that both can run on one machine and routes to each mean one thing.
KIND_POD_CIDR = "10.245.0.0/16"
KIND_SERVICE_CIDR = "10.97.0.0/16"
API_SERVICE = "10.96.0.1"  # Kubernetes gives the first address of the range to the Service "kubernetes"
API_PORT = 6443
ETCD_PORT = 12379  # not 2379: an etcd of the machine's own may live there
ETCD_PEER_PORT = 12380
NODE = "node1"


@dataclass(frozen=True)
class Layout:
    """The three folders everything lives in.

    Args:
        repo: the checkout, where Dockerfiles and requirement files are.
        cache: what is worth keeping for ever: programs, wheels, base images.
        state: what one cluster writes: certificates, logs, etcd, containers.
        families: of the native cluster's addresses: ``IPV4`` or ``DUAL``.
    """

    repo: Path
    cache: Path
    state: Path
    families: str = IPV4

    @property
    def is_dual(self) -> bool:
        """Whether the native cluster's pods and Services have addresses of IPv6, too."""
        return self.families == DUAL

    def of_each_family(self, four: str, six: str) -> str:
        """The value of a flag that takes one for each family."""
        return f"{four},{six}" if self.is_dual else four

    @property
    def bin(self) -> Path:
        """Folder of the programs that tools.py builds."""
        return self.cache / "bin"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "admin.conf"

    @property
    def pki(self) -> Path:
        """Folder of keys and certificates."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """Folder of one log per component."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON object a line."""
        return self.logs / "audit.log"

    @property
    def kind(self) -> Path:
        """Folder of all that the kind cluster writes; the native one's files are beside it."""
        return self.state / "kind"

    @property
    def engine(self) -> Path:
        """Folder of the Docker engine that runs where the machine has none; what it keeps is in the cache."""
        return self.state / "engine"

    @property
    def containerd_socket(self) -> Path:
        """Socket of the cluster's own containerd."""
        return self.state / "containerd.sock"


def find_layout(environ: Mapping[str, str]) -> Layout:
    """Returns the layout of this user, by the XDG base directory rules."""
    home = Path(environ.get("HOME", "~")).expanduser()
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    repo = Path(__file__).resolve().parents[2]
    families = environ.get("KUBERNEL_IP_FAMILIES") or IPV4
    if families not in {IPV4, DUAL}:
        raise ClusterError(
            f"KUBERNEL_IP_FAMILIES={families}: this cluster can be {IPV4} or {DUAL}. With IPv6 alone, or first, it "
            "would start no ipykernels, which cannot listen on `::`."
        )
    return Layout(repo=repo, cache=cache / "kubernel", state=state / "kubernel-cluster", families=families)


def search_path(layout: Layout) -> str:
    """Returns a PATH that finds the built programs first."""
    return f"{layout.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
