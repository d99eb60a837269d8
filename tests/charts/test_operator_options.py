"""The command line in the Deployment is one that the operator understands, and means what the values say."""

from collections.abc import Callable
from dataclasses import fields

from kubernel_operator.observe.template_facts import Bounds
from kubernel_operator.settings import Settings, load_settings

from .conftest import CHART, VALUES_FILES, Object, Render

NAMES = {f"--{field.name.replace('_', '-')}" for field in fields(Settings)}
RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
Find = Callable[..., Object]


def arguments(deployment: Object) -> list[str]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    args: list[str] = container["args"]
    return args


def test_defaults(find: Find) -> None:
    assert load_settings(arguments(find("Deployment", "kubernel")), {}) == Settings(
        default_image="quay.io/jupyter/base-notebook:2026-07-28",
        default_resources={"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
        node_selector={"kubernetes.io/os": "linux"},
        pod_security_context={**RESTRICTED_POD, "fsGroup": 100, "fsGroupChangePolicy": "OnRootMismatch"},
        security_context=RESTRICTED,
        callback_url="http://kubernel-callbacks.system.svc:8443/v1/callback",
        operator_namespace="system",
        operator_secret_name="kubernel-token",
        lease_name="kubernel-leader",
        identity="$(POD_NAME)",
        callback_service="kubernel-callbacks",
        pod_ips=("$(POD_IPS)",),
        log_format="json",
    )


def test_everything(find: Find) -> None:
    deployment = find("Deployment", "science", CHART / "ci" / "everything-values.yaml")
    assert load_settings(arguments(deployment), {}) == Settings(
        ignore_namespaces=("kube-*", "dev-*"),
        default_image="quay.io/jupyter/base-notebook:2026-07-28",
        default_resources={
            "requests": {"cpu": 1, "memory": "1Gi"},
            "limits": {"memory": "4Gi", "nvidia.com/gpu": 1},
        },
        node_selector={"kubernetes.io/os": "linux", "pool": "kernels"},
        tolerations=[{"key": "kernels", "operator": "Exists", "effect": "NoSchedule"}],
        runtime_class_name="gvisor",
        priority_class_name="kernels",
        kernel_bounds=Bounds(
            images=("registry.example.org/*",),
            max_resources={"memory": "4Gi", "nvidia.com/gpu": 1},
            encryption=("Curve",),
        ),
        fork="Never",
        preload=("pandas", "matplotlib.pyplot"),
        max_starting="20",
        max_orphan_seconds=3600,
        memory_max="4Gi",
        read_keys="Always",
        startup_cpu="2",
        pod_security_context={
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 100,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        security_context={**RESTRICTED, "runAsNonRoot": True},
        callback_url="http://callback.example.org/v1/callback",
        operator_namespace="system",
        operator_secret_name="my-secret",
        lease_name="science-leader",
        identity="$(POD_NAME)",
        callback_service="science-callbacks",
        pod_ips=("$(POD_IPS)",),
        workers=9,
        sweep_interval_seconds=60,
        log_format="plain",
        log_level="DEBUG",
    )


def test_air_gap(find: Find) -> None:
    settings = load_settings(arguments(find("Deployment", "kubernel", CHART / "ci" / "air-gap-values.yaml")), {})
    assert settings.default_image == "registry.example.org:5000/science/kernel:2026.1"
    assert settings.image_pull_policy == "Always"
    assert settings.image_pull_secrets == ("registry", "kernel-registry")


def test_watched_namespaces(find: Find) -> None:
    settings = load_settings(arguments(find("Deployment", "kubernel", CHART / "ci" / "namespaced-values.yaml")), {})
    assert settings.watch_namespaces == ("kernels-a", "kernels-b")


def test_what_the_options_refer_to_is_there(find: Find) -> None:
    (container,) = find("Deployment", "kubernel")["spec"]["template"]["spec"]["containers"]
    fields = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert fields == {"POD_NAME": "metadata.name", "POD_IPS": "status.podIPs"}
    assert "selector" not in find("Service", "kubernel-callbacks")["spec"], "the leader writes its EndpointSlices"
    assert "spec" not in find("Lease", "kubernel-leader"), "an upgrade must not write who holds it"


def test_no_security_context_reaches_the_operator(find: Find) -> None:
    options = ["--set-json=kernelDefaults.podSecurityContext=null", "--set-json=kernelDefaults.securityContext=null"]
    settings = load_settings(arguments(find("Deployment", "kubernel", None, *options)), {})
    assert (settings.pod_security_context, settings.security_context) == ({}, {})


def test_no_bound_on_starts_reaches_the_operator(find: Find) -> None:
    deployment = find("Deployment", "kubernel", None, "--set=operator.maxStarting=0")
    assert load_settings(arguments(deployment), {}).max_starting == "0"


def test_together_the_values_files_use_every_option(render: Render) -> None:
    given = {
        argument.partition("=")[0]
        for path in VALUES_FILES
        for deployment in render(path)
        if deployment["kind"] == "Deployment"
        for argument in arguments(deployment)
    }
    assert given == NAMES


def test_container_ports_are_those_of_the_options(find: Find) -> None:
    deployment = find("Deployment", "kubernel", CHART / "ci" / "monitoring-values.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings = load_settings(container["args"], {})
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "callback": settings.callback_port,
        "health": settings.health_port,
        "metrics": settings.metrics_port,
    }
