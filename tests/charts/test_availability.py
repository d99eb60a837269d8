"""Two operators, so that a node may go: where they run, what a drain may take, and how an update replaces them."""

from collections.abc import Callable

import pytest

from .conftest import CHART, Object, Render

Find = Callable[..., Object]
EVERYTHING = CHART / "ci" / "everything-values.yaml"
NAMESPACED = CHART / "ci" / "namespaced-values.yaml"


def kinds(objects: list[Object]) -> set[str]:
    return {obj["kind"] for obj in objects}


def test_there_are_two_and_an_update_takes_none_away_first(find: Find) -> None:
    spec = find("Deployment", "kubernel")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_lost_node_is_left_soon(find: Find) -> None:
    tolerations = find("Deployment", "kubernel")["spec"]["template"]["spec"]["tolerations"]
    assert {t["key"]: t["tolerationSeconds"] for t in tolerations} == {
        "node.kubernetes.io/not-ready": 30,
        "node.kubernetes.io/unreachable": 30,
    }


def test_they_prefer_different_nodes(find: Find) -> None:
    deployment = find("Deployment", "kubernel")
    affinity = deployment["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    (preferred,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = preferred["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_an_affinity_of_ones_own_replaces_it(find: Find) -> None:
    assert list(find("Deployment", "science", EVERYTHING)["spec"]["template"]["spec"]["affinity"]) == ["nodeAffinity"]


def test_a_drain_takes_one_at_a_time(find: Find) -> None:
    budget = find("PodDisruptionBudget", "kubernel")["spec"]
    labels = find("Deployment", "kubernel")["spec"]["template"]["metadata"]["labels"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("option", ["replicaCount=1", "replicaCount=0", "podDisruptionBudget.enabled=false"])
def test_no_budget_for_a_single_one(render: Render, option: str) -> None:
    """It would only hold up a drain."""
    assert "PodDisruptionBudget" not in kinds(render(None, f"--set={option}"))


def test_requests_have_a_queue_of_their_own(find: Find) -> None:
    for name, level in {"kubernel-system": "workload-high", "kubernel-system-leader": "leader-election"}.items():
        spec = find("FlowSchema", name)["spec"]
        (rule,) = spec["rules"]
        assert spec["priorityLevelConfiguration"]["name"] == level
        assert rule["subjects"] == [
            {"kind": "ServiceAccount", "serviceAccount": {"name": "kubernel", "namespace": "system"}}
        ]
    leader, others = (find("FlowSchema", f"kubernel-system{end}")["spec"] for end in ("-leader", ""))
    assert leader["matchingPrecedence"] < others["matchingPrecedence"] < 9000


def test_no_flow_schema_where_it_is_not_wanted(render: Render) -> None:
    assert "FlowSchema" not in kinds(render(None, "--set=flowSchema.enabled=false"))
    assert "FlowSchema" not in kinds(render(NAMESPACED)), "it belongs to the cluster"
