"""Who may do what: exactly what is used, and no wildcard anywhere."""

import re
from collections.abc import Callable
from pathlib import Path

from kubernel_provisioner.commands.check import LIST_EVENTS, LIST_POOLS, RIGHTS

from .conftest import CHART, Object, Render

OPERATOR_RULES = {
    ("kubernel.dev", "kernelinstances"): ["list", "watch", "delete"],
    ("kubernel.dev", "kernelinstances/status"): ["patch"],
    ("kubernel.dev", "kernelpools"): ["list", "watch"],
    ("kubernel.dev", "kernelpools/status"): ["patch"],
    ("", "pods"): ["create", "get", "list", "watch", "patch", "delete"],
    ("", "pods/resize"): ["patch"],
    ("", "services"): ["create", "get", "list", "watch", "patch", "delete"],
    ("", "secrets"): ["create"],
    ("", "configmaps"): ["create", "list", "delete"],
    ("", "events"): ["create", "list"],
    ("coordination.k8s.io", "leases"): ["list", "watch", "delete"],
}
CLIENT_RULES = {
    ("kubernel.dev", "kernelinstances"): ["create", "get", "list", "watch", "patch", "delete"],
    ("kubernel.dev", "kernelpools"): ["list"],
    ("", "secrets"): ["create"],
    ("", "events"): ["list"],
    ("coordination.k8s.io", "leases"): ["create", "patch", "delete"],
}
NAMESPACED = CHART / "ci" / "namespaced-values.yaml"
Find = Callable[..., Object]


def test_operator_in_all_namespaces(find: Find) -> None:
    assert by_resource(find("ClusterRole", "kubernel-system")) == {**OPERATOR_RULES, ("", "nodes"): ["list"]}


def test_operator_knows_no_nodes_where_it_is_told_how_many_kernels_may_start(find: Find) -> None:
    rules = by_resource(find("ClusterRole", "kubernel-system", None, "--set=operator.maxStarting=20"))
    assert rules == OPERATOR_RULES


def test_operator_may_read_keys_where_it_is_said(find: Find) -> None:
    rules = by_resource(find("ClusterRole", "kubernel-system", None, "--set=operator.readKeys=true"))
    assert rules == {**OPERATOR_RULES, ("", "nodes"): ["list"], ("", "secrets"): ["create", "get"]}


def test_operator_in_some_namespaces_has_nothing_elsewhere(render: Render) -> None:
    objects = render(NAMESPACED)
    roles = [o for o in objects if o["kind"] == "Role" and o["metadata"]["name"] == "kubernel-system"]
    assert [role["metadata"]["namespace"] for role in roles] == ["kernels-a", "kernels-b"]
    assert [by_resource(role) for role in roles] == [OPERATOR_RULES] * 2
    assert [o for o in objects if o["kind"] in {"ClusterRole", "ClusterRoleBinding"}] == []


def test_operator_has_its_own_things_by_name(find: Find) -> None:
    """Its key, the Lease of the leader, and Service and EndpointSlices of callbacks; nothing else to read or change."""
    rules = find("Role", "kubernel-own")["rules"]
    named = [(r["resources"], r["resourceNames"], r["verbs"]) for r in rules if "resourceNames" in r]
    assert named == [
        (["secrets"], ["kubernel-token"], ["get"]),
        (["leases"], ["kubernel-leader"], ["get", "patch"]),
        (["services"], ["kubernel-callbacks"], ["get"]),
        (["endpointslices"], ["kubernel-callbacks-ipv4", "kubernel-callbacks-ipv6"], ["get", "patch"]),
    ]
    unnamed = [(r["resources"], r["verbs"]) for r in rules if "resourceNames" not in r]
    assert unnamed == [
        (["secrets"], ["create"]),
        (["kerneltemplates"], ["list", "watch"]),
        (["kerneltemplates/status"], ["patch"]),
        (["pods"], ["create"]),
        (["leases"], ["create"]),
        (["endpointslices", "endpointslices/restricted"], ["create"]),
    ]


def test_operator_only_reads_a_secret_that_exists(find: Find) -> None:
    rules = find("Role", "kubernel-own", None, "--set=operatorSecret.existingName=mine")["rules"]
    assert [r for r in rules if r["resources"] == ["secrets"]] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]


