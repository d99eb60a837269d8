"""A template's pod over a kernel's: the administrator's word stands, and the kernel works."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.objects import POD_SECRET, SETTINGS, cr, template
from kubernel_operator.build.overlay import overlaid, reserved_fields
from kubernel_operator.build.pod import build_pod

Json = dict[str, Any]
INSTANCE = cr(
    env=[{"name": "A", "value": "user"}, {"name": "spark.memory", "value": "1g"}],
    volumes=[{"name": "home", "mountPath": "/home", "persistentVolumeClaim": {"claimName": "home"}}],
    tolerations=[{"key": "gpu", "operator": "Exists"}],
    labels={"kubernel.dev/kernel-id": "id-1"},
)


def pod(pod_spec: Json | None = None, instance: Json = INSTANCE, **spec: Any) -> Json:
    """The pod of a KernelInstance whose template has that overlay."""
    found = template(pod={"spec": pod_spec or {}}, **spec)
    return build_pod(
        instance, SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map="s", template=found
    )


def kernel(built: Json) -> Json:
    """Its kernel's container."""
    found: Json = next(c for c in built["spec"]["containers"] if c["name"] == "kernel")
    return found


def test_a_template_that_says_nothing_changes_nothing() -> None:
    plain = build_pod(INSTANCE, SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map="s")
    assert pod() == plain


def test_lists_are_merged_by_name() -> None:
    built = pod(
        {
            "serviceAccountName": "cloud",
            "containers": [
                {"name": "proxy", "image": "envoy:1"},
                {
                    "name": "kernel",
                    "envFrom": [{"secretRef": {"name": "s3"}}],
                    "env": [{"name": "A", "value": "admin"}, {"name": "B", "value": "b"}],
                    "volumeMounts": [{"name": "certs", "mountPath": "/certs"}],
                    "securityContext": {"readOnlyRootFilesystem": True},
                },
            ],
            "initContainers": [{"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"}],
            "volumes": [{"name": "certs", "secret": {"secretName": "certs"}}],
            "tolerations": [{"operator": "Exists"}],
        }
    )
    spec, container = built["spec"], kernel(built)
    assert spec["serviceAccountName"] == "cloud"
    assert [c["name"] for c in spec["containers"]] == ["kernel", "proxy"]
    assert [c["name"] for c in spec["initContainers"]] == ["mesh"]
    assert [v["name"] for v in spec["volumes"]] == ["home", "certs"]
    assert [m["mountPath"] for m in container["volumeMounts"]] == ["/home", "/certs"]
    env = {v["name"]: v.get("value") for v in container["env"]}
    assert (env["A"], env["B"], env["KUBERNEL_ENV_0"]) == ("admin", "b", "spark.memory=1g")
    # The last one wins.
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}, {"secretRef": {"name": POD_SECRET}}]
    assert container["securityContext"] == SETTINGS.security_context | {"readOnlyRootFilesystem": True}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}, {"operator": "Exists"}]


def test_null_takes_a_default_away() -> None:
    assert "seccompProfile" not in pod({"securityContext": {"seccompProfile": None}})["spec"]["securityContext"]


def test_a_volume_of_the_template_is_not_for_the_kernel_that_names_it() -> None:
    """Else a user who guesses the name of a sidecar's Secret mounts it."""
    instance = cr(volumes=[{"name": "creds", "mountPath": "/x", "emptyDir": {}}])
    built = pod({"volumes": [{"name": "creds", "secret": {"secretName": "creds"}}]}, instance)
    assert built["spec"]["volumes"] == [{"name": "creds", "secret": {"secretName": "creds"}}]
    assert "volumeMounts" not in kernel(built)


def test_variables_that_shells_drop_are_the_templates_too() -> None:
    """Dash drops them whoever has set them; the admin's word stands over the user's."""
    key = {"secretKeyRef": {"name": "database", "key": "password"}}
    env = [{"name": "spark.memory", "value": "9g"}, {"name": "db.password", "valueFrom": key}]
    built = pod({"containers": [{"name": "kernel", "env": env}]})
    found = kernel(built)["env"]
    assert [v for v in found if v["name"].startswith("KUBERNEL_ENV_")] == [
        {"name": "KUBERNEL_ENV_0", "value": "spark.memory=9g"},
        {"name": "KUBERNEL_ENV_1", "value": "db.password=$(db.password)"},
    ]
    assert found.index({"name": "db.password", "valueFrom": key}) < len(found) - 2, "before what refers to it"
    assert "spark.memory" not in [v["name"] for v in found]


