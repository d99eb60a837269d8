"""The processes of the native cluster: their command lines, ports and configuration files. Nothing here does I/O."""

from pathlib import Path

from cluster import audit
from cluster.layout import (
    API_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    GATEWAY,
    GATEWAY_6,
    NODE,
    SERVICE_CIDR,
    SERVICE_CIDR_6,
    Layout,
)
from cluster.processes import Component, Endpoint

LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"


def components(layout: Layout) -> tuple[Component, ...]:
    """Returns all components in the order of their start.

    In reverse it is the order of their end: without etcd the API server never finishes its graceful shutdown.
    """
    return (
        etcd(layout),
        containerd(layout),
        apiserver(layout),
        controller_manager(layout),
        scheduler(layout),
        kubelet(layout),
        proxy(layout),
        coredns(layout),
    )


def kubeconfig_of(layout: Layout, user: str) -> Path:
    """Returns the path of a component's kubeconfig."""
    return layout.state / f"{user}.conf"


def etcd(layout: Layout) -> Component:
    """Without fsync: a crash of the machine may lose the cluster, and every write is several times faster."""
    client, peer = f"http://{LOOPBACK}:{ETCD_PORT}", f"http://{LOOPBACK}:{ETCD_PEER_PORT}"
    argv = (
        f"{layout.bin}/etcd",
        "--name=kubernel",
        f"--data-dir={layout.state}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=kubernel={peer}",
        "--unsafe-no-fsync",
    )
    return Component("etcd", argv, (Endpoint(LOOPBACK, ETCD_PORT), Endpoint(LOOPBACK, ETCD_PEER_PORT)))


def containerd(layout: Layout) -> Component:
    """Debian's containerd, beside one that the machine may already run for itself."""
    config = layout.state / "containerd.toml"
    cni = layout.state / "cni" / "10-kubernel.conflist"
    return Component("containerd", ("/usr/bin/containerd", f"--config={config}"), files=(config, cni))


def apiserver(layout: Layout) -> Component:
    """The API server, with an audit log that is never rotated: tests count requests in it.

    A maximum size of 0 means 100 MB to the library behind it, hence the terabyte.
    """
    pki = layout.pki
    policy = layout.state / audit.FILE
    argv = (
        f"{layout.bin}/kube-apiserver",
        f"--etcd-servers=http://{LOOPBACK}:{ETCD_PORT}",
        f"--bind-address={ANY}",
        f"--secure-port={API_PORT}",
        f"--advertise-address={GATEWAY}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={layout.of_each_family(SERVICE_CIDR, SERVICE_CIDR_6)}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=1000000",
    )
    files = (policy, pki / "apiserver.crt", pki / "ca.crt", pki / "service-accounts.key")
    return Component("apiserver", argv, (Endpoint(ANY, API_PORT),), files)


def controller_manager(layout: Layout) -> Component:
    """Every default controller; garbage collection by owner reference among them."""
    argv = (
        f"{layout.bin}/kube-controller-manager",
        *_kubeconfig_flags(layout, "controller-manager"),
        f"--service-account-private-key-file={layout.pki}/service-accounts.key",
        f"--root-ca-file={layout.pki}/ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
    )
    return _client(layout, "controller-manager", argv, (Endpoint(LOOPBACK, 10257),))


def scheduler(layout: Layout) -> Component:
    """The default scheduler."""
    argv = (
        f"{layout.bin}/kube-scheduler",
        *_kubeconfig_flags(layout, "scheduler"),
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
    )
    return _client(layout, "scheduler", argv, (Endpoint(LOOPBACK, 10259),))


def kubelet(layout: Layout) -> Component:
    """The node, under a fixed name and the bridge's address: both survive a change of the machine's own."""
    config = layout.state / "kubelet.json"
    argv = (
        f"{layout.bin}/kubelet",
        f"--config={config}",
        f"--kubeconfig={kubeconfig_of(layout, 'kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={layout.of_each_family(GATEWAY, GATEWAY_6)}",
        f"--root-dir={layout.state}/kubelet",
        "--v=2",
    )
    return _client(layout, "kubelet", argv, (Endpoint(GATEWAY, 10250),), (config,))


def proxy(layout: Layout) -> Component:
    """kube-proxy in nftables mode."""
    config = layout.state / "proxy.json"
    argv = (f"{layout.bin}/kube-proxy", f"--config={config}")
    return _client(layout, "proxy", argv, (Endpoint(LOOPBACK, 10249), Endpoint(LOOPBACK, 10256)), (config,))


def coredns(layout: Layout) -> Component:
    """The DNS server, on the bridge's address instead of a Service: pods are told that address."""
    corefile = layout.state / "Corefile"
    argv = (f"{layout.bin}/coredns", "-conf", str(corefile))
    return _client(layout, "coredns", argv, (Endpoint(GATEWAY, 53),), (corefile,))


def _kubeconfig_flags(layout: Layout, user: str) -> tuple[str, ...]:
    """Controller manager and scheduler also authenticate and authorize callers of their own port."""
    path = kubeconfig_of(layout, user)
    return (f"--kubeconfig={path}", f"--authentication-kubeconfig={path}", f"--authorization-kubeconfig={path}")


def _client(
    layout: Layout,
    name: str,
    argv: tuple[str, ...],
    listens: tuple[Endpoint, ...],
    files: tuple[Path, ...] = (),
) -> Component:
    return Component(name, argv, listens, (*files, kubeconfig_of(layout, name)), user=name)