def test_notebook_servers(render: Render) -> None:
    plain = render(None, "--set=clientRole.namespaces={kernels}")
    assert [by_resource(o) for o in plain if o["metadata"]["name"] == "kubernel-system-client"] == [CLIENT_RULES]


def test_notebook_servers_get_what_the_provisioner_uses() -> None:
    used = {(group, resource): list(verbs) for group, resource, verbs in RIGHTS}
    wanted = {(group, resource): [verb] for group, resource, verb in (LIST_EVENTS, LIST_POOLS)}
    assert {**used, **wanted} == CLIENT_RULES


def test_notebook_servers_outside_of_the_cluster(find: Find) -> None:
    options = ["--set=clientRole.namespaces={kernels}", "--set=clientRole.portForward=true"]
    role = find("Role", "kubernel-system-client", None, *options)
    assert by_resource(role) == {**CLIENT_RULES, ("", "pods/portforward"): ["create", "get"]}


def test_whoever_uses_kernels_of_another_process_reads_keys(find: Find) -> None:
    options = ["--set=clientRole.namespaces={kernels}", "--set=clientRole.readKeys=true"]
    role = find("Role", "kubernel-system-client", None, *options)
    assert by_resource(role) == {**CLIENT_RULES, ("", "secrets"): ["create", "get"]}


def test_a_hub_binds_the_same_role_where_it_likes(render: Render) -> None:
    values = CHART.parents[1] / "docs" / "examples" / "jupyterhub" / "kubernel-values.yaml"
    objects = render(values)
    (role,) = (o for o in objects if o["metadata"]["name"] == "kubernel-system-client")
    assert (role["kind"], by_resource(role)) == ("ClusterRole", {**CLIENT_RULES, ("", "secrets"): ["create", "get"]})
    assert [o["kind"] for o in objects if o.get("roleRef", {}).get("name") == "kubernel-system-client"] == []


def test_subjects_are_bound_in_every_namespace(render: Render) -> None:
    bindings = [
        o for o in render(NAMESPACED) if o["kind"] == "RoleBinding" and o["roleRef"]["name"].endswith("-client")
    ]
    assert [o["metadata"]["namespace"] for o in bindings] == ["kernels-a", "kernels-b"]
    group = "rbac.authorization.k8s.io"
    assert bindings[0]["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "kernels-a", "name": "notebook"},
        {"kind": "User", "apiGroup": group, "name": "jane@example.org"},
        {"kind": "Group", "apiGroup": group, "name": "scientists"},
    ]


def test_subjects_may_choose_from_the_templates_and_nobody_else(render: Render, find: Find) -> None:
    values = CHART / "ci" / "templates-values.yaml"
    role = find("Role", "kubernel-templates", values)
    assert role["metadata"]["namespace"] == "system"
    assert [rule["verbs"] for rule in role["rules"]] == [["get", "list"], ["use"]]
    some = find("Role", "kubernel-templates", values, "--set=clientRole.templates={spark}")
    assert [rule.get("resourceNames") for rule in some["rules"]] == [None, ["spark"]]
    assert find("RoleBinding", "kubernel-templates", values)["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "jupyter", "name": "notebook"}
    ]
    names = {o["metadata"]["name"] for o in render(None, "--set=clientRole.namespaces={kernels}")}
    assert "kubernel-templates" not in names


def test_templates_are_what_the_values_say(find: Find) -> None:
    spark = find("KernelTemplate", "spark", CHART / "ci" / "templates-values.yaml")
    assert spark["metadata"]["namespace"] == "system"
    assert spark["spec"]["pod"]["spec"]["serviceAccountName"] == "data-lake"
    assert find("KernelTemplate", "plain", CHART / "ci" / "templates-values.yaml")["spec"] == {}


def test_view_and_edit_grow(find: Find) -> None:
    view, edit = find("ClusterRole", "kubernel-system-view"), find("ClusterRole", "kubernel-system-edit")
    assert aggregated_to(view) == {"view", "edit", "admin"}
    assert aggregated_to(edit) == {"edit", "admin"}
    kinds = [("kubernel.dev", kind) for kind in ("kernelinstances", "kernelpools")]
    assert by_resource(view) == {key: ["get", "list", "watch"] for key in kinds}
    change = {key: ["create", "update", "patch", "delete", "deletecollection"] for key in kinds}
    assert by_resource(edit) == {**change, ("kubernel.dev", "kernelpools/scale"): ["get", "update", "patch"]}


