from dataclasses import replace
from pathlib import Path

import pytest

from cluster.layout import DUAL, Layout
from cluster.native.components import components
from cluster.native.configuration import files
from cluster.processes import Component

LAYOUT = Layout(repo=Path("/repo"), cache=Path("/cache"), state=Path("/state"))
COMPONENTS = {component.name: component for component in components(LAYOUT)}


def test_order_of_start() -> None:
    assert list(COMPONENTS) == [
        "etcd",
        "containerd",
        "apiserver",
        "controller-manager",
        "scheduler",
        "kubelet",
        "proxy",
        "coredns",
    ]


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("etcd", "--data-dir=/state/etcd"),
        ("etcd", "--listen-client-urls=http://127.0.0.1:12379"),
        ("apiserver", "--etcd-servers=http://127.0.0.1:12379"),
        ("apiserver", "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement"),
        ("apiserver", "--audit-log-path=/state/logs/audit.log"),
        ("apiserver", "--audit-policy-file=/state/audit-policy.json"),
        ("apiserver", "--authorization-mode=Node,RBAC"),
        ("controller-manager", "--kubeconfig=/state/controller-manager.conf"),
        ("controller-manager", "--leader-elect=false"),
        ("scheduler", "--authorization-kubeconfig=/state/scheduler.conf"),
        ("kubelet", "--config=/state/kubelet.json"),
        ("kubelet", "--node-ip=10.244.0.1"),
        ("proxy", "--config=/state/proxy.json"),
    ],
)
def test_flags(name: str, flag: str) -> None:
    assert flag in COMPONENTS[name].argv


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)
def test_every_command_line_names_the_state_folder(component: Component) -> None:
    """This is how our own processes are told from others; see processes.is_ours."""
    assert any("/state/" in word for word in component.argv[1:])


def test_no_two_components_want_one_port() -> None:
    ports = [endpoint.port for component in COMPONENTS.values() for endpoint in component.listens]
    assert len(ports) == len(set(ports))


def test_a_changed_file_restarts_whoever_reads_it() -> None:
    watched = {path for component in COMPONENTS.values() for path in component.files}
    assert set(files(LAYOUT)) <= watched


def test_a_client_restarts_when_its_kubeconfig_changes() -> None:
    clients = {component.name: component for component in COMPONENTS.values() if component.user}
    assert sorted(clients) == ["controller-manager", "coredns", "kubelet", "proxy", "scheduler"]
    for name, component in clients.items():
        assert Path(f"/state/{name}.conf") in component.files


def test_addresses_of_both_families() -> None:
    dual = replace(LAYOUT, families=DUAL)
    argv = " ".join(word for component in components(dual) for word in component.argv)
    assert "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112" in argv
    assert "--node-ip=10.244.0.1,fd00:10:244::1" in argv
    configured = "".join(files(dual).values())
    assert "10.244.0.0/16,fd00:10:244::/64" in configured
    assert '"::/0"' in configured
    assert "fd00" not in "".join([*files(LAYOUT).values(), *(" ".join(c.argv) for c in components(LAYOUT))])
