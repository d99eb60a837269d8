"""A one-node Kubernetes out of plain processes, for a machine without a Docker engine."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import audit, tools
from cluster.commands import succeeds, tail
from cluster.errors import ClusterError
from cluster.images import select
from cluster.layout import Layout
from cluster.locking import locked
from cluster.native import api, builder, configuration, debian, leftovers, network, pki, ports, store
from cluster.native.components import components, kubeconfig_of
from cluster.processes import (
    Component,
    Process,
    find,
    fingerprint,
    has_fingerprint,
    is_alive,
    kill,
    list_processes,
    start,
    stop,
)
from cluster.progress import say, step
from cluster.versions import NODE_PACKAGES
from cluster.waiting import wait_until

NODE_BUILDS = ("kubernetes", "etcd", "coredns")


@dataclass(frozen=True)
class NativeCluster:
    """The commands of `python3 tests/cluster` for the native cluster."""

    layout: Layout

    @property
    def kubeconfig(self) -> Path:
        """Where the administrator's kubeconfig is."""
        return self.layout.kubeconfig

    @property
    def audit_log(self) -> Path:
        """Where the API server's audit log is."""
        return self.layout.audit_log

    def up(self) -> None:
        """Starts whatever does not run yet, or runs with other flags than it should."""
        require_linux_root()
        with locked(self.layout.state):
            _prepare(self.layout)
            _start_all(self.layout)
        say(f"The cluster is up: export KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """Ends the cluster and everything in it; certificates, images and logs stay for the next one."""
        require_linux_root()
        if not self.layout.state.exists():
            return
        with locked(self.layout.state):
            for component in reversed(components(self.layout)):
                _stop(self.layout, component)
            with step("removing containers, links and mounts"):
                leftovers.remove(self.layout)

    def stop(self, name: str) -> None:
        """Kills one component, as a fault would; asked nicely, an API server with watchers takes 10 s to end."""
        with locked(self.layout.state):
            if process := running(self.layout, self._component(name)):
                kill([process])

    def start(self, name: str) -> None:
        """Starts one component again, and waits until it works."""
        with locked(self.layout.state):
            component = self._component(name)
            if running(self.layout, component) is None:
                _start(self.layout, [component])
            _await(self.layout, name)

    def status(self) -> str:
        """Returns one line per component, and whether the node is Ready."""
        lines = [_status_line(self.layout, component) for component in components(self.layout)]
        node = "Ready" if api.node_is_ready(self.layout) else "not ready"
        return "\n".join([*lines, f"{'node':<20} {node}"])

    def images(self, names: Sequence[str]) -> None:
        """Builds the named images, or all, and loads those that changed."""
        chosen = select(names)
        require_linux_root()
        require_up(self.layout)
        # A lock of its own: builds take minutes, in which others may want to stop or start components.
        with locked(self.layout.state, "images.lock"):
            builder.ensure(self.layout, chosen)

    def load(self, images: Sequence[str]) -> None:
        """Loads images of our buildah store, or docker-archives."""
        require_up(self.layout)
        for image in images:
            with step(f"loading {image}"):
                builder.load(self.layout, image)

    def _component(self, name: str) -> Component:
        known = {component.name: component for component in components(self.layout)}
        if name not in known:
            raise ClusterError(f"There is no component {name}; use one of: {', '.join(known)}")
        return known[name]


def require_linux_root() -> None:
    """Raises ClusterError when this cannot be the host of a native cluster."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError("The native cluster runs only on Linux as root; use KUBERNEL_CLUSTER=kind or =current.")


def running(layout: Layout, component: Component) -> Process | None:
    """Returns the component's process, or None."""
    return find(component, layout.state, list_processes())


def require_up(layout: Layout) -> None:
    """Raises ClusterError when there is no running cluster to work with."""
    if not api.is_ready(layout):
        raise ClusterError("The cluster does not answer; start it with `make cluster`.")


def _prepare(layout: Layout) -> None:
    with step("Debian packages"):
        debian.install(NODE_PACKAGES)
    tools.ensure(layout.bin, NODE_BUILDS)
    everything = components(layout)
    processes = list_processes()
    if not any(find(component, layout.state, processes) for component in everything):
        # Nothing runs: whatever is there belongs to a cluster that a reboot, a crash or an interrupt has ended.
        with step("clearing what an earlier cluster left"):
            leftovers.remove(layout)
            shutil.rmtree(layout.logs, ignore_errors=True)
    with step("certificates and configuration"):
        _write_configuration(layout)
    with step("network"):
        network.ensure(dual=layout.is_dual)


def _write_configuration(layout: Layout) -> None:
    layout.logs.mkdir(exist_ok=True)
    pki.ensure(layout)
    users = ["admin", *(component.user for component in components(layout) if component.user)]
    texts = {kubeconfig_of(layout, user): configuration.kubeconfig(layout.pki, user) for user in users}
    for path, text in {**texts, **configuration.files(layout), layout.state / audit.FILE: audit.policy()}.items():
        write_if_changed(path, text)


def write_if_changed(path: Path, text: str) -> None:
    """Writes a file at once and only when it changes: kube-proxy watches its own, and ends when it is written to."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def _start_all(layout: Layout) -> None:
    """Starts in two waves: what the others need, then the others."""
    everything = components(layout)
    needed, others = everything[:3], everything[3:]
    with step("etcd, containerd, API server"):
        fresh = _start(layout, _outdated(layout, everything, needed))
        _await(layout, "containerd")
        if "containerd" in fresh and "etcd" in fresh:
            store.remove_containers(layout)
        store.ensure_pause(layout)
        _await(layout, "apiserver")
    with step("controllers, kubelet, kube-proxy, CoreDNS"):
        _start(layout, _outdated(layout, everything, others))
    with step("node ready"):
        _await(layout, "kubelet")
        wait_until("the ServiceAccount of namespace default", lambda: api.accepts_pods(layout), _guard(layout, others))


def _outdated(layout: Layout, everything: Sequence[Component], wanted: Sequence[Component]) -> list[Component]:
    """Returns those of the wanted components that do not run as they should, and ends them."""
    processes = list_processes()
    outdated = []
    for component in wanted:
        process = find(component, layout.state, processes)
        if process and has_fingerprint(process, fingerprint(component)):
            continue
        if process:
            stop(process)
        outdated.append(component)
    return outdated


def _start(layout: Layout, wanted: Sequence[Component]) -> set[str]:
    ports.require_free(wanted)
    for component in wanted:
        start(component, layout.logs / f"{component.name}.log")
    return {component.name for component in wanted}


def _stop(layout: Layout, component: Component) -> None:
    if process := running(layout, component):
        with step(f"stopping {component.name}"):
            stop(process)


def _await(layout: Layout, name: str) -> None:
    """Waits until the component does its work, as far as that can be seen from outside."""
    checks: dict[str, Callable[[], bool]] = {
        "containerd": lambda: succeeds(["ctr", "--address", layout.containerd_socket, "version"]),
        "apiserver": lambda: api.is_ready(layout),
        "kubelet": lambda: api.node_is_ready(layout),
    }
    if name in checks:
        named = [component for component in components(layout) if component.name == name]
        wait_until(name, checks[name], _guard(layout, named))


def _guard(layout: Layout, wanted: Sequence[Component]) -> Callable[[], None]:
    """Returns a function that raises ClusterError, with the end of its log, when one of these has died."""

    def check() -> None:
        processes = list_processes()
        for component in wanted:
            if find(component, layout.state, processes) is None:
                log = layout.logs / f"{component.name}.log"
                raise ClusterError(
                    f"{component.name} ended. The end of {log}:\n{tail(log.read_text(errors='replace'))}"
                )

    return check


def _status_line(layout: Layout, component: Component) -> str:
    process = running(layout, component)
    state = f"runs, pid {process.pid}" if process and is_alive(process) else "does not run"
    return f"{component.name:<20} {state:<24} {layout.logs / component.name}.log"