def test_no_wildcard(render: Render, values_file: Path) -> None:
    for role in render(values_file):
        for rule in role.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role["metadata"]["name"]


def test_bindings_refer_to_roles_and_accounts_of_the_chart(render: Render, values_file: Path) -> None:
    objects = render(values_file)
    there = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}
    for binding in (o for o in objects if o["kind"].endswith("RoleBinding")):
        kind = binding["roleRef"]["kind"]
        namespace = binding["metadata"].get("namespace") if kind == "Role" else None
        assert (kind, namespace, binding["roleRef"]["name"]) in there


def test_nothing_without_rbac_create(render: Render) -> None:
    kinds = [o["kind"] for o in render(None, "--set=rbac.create=false") if "helm.sh/hook" not in annotations(o)]
    assert sorted(kinds) == [
        *["CustomResourceDefinition"] * 3,
        "Deployment",
        "FlowSchema",
        "FlowSchema",
        "Lease",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "Service",
        "ServiceAccount",
        *["ValidatingAdmissionPolicy"] * 3,
        *["ValidatingAdmissionPolicyBinding"] * 3,
    ]


def test_the_documentation_says_what_is_granted(render: Render, find: Find) -> None:
    """The table of admins.md, row by row, and the threat model."""
    docs = CHART.parents[1] / "docs"
    table = (docs / "admins.md").read_text().partition("\n## Rights\n")[2].partition("\n## ")[0]
    everywhere, cluster, own, client, subjects, view, edit = [
        line for line in table.splitlines() if line.startswith("| ")
    ][1:]
    more = ["--set=operator.readKeys=true", "--set=clientRole.readKeys=true", "--set=clientRole.portForward=true"]
    plain = ["--set=clientRole.namespaces={kernels}"]
    for row, kind, name in (
        (everywhere, "ClusterRole", "kubernel-system"),
        (client, "Role", "kubernel-system-client"),
    ):
        rules, all_rules = find(kind, name, None, *plain)["rules"], find(kind, name, None, *plain, *more)["rules"]
        if row is everywhere:
            assert in_words(rules[-1:]) in cluster
            rules, all_rules = rules[:-1], all_rules[:-1]
        assert f"| {in_words(rules)}. With " in row
        assert added(rules, all_rules) == re.findall(r"also: (.*?)(?:\.| \|)", row)
    rules = find("Role", "kubernel-own")["rules"]
    assert in_words([r for r in rules if "resourceNames" in r]) in own
    assert in_words([r for r in rules if "resourceNames" not in r]) in own.replace(
        " (to try a template, by a dry run)", ""
    )
    choosing = find("Role", "kubernel-templates", CHART / "ci" / "templates-values.yaml")["rules"]
    assert in_words(choosing) in subjects
    assert f"| {in_words(find('ClusterRole', 'kubernel-system-view')['rules'])} |" in view
    assert f"and {in_words(find('ClusterRole', 'kubernel-system-edit')['rules'])} |" in edit
    role = find("Role", "kubernel-system-client", None, *plain)
    assert in_words(role["rules"]) in (docs / "threat-model.md").read_text()


def in_words(rules: list[Object]) -> str:
    return "; ".join(f"{', '.join(rule['resources'])} {', '.join(rule['verbs'])}" for rule in rules)


def added(rules: list[Object], all_rules: list[Object]) -> list[str]:
    """What the longer of two lists of rules has beyond the other."""
    before = {tuple(rule["resources"]): rule["verbs"] for rule in rules}
    verbs = {
        names: [v for v in verbs if v not in before.get(names, [])]
        for names, verbs in ((tuple(rule["resources"]), rule["verbs"]) for rule in all_rules)
    }
    return [f"{', '.join(names)} {', '.join(new)}" for names, new in verbs.items() if new]


def by_resource(role: Object) -> dict[tuple[str, str], list[str]]:
    return {
        (group, resource): rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def aggregated_to(role: Object) -> set[str]:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    return {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)}


def annotations(obj: Object) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("annotations", {})
    return found