def test_what_makes_the_kernel_work_stays() -> None:
    overlay = {
        "metadata": {
            "labels": {"team": "a", "kubernel.dev/instance": "x", "app.kubernetes.io/managed-by": "x"},
            "annotations": {
                "kubernel.dev/incarnation": "7",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
            },
        },
        "spec": {
            "restartPolicy": "Always",
            "containers": [
                {
                    "name": "kernel",
                    "command": ["sleep"],
                    "args": ["1d"],
                    "livenessProbe": {"exec": {"command": ["false"]}},
                    "restartPolicy": "OnFailure",
                    "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
                    "env": [{"name": "KUBERNEL_TOKEN", "value": "x"}],
                    "envFrom": None,
                    "ports": [{"containerPort": 80, "name": "http"}],
                }
            ],
        },
    }
    plain = pod()
    built = overlaid(plain, overlay)
    assert built["metadata"]["labels"] == plain["metadata"]["labels"] | {"team": "a"}
    assert built["metadata"]["annotations"]["kubernel.dev/incarnation"] == "1"
    assert built["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true"
    assert built["spec"]["restartPolicy"] == "Never"
    expected, found = (
        {**kernel(each), "env": sorted(kernel(each)["env"], key=lambda variable: str(variable["name"]))}
        for each in (plain, built)
    )
    assert found == expected | {"ports": [{"containerPort": 80, "name": "http"}]}
    assert reserved_fields(overlay) == [
        "metadata.labels[kubernel.dev/instance]",
        "metadata.labels[app.kubernetes.io/managed-by]",
        "metadata.annotations[kubernel.dev/incarnation]",
        "spec.restartPolicy",
        "spec.containers[kernel].command",
        "spec.containers[kernel].args",
        "spec.containers[kernel].livenessProbe",
        "spec.containers[kernel].restartPolicy",
        "spec.containers[kernel].restartPolicyRules",
        "spec.containers[kernel].env[KUBERNEL_TOKEN]",
    ]


@pytest.mark.parametrize("containers", [7, "x", [7], [{"name": 1}], [None, {"name": "kernel", "env": 3}], [{}]])
def test_nonsense_is_the_api_servers_to_refuse(containers: Any) -> None:
    built = pod({"containers": containers})
    assert kernel(built)["args"] == kernel(pod())["args"]


words = st.text("abk", max_size=2)
names = st.sampled_from(["kernel", "proxy", "home", "A", "KUBERNEL_TOKEN", "/home", "kubernel.dev/instance"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | words | names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | words, inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "name",
        "mountPath",
        "ports",
        "containerPort",
        "value",
        "volumeMounts",
    ]
)
containers = st.lists(st.dictionaries(fields, values | names, max_size=4), max_size=3)
pod_specs = st.dictionaries(
    st.sampled_from(
        ["serviceAccountName", "volumes", "tolerations", "nodeSelector", "restartPolicy", "securityContext"]
    ),
    values,
    max_size=4,
) | st.fixed_dictionaries({"containers": containers | values})
overlays = st.fixed_dictionaries({}, optional={"metadata": values, "spec": pod_specs})


@given(overlays)
def test_whatever_is_laid_over_it_the_kernel_works(overlay: Json) -> None:
    plain, before = pod(), copy.deepcopy(overlay)
    built = overlaid(plain, overlay)
    expected, found = kernel(plain), kernel(built)
    for field in ("name", "args", "terminationMessagePolicy"):
        assert found[field] == expected[field]
    assert "command" not in found
    own = [v for v in expected["env"] if v["name"].startswith("KUBERNEL_")]
    assert found["env"][: len(own)] == own
    assert found["envFrom"][-1:] == expected["envFrom"]
    assert built["metadata"]["labels"].items() >= plain["metadata"]["labels"].items()
    for field in ("name", "namespace", "ownerReferences"):
        assert built["metadata"][field] == plain["metadata"][field]
    assert built["spec"]["restartPolicy"] == "Never"
    assert overlay == before
    reserved_fields(overlay)


@given(pod_specs)
def test_the_administrators_word_always_stands(pod_spec: Json) -> None:
    """Each plain value of the overlay is in the pod, unless it is the kernel's own."""
    built = pod(pod_spec)["spec"]
    for field in ("serviceAccountName", "nodeSelector", "securityContext"):
        said = pod_spec.get(field)
        if isinstance(said, dict):
            assert all(built[field].get(k) == v for k, v in said.items() if not isinstance(v, dict | list))
        elif said is not None:
            assert built[field] == said
