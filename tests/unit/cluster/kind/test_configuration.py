import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.kind import cluster
from cluster.kind.cluster import KindCluster
from cluster.layout import KIND_POD_CIDR, KIND_SERVICE_CIDR, POD_CIDR, SERVICE_CIDR, Layout

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


def configuration(folder: str = "/state/kind/node") -> dict[str, Any]:
    document = yaml.safe_load(cluster.configure(cluster.template(), Path(folder), "node:1"))
    assert isinstance(document, dict)
    return document


def patches() -> list[dict[str, Any]]:
    (node,) = configuration()["nodes"]
    return [yaml.safe_load(patch) for patch in node["kubeadmConfigPatches"]]


def test_only_documented_fields() -> None:
    document = configuration()
    assert (document["kind"], document["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert set(document) <= CLUSTER_FIELDS
    for node in document["nodes"]:
        assert set(node) <= NODE_FIELDS
        assert node["role"] in {"control-plane", "worker"}
        for mount in node["extraMounts"]:
            assert set(mount) <= MOUNT_FIELDS


@pytest.mark.parametrize("folder", ["/state/kind/node", "/home/he: and she/#1/kind/node", '/"quoted"/kind/node'])
def test_a_folder_may_have_any_name(folder: str) -> None:
    (node,) = configuration(folder)["nodes"]
    (mount,) = node["extraMounts"]
    assert mount["hostPath"] == folder


def test_both_versions_of_kubeadm_get_the_same_api_server() -> None:
    """v1beta3 has a map of arguments, v1beta4 a list of names and values."""
    by_version = {patch["apiVersion"]: patch["apiServer"] for patch in patches() if "apiServer" in patch}
    older, newer = by_version["kubeadm.k8s.io/v1beta3"], by_version["kubeadm.k8s.io/v1beta4"]
    assert older["extraArgs"] == {one["name"]: one["value"] for one in newer["extraArgs"]}
    assert older["extraVolumes"] == newer["extraVolumes"]


def test_the_kubelet_starts_on_either_version_of_cgroups() -> None:
    (kubelet,) = [patch for patch in patches() if patch["kind"] == "KubeletConfiguration"]
    assert kubelet["failCgroupV1"] is False


def test_both_clusters_can_run_on_one_machine() -> None:
    assert len({KIND_POD_CIDR, KIND_SERVICE_CIDR, POD_CIDR, SERVICE_CIDR}) == 4
    assert configuration()["networking"] == {"podSubnet": KIND_POD_CIDR, "serviceSubnet": KIND_SERVICE_CIDR}


@pytest.fixture
def strict_umask() -> Any:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_the_audit_log_can_be_read_by_who_started_the_cluster(tmp_path: Path, strict_umask: None) -> None:
    """The API server, which is root, would make it for root alone; it takes one that is there as it is."""
    kind = KindCluster(Layout(repo=tmp_path, cache=tmp_path, state=tmp_path))
    kind.prepare()
    assert kind.audit_log.stat().st_uid == os.geteuid()
    assert os.access(kind.audit_log, os.R_OK)


def test_the_node_does_not_see_the_administrators_key(tmp_path: Path) -> None:
    kind = KindCluster(Layout(repo=tmp_path, cache=tmp_path, state=tmp_path))
    kind.prepare()
    kind.kubeconfig.write_text("key")
    (node,) = yaml.safe_load(kind.configuration())["nodes"]
    seen = Path(node["extraMounts"][0]["hostPath"])
    assert seen.is_dir()
    assert not kind.kubeconfig.is_relative_to(seen)
    assert sorted(path.name for path in seen.rglob("*") if path.is_file()) == ["audit-policy.json", "audit.log"]


def test_a_failure_shows_the_nodes_words_and_where_to_look() -> None:
    said = cluster.failure("kind create cluster ended with code 1", "kubelet: no such device")
    assert "kubelet: no such device" in said
    assert "docker exec -it kubernel-control-plane" in said
