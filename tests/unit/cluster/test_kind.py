from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import kind
from cluster.errors import ClusterError
from cluster.images import Image

# The fields that kind documents. Source: kind, pkg/apis/config/v1alpha4/types.go.
CLUSTER_FIELDS = {
    "kind",
    "apiVersion",
    "name",
    "nodes",
    "networking",
    "featureGates",
    "runtimeConfig",
    "kubeadmConfigPatches",
    "kubeadmConfigPatchesJSON6902",
    "containerdConfigPatches",
    "containerdConfigPatchesJSON6902",
}
NODE_FIELDS = {
    "role",
    "image",
    "labels",
    "extraMounts",
    "extraPortMappings",
    "gpus",
    "kubeadmConfigPatches",
    "kubeadmConfigPatchesJSON6902",
}
MOUNT_FIELDS = {"containerPath", "hostPath", "readOnly", "selinuxRelabel", "propagation"}


def configuration() -> dict[str, Any]:
    document = yaml.safe_load(kind.configure(kind.template(), Path("/state")))
    assert isinstance(document, dict)
    return document


def api_server_arguments(patch: dict[str, Any]) -> dict[str, str]:
    """kubeadm's v1beta3 has a map, v1beta4 a list of names and values."""
    arguments = patch["apiServer"]["extraArgs"]
    return arguments if isinstance(arguments, dict) else {one["name"]: one["value"] for one in arguments}


def test_configuration_has_only_documented_fields() -> None:
    document = configuration()
    assert (document["kind"], document["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert set(document) <= CLUSTER_FIELDS
    for node in document["nodes"]:
        assert set(node) <= NODE_FIELDS
        assert node["role"] in {"control-plane", "worker"}
        for mount in node["extraMounts"]:
            assert set(mount) <= MOUNT_FIELDS


def test_configuration_mounts_the_state_folder() -> None:
    (node,) = configuration()["nodes"]
    assert node["extraMounts"] == [{"hostPath": "/state", "containerPath": "/kubernel"}]


def test_both_versions_of_kubeadm_get_the_same_api_server() -> None:
    (node,) = configuration()["nodes"]
    patches = [yaml.safe_load(patch) for patch in node["kubeadmConfigPatches"]]
    assert [patch["apiVersion"] for patch in patches] == ["kubeadm.k8s.io/v1beta3", "kubeadm.k8s.io/v1beta4"]
    expected = {
        "enable-admission-plugins": "NodeRestriction,OwnerReferencesPermissionEnforcement",
        "audit-policy-file": "/kubernel/audit-policy.json",
        "audit-log-path": "/kubernel/logs/audit.log",
        "audit-log-maxsize": "1000000",
    }
    assert [api_server_arguments(patch) for patch in patches] == [expected, expected]
    assert patches[0]["apiServer"]["extraVolumes"] == patches[1]["apiServer"]["extraVolumes"]


def test_the_cluster_is_made_from_our_configuration() -> None:
    assert kind.create_commands(Path("/state/kind.yaml"), Path("/state/kind.conf")) == [
        (
            "kind",
            "create",
            "cluster",
            "--config",
            "/state/kind.yaml",
            "--kubeconfig",
            "/state/kind.conf",
            "--wait",
            "3m",
        ),
    ]


def test_a_stopped_cluster_is_found_again() -> None:
    assert kind.export_commands(Path("/state/kind.conf")) == [
        ("docker", "start", "kubernel-control-plane"),
        ("kind", "export", "kubeconfig", "--name", "kubernel", "--kubeconfig", "/state/kind.conf"),
    ]


def test_deleting() -> None:
    assert kind.delete_commands(Path("/state/kind.conf")) == [
        ("kind", "delete", "cluster", "--name", "kubernel", "--kubeconfig", "/state/kind.conf"),
    ]


def test_an_image_is_built_with_the_checkout_as_context_and_loaded() -> None:
    image = Image("operator", "operator/Dockerfile")
    reference = "localhost/kubernel/operator:dev"
    assert kind.image_commands(image, Path("/repo")) == [
        ("docker", "build", "--file", "/repo/operator/Dockerfile", "--tag", reference, "/repo"),
        ("kind", "load", "docker-image", reference, "--name", "kubernel"),
    ]


def test_an_archive_is_loaded_as_one() -> None:
    assert kind.load_command("/tmp/image.tar") == (
        "kind",
        "load",
        "image-archive",
        "/tmp/image.tar",
        "--name",
        "kubernel",
    )


NODE = ("docker", "exec", "kubernel-control-plane")


@pytest.mark.parametrize(
    ("component", "stop", "start"),
    [
        (
            "apiserver",
            ("mv", "/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/"),
            ("mv", "/etc/kubernetes/kube-apiserver.yaml", "/etc/kubernetes/manifests/"),
        ),
        ("kubelet", ("systemctl", "stop", "kubelet"), ("systemctl", "start", "kubelet")),
    ],
)
def test_stopping_and_starting(component: str, stop: tuple[str, ...], start: tuple[str, ...]) -> None:
    assert kind.stop_command(component) == NODE + stop
    assert kind.start_command(component) == NODE + start


def test_a_component_that_kind_cannot_stop_is_refused() -> None:
    with pytest.raises(ClusterError, match="kind cannot stop or start coredns; use one of: etcd, apiserver"):
        kind.stop_command("coredns")
