"""Every version this cluster is made of, in one place."""

from dataclasses import dataclass

# The newest Kubernetes that still runs on a cgroup v1 node with the containerd 1.6 of Debian 12.
KUBERNETES = "v1.35.4"
# A node image belongs to the release of kind that it was made for, hence the digest: release notes of kind v0.33.0.
# Of its images the one with the minor of KUBERNETES.
KIND = "v0.33.0"
KIND_NODE_IMAGE = (
    "docker.io/kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0"
)

# Debian packages: what the node itself needs (busybox for tests: its shell is one of those that images bring), and what
# only image building needs.
NODE_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "iptables",
    "conntrack",
    "openssl",
    "iproute2",
    "catatonit",
    "busybox",
)
IMAGE_PACKAGES = ("debootstrap", "buildah", "python3-venv")


@dataclass(frozen=True)
class GoTool:
    """One program built from a Go module of its own, so that its dependencies meet nobody else's."""

    name: str
    package: str
    version: str


GO_TOOLS = (
    GoTool("etcd", "go.etcd.io/etcd/server/v3", "v3.6.5"),
    GoTool("coredns", "github.com/coredns/coredns", "v1.12.4"),
    GoTool("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    GoTool("kind", "sigs.k8s.io/kind", KIND),
)
# What a node image of kind needs besides, where it is made here.
CRICTL = GoTool("crictl", "sigs.k8s.io/cri-tools/cmd/crictl", "v1.34.0")
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
