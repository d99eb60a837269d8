"""What is true of every object in every rendering."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .conftest import Object, Render

LONGEST_RELEASE = "r" * 53  # helm refuses a longer one
OTHER_LONGEST_RELEASE = "r" * 52 + "s"
LONGEST_NAMESPACE = "n" * 63
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}

KINDS = ("kernelinstances", "kernelpools", "kerneltemplates")


def test_pods_pass_pod_security_restricted(render: Render, values_file: Path) -> None:
    for spec in pod_specs(render(values_file)):
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert [container_security(container) for container in spec["containers"]] == [(False, ["ALL"], True)]


def test_containers_have_requests_and_a_memory_limit(render: Render, values_file: Path) -> None:
    for spec in pod_specs(render(values_file)):
        for container in spec["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_names_fit(render: Render, values_file: Path) -> None:
    objects = render(values_file, release=LONGEST_RELEASE, namespace=LONGEST_NAMESPACE)
    # CRDs and their names are made of dots and are the same for everyone; RBAC's names may be longer, ours are not.
    assert [n for n in names(objects) if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", n) or len(n) > 63] == []


def test_long_release_names_that_differ_at_the_end_do_not_meet(render: Render) -> None:
    ours = set(names(render(release=LONGEST_RELEASE)))
    others = set(names(render(release=OTHER_LONGEST_RELEASE)))
    assert ours & others == {f"{plural}.kubernel.dev" for plural in KINDS}


def test_two_releases_share_no_cluster_scoped_name(render: Render, values_file: Path) -> None:
    here = cluster_scoped(render(values_file, namespace="here"))
    there = cluster_scoped(render(values_file, namespace="there"))
    other = cluster_scoped(render(values_file, namespace="here", release="other"))
    crd = {("CustomResourceDefinition", f"{plural}.kubernel.dev") for plural in KINDS}
    assert (here & there) | (there & other) <= crd
    # fullnameOverride asks for one name, whatever the release is called.
    assert "everything" in values_file.name or (here & other) <= crd


def test_no_object_twice(render: Render, values_file: Path) -> None:
    keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in render(values_file)]
    assert sorted(keys) == sorted(set(keys))


def test_every_namespaced_object_names_its_namespace(render: Render, values_file: Path) -> None:
    silent = [
        obj["metadata"]["name"]
        for obj in render(values_file)
        if obj["kind"] not in CLUSTER_SCOPED and "namespace" not in obj["metadata"]
    ]
    assert [name for name in silent if not name.startswith("extra-")] == []


def test_common_labels_are_on_every_object(render: Render, values_file: Path) -> None:
    for obj in render(values_file, "--set=commonLabels.team=science"):
        if obj["kind"] not in {"CustomResourceDefinition", "ConfigMap"}:
            assert obj["metadata"]["labels"]["team"] == "science", obj["metadata"]["name"]


def test_common_labels_cannot_break_selectors(render: Render) -> None:
    objects = render(None, r"--set=commonLabels.app\.kubernetes\.io/component=kernel")
    assert selecting_operator(objects) == {"kubernel-metrics", "kubernel"}


def test_services_and_deployment_select_the_operator_and_not_the_test(render: Render, values_file: Path) -> None:
    objects = render(values_file)
    prefix = "science" if "everything" in values_file.name else "kubernel"
    assert selecting_operator(objects) == {f"{prefix}-metrics", prefix}
    (test_pod,) = (o for o in objects if o["kind"] == "Pod")
    assert not any(matches(selector(o), test_pod["metadata"]["labels"]) for o in objects if selector(o))


def test_service_ports_are_ports_of_the_container(render: Render, values_file: Path) -> None:
    objects = render(values_file)
    (deployment,) = (o for o in objects if o["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    targets = {port["targetPort"] for o in objects if o["kind"] == "Service" for port in o["spec"]["ports"]}
    assert targets == {8443, "metrics"}
    assert targets <= ports | {port["containerPort"] for port in container["ports"]}


def pod_specs(objects: list[Object]) -> Iterator[dict[str, Any]]:
    for obj in objects:
        if obj["kind"] == "Deployment":
            yield obj["spec"]["template"]["spec"]
        if obj["kind"] == "Pod":
            yield obj["spec"]


def container_security(container: dict[str, Any]) -> tuple[bool, list[str], bool]:
    context = container["securityContext"]
    drop = context["capabilities"]["drop"]
    return context["allowPrivilegeEscalation"], drop, context["readOnlyRootFilesystem"]


def names(objects: list[Object]) -> list[str]:
    """Names of objects and of what they refer to."""
    referred = [o["spec"]["template"]["spec"]["serviceAccountName"] for o in objects if o["kind"] == "Deployment"]
    return [*(o["metadata"]["name"] for o in objects), *referred]


def cluster_scoped(objects: list[Object]) -> set[tuple[str, str]]:
    return {(o["kind"], o["metadata"]["name"]) for o in objects if o["kind"] in CLUSTER_SCOPED}


def selector(obj: Object) -> dict[str, str]:
    """The labels that a Service, Deployment or NetworkPolicy selects pods of its namespace by."""
    spec = obj.get("spec", {})
    found: dict[str, str] = {
        "Service": lambda: spec.get("selector") or {},
        "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
        "Deployment": lambda: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
    }.get(obj["kind"], dict)()
    return found


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def selecting_operator(objects: list[Object]) -> set[str]:
    """Names of the objects whose selector finds the operator's pod."""
    (deployment,) = (o for o in objects if o["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return {o["metadata"]["name"] for o in objects if selector(o) and matches(selector(o), labels)}
