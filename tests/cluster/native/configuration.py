"""The configuration files of the native cluster's components, as text. JSON is YAML, so most of them are JSON."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from cluster.layout import API_PORT, BRIDGE, GATEWAY, NODE, POD_CIDR, POD_CIDR_6, Layout

PAUSE_IMAGE = "localhost/kubernel/pause:1"
# Also the prefix of the files that the CNI library caches outside our folders, by which `down` finds them.
CNI_NETWORK = "kubernel"
CNI_PLUGINS = "/usr/lib/cni"  # where Debian's containernetworking-plugins puts them


def files(layout: Layout) -> Mapping[Path, str]:
    """Returns the text of every configuration file that needs no key."""
    return {
        layout.state / "containerd.toml": containerd(layout),
        layout.state / "cni" / "10-kubernel.conflist": cni(layout),
        layout.state / "kubelet.json": kubelet(layout),
        layout.state / "proxy.json": proxy(layout),
        layout.state / "Corefile": corefile(layout),
    }


def containerd(layout: Layout) -> str:
    """Returns containerd's configuration.

    restrict_oom_score_adj: a container host without CAP_SYS_RESOURCE cannot lower oom_score_adj.
    netns_mounts_under_state_dir and Root: everything containerd mounts or writes is below our folder, so that `down`
    finds it. The `opt` plugin is off because it would make /opt/containerd.
    """
    folder = layout.state / "containerd"
    return f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "{layout.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{layout.state}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{folder}/runc"
SystemdCgroup = false
"""


def cni(layout: Layout) -> str:
    """Returns the pod network: one bridge, addresses given out from a folder of ours."""
    networks = {POD_CIDR: "0.0.0.0/0", **({POD_CIDR_6: "::/0"} if layout.is_dual else {})}
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,  # a pod that calls the Service it is behind
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(layout.state / "addresses"),
            "ranges": [[{"subnet": network}] for network in networks],
            "routes": [{"dst": everywhere} for everywhere in networks.values()],
        },
    }
    return _json({"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [bridge]})


def kubelet(layout: Layout) -> str:
    """Returns the kubelet's configuration.

    Its timings (relist, syncFrequency) stay at their defaults: the benchmarks are about them.
    cgroupfs and failCgroupV1: it must run without systemd, and on either version of cgroups.
    makeIPTablesUtilChains: nothing needs those chains with kube-proxy in nftables mode, and `down` would have to go.
    evictionHard: percentages for a developer's nearly full disk, not for a server's.
    """
    pki = layout.pki
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": GATEWAY,
            "healthzPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet-server.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "maxPods": 250,
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "imageGCHighThresholdPercent": 100,  # images come from here, not from a registry: never throw one away
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            "serializeImagePulls": False,
            "clusterDomain": "cluster.local",
            "clusterDNS": [GATEWAY],
            "resolvConf": "",
        }
    )


def proxy(layout: Layout) -> str:
    """Returns kube-proxy's configuration; maxPerCore 0 because the machine's conntrack limits are not ours to set."""
    return _json(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(layout.state / "proxy.conf")},
            "hostnameOverride": NODE,
            "conntrack": {"maxPerCore": 0},
            "clusterCIDR": layout.of_each_family(POD_CIDR, POD_CIDR_6),
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
        }
    )


def corefile(layout: Layout) -> str:
    """Returns CoreDNS's configuration: the cluster's own names, and "no such name" for the rest of the world.

    The `template` plugin answers before `kubernetes` in the same zone, hence the zone of its own.
    """
    return f"""\
cluster.local:53 in-addr.arpa:53 {{
    bind {GATEWAY}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {layout.state}/coredns.conf
        ttl 5
    }}
}}
.:53 {{
    bind {GATEWAY}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


def kubeconfig(pki: Path, user: str) -> str:
    """Returns a kubeconfig that carries its own certificates, so that it can be copied anywhere."""
    cluster = {
        "server": f"https://127.0.0.1:{API_PORT}",
        "certificate-authority-data": _base64(pki / "ca.crt"),
    }
    credentials = {
        "client-certificate-data": _base64(pki / f"{user}.crt"),
        "client-key-data": _base64(pki / f"{user}.key"),
    }
    return _json(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernel", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "kubernel", "context": {"cluster": "kubernel", "user": user}}],
            "current-context": "kubernel",
        }
    )


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"
