"""The node's container: what Docker says of it, and what is done inside it."""

import re
import shlex
from dataclasses import dataclass

from cluster.commands import run, succeeds, tail
from cluster.errors import ClusterError
from cluster.kind.state import Node, parse_node
from cluster.layout import KIND_POD_CIDR
from cluster.waiting import wait_until

CONTAINER = "kubernel-control-plane"
MANIFESTS = "/etc/kubernetes/manifests"
# Components that the kubelet runs from a manifest end when it is moved away; the others are services of systemd.
STATIC_PODS = {
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "controller-manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
SERVICES = ("kubelet", "containerd")
# The name of a process is no longer than this: Linux cuts it.
NAME_LENGTH = 15
JOURNAL_LINES = 2000
# A line of a Kubernetes program (E1125 13:01:02.345678 321 file.go:1] ...), of containerd or of systemd.
COMPLAINT = re.compile(r"\b[EF]\d{4} [\d:.]+\s+\d+ (?P<said>.*)|\blevel=(?:error|fatal) .*|\b[Ff]ailed to .*")
COMPLAINT_LENGTH = 300  # some name a whole object
NUMBERS = re.compile(r"[0-9a-f-]{8,}|\d+")


@dataclass(frozen=True)
class StaticPod:
    """A component that the kubelet runs from a manifest, by the name of its program."""

    program: str

    @property
    def stop(self) -> str:
        """A shell's line that kills it, as a fault would, and succeeds once the kubelet has given it up.

        Until the kubelet has seen that the manifest is gone it may start the program again, hence the repetition.
        """
        manifest = shlex.quote(f"{MANIFESTS}/{self.program}.yaml")
        return (
            f"if [ -e {manifest} ]; then mv {manifest} /etc/kubernetes/; fi; "
            f"pkill -KILL -x {self.program[:NAME_LENGTH]}; "
            f'[ -z "$(crictl pods --quiet --state Ready --name {self.program})" ]'
        )

    @property
    def start(self) -> str:
        """A shell's line that lets the kubelet start it again."""
        manifest = shlex.quote(f"/etc/kubernetes/{self.program}.yaml")
        return f"if [ -e {manifest} ]; then mv {manifest} {MANIFESTS}/; fi"


@dataclass(frozen=True)
class Service:
    """A component that systemd runs."""

    name: str

    @property
    def stop(self) -> str:
        """A shell's line; killed alone, systemd would start it again at once."""
        return f"systemctl kill --signal=KILL {self.name}; systemctl stop {self.name}"

    @property
    def start(self) -> str:
        """A shell's line that succeeds once it is active."""
        return f"systemctl start {self.name} && systemctl is-active --quiet {self.name}"


def component(name: str) -> StaticPod | Service:
    """Returns the component of that name.

    Raises:
        ClusterError: there is none.
    """
    if name in STATIC_PODS:
        return StaticPod(STATIC_PODS[name])
    if name in SERVICES:
        return Service(name)
    raise ClusterError(f"kind cannot stop or start {name}; use one of: {', '.join([*STATIC_PODS, *SERVICES])}")


def stop(name: str) -> None:
    """Ends a component and waits until it is gone."""
    chosen = component(name)
    wait_until(f"the end of {name}", lambda: succeeds(_inside(chosen.stop)))


def start(name: str) -> None:
    """Starts a component again."""
    run(_inside(component(name).start))


def refuse_absent_pods() -> None:
    """Makes the node answer for pods that are gone, as a node with a bridge does by itself.

    Their addresses would lead to the default route, out of the node and, by our routes, back into it, where Linux drops
    such packets without a word. A client that connects to a Service in the second after its pod's end could then wait
    for that pod for two minutes, although there is another one.
    """
    run(_inside(f"ip route replace unreachable {KIND_POD_CIDR} metric 4096"))


def inspect() -> Node | None:
    """Returns the node's container, or None."""
    # By a listing, because `docker inspect` of what is absent fails as it does when the engine is down.
    ids = run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"name=^/?{CONTAINER}$"]).split()
    return parse_node(run(["docker", "inspect", *ids])) if ids else None


def containers() -> str:
    """Returns a listing of the containers in the node."""
    return run(["docker", "exec", CONTAINER, "crictl", "ps"])


def last_words() -> str:
    """Returns what the kubelet of a node that does not become ready complains about."""
    try:
        journal = run(["docker", "exec", CONTAINER, "journalctl", "--no-pager", f"--lines={JOURNAL_LINES}"])
    except ClusterError as error:
        return str(error)
    return complaints(journal)


def complaints(journal: str, lines: int = 10) -> str:
    """Returns the last different errors in a journal, or its end when it has none.

    The kubelet says the same every few seconds, with other numbers in it.
    """
    different: dict[str, str] = {}
    for line in journal.splitlines():
        if found := COMPLAINT.search(line):
            said = found["said"] or found[0]
            key = NUMBERS.sub("", said)[:120]
            different.pop(key, None)
            different[key] = said[:COMPLAINT_LENGTH]
    return "\n".join(list(different.values())[-lines:]) or tail(journal)


def _inside(line: str) -> list[str]:
    return ["docker", "exec", CONTAINER, "sh", "-c", line]
