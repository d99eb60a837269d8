"""The pod of a KernelInstance."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fixtures.objects import POD_SECRET, SETTINGS, SUPERVISOR_MAP, UID, cr
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.shape import image_of
from kubernel_operator.observe.template_facts import Bounds, TemplateFacts
from kubernel_operator.settings import Settings
from kubernel_supervisor.bootstrap import bootstrap_args

URL = "http://10.96.1.1:8443/v1/callback"
POD_IPS = {"name": "KUBERNEL_POD_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}
SUPERVISOR_ENV = {
    "name": "KUBERNEL_SUPERVISOR",
    "valueFrom": {"configMapKeyRef": {"name": SUPERVISOR_MAP, "key": "supervisor.py"}},
}
RICH = cr(
    labels={"kubernel.dev/kernel-id": "id-1", "team": "science"},
    image="example.org/r:4",
    imagePullPolicy="Always",
    imagePullSecrets=[{"name": "mine"}, {"name": "shared"}],
    kernel={"argv": ["R", "--args", "{connection_file}", "$HOME"], "language": "R"},
    env=[{"name": "A", "value": "1"}, {"name": "EMPTY"}, {"name": "B", "value": "$(KUBERNEL_TOKEN)"}],
    workingDir="/home/jovyan",
    resources={"limits": {"memory": "1Gi", "nvidia.com/gpu": 1}},
    nodeSelector={"gpu": "yes"},
    tolerations=[{"key": "gpu", "operator": "Exists"}],
    runtimeClassName="gvisor",
    priorityClassName="high",
    volumes=[
        {"name": "home", "mountPath": "/home/jovyan", "subPath": "u1", "persistentVolumeClaim": {"claimName": "home"}},
        {
            "name": "data",
            "mountPath": "/data",
            "readOnly": True,
            "persistentVolumeClaim": {"claimName": "data"},
        },
        {"name": "scratch", "mountPath": "/scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "cache", "mountPath": "/cache", "emptyDir": {}},
    ],
    connection={"service": "None", "encryption": "Curve"},
    lifecycle={"idleTimeoutSeconds": 600},
    restartGeneration=2,
)
CLUSTER = Settings(
    default_image="example.org/kernel:1",
    image_pull_secrets=("shared",),
    default_resources={"requests": {"cpu": "1"}},
    node_selector={"pool": "kernels"},
)


def config(built: dict[str, Any]) -> dict[str, str]:
    """What the supervisor is told."""
    lines = built["spec"]["containers"][0]["env"][0]["value"].splitlines()
    return dict(line.split("=", 1) for line in lines)


def env_from_secret(name: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "k1-0123abcd45", "key": key}}}


def test_plain() -> None:
    """Everything that a KernelInstance without wishes gets; what is not here is the API server's default."""
    built = build_pod(
        cr(), SETTINGS, incarnation=1, callback_url=URL, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    (container,) = built["spec"].pop("containers")
    own = container.pop("env")
    assert built == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "k1-1",
            "namespace": "ns",
            "labels": {
                "app.kubernetes.io/managed-by": "kubernel",
                "app.kubernetes.io/component": "kernel",
                "kubernel.dev/instance": "k1",
            },
            "annotations": {
                "kubernel.dev/incarnation": "1",
                "kubernel.dev/restart-generation": "0",
                "kubernel.dev/generation": "1",
                "kubernel.dev/supervisor": SUPERVISOR_MAP,
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                "karpenter.sh/do-not-disrupt": "true",
                "descheduler.alpha.kubernetes.io/prefer-no-eviction": "true",
            },
            "ownerReferences": [
                {
                    "apiVersion": "kubernel.dev/v1beta1",
                    "kind": "KernelInstance",
                    "name": "k1",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
    assert container == {
        "name": "kernel",
        "image": "example.org/kernel:1",
        "imagePullPolicy": "IfNotPresent",
        "args": bootstrap_args(["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]),
        "envFrom": [{"secretRef": {"name": POD_SECRET}}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    assert own[0]["name"] == "KUBERNEL_CONFIG"
    assert own[1] == POD_IPS
    assert own[2:] == [env_from_secret("KUBERNEL_KEY", "key"), SUPERVISOR_ENV]
    assert config({"spec": {"containers": [{"env": own}]}}) == {
        "secret": "ns/k1-0123abcd45",
        "pod": "k1-1",
        "callbackURL": URL,
        "kernelName": "",
        "ports": "18881 18882 18883 18884 18885",
        "controlPort": "18886",
        "connectionFile": "/tmp/kubernel/connection.json",
        "restartGraceSeconds": "30",
        "idleTimeoutSeconds": "",
        "restartGeneration": "0",
        "env": "",
        "encryption": "Disabled",
        "fork": "Auto",
        "preload": "",
        "memoryGuard": "",
    }


def test_rich() -> None:
    built = build_pod(
        RICH, CLUSTER, incarnation=3, callback_url=None, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    spec = built["spec"]
    (container,) = spec["containers"]
    assert built["metadata"]["name"] == "k1-3"
    assert built["metadata"]["labels"]["kubernel.dev/kernel-id"] == "id-1"
    assert "team" not in built["metadata"]["labels"]
    assert built["metadata"]["annotations"]["kubernel.dev/restart-generation"] == "2"
    assert {k: v for k, v in spec.items() if k not in {"containers", "securityContext"}} == {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "imagePullSecrets": [{"name": "mine"}, {"name": "shared"}],
        "nodeSelector": {"gpu": "yes", "pool": "kernels"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "runtimeClassName": "gvisor",
        "priorityClassName": "high",
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": "home"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "cache", "emptyDir": {}},
        ],
    }
    assert container["args"][-4:] == ["R", "--args", "{connection_file}", "$$HOME"]
    assert container["env"][1:] == [
        POD_IPS,
        env_from_secret("KUBERNEL_KEY", "key"),
        env_from_secret("KUBERNEL_CURVE_PUBLICKEY", "curve_publickey"),
        env_from_secret("KUBERNEL_CURVE_SECRETKEY", "curve_secretkey"),
        SUPERVISOR_ENV,
        {"name": "A", "value": "1"},
        {"name": "EMPTY", "value": ""},
        {"name": "B", "value": "$$(KUBERNEL_TOKEN)"},
    ]
    assert container["volumeMounts"] == [
        {"name": "home", "mountPath": "/home/jovyan", "subPath": "u1"},
        {"name": "data", "mountPath": "/data", "readOnly": True},
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "cache", "mountPath": "/cache"},
    ]
    assert {k: container[k] for k in ("image", "imagePullPolicy", "workingDir", "resources")} == {
        "image": "example.org/r:4",
        "imagePullPolicy": "Always",
        "workingDir": "/home/jovyan",
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi", "nvidia.com/gpu": 1}},
    }
    told = config(built)
    assert (told["callbackURL"], told["idleTimeoutSeconds"], told["restartGeneration"]) == ("", "600", "2")


@pytest.mark.parametrize(
    ("asked", "shown", "allowed", "expected"),
    [
        ("Disabled", None, None, "Disabled"),
        ("Auto", None, None, "Auto"),
        ("Curve", None, None, "Curve"),
        # Clients of a replaced pod have keys, or none.
        ("Auto", "Curve", None, "Curve"),
        ("Auto", "Disabled", None, "Disabled"),
        ("Curve", "Disabled", None, "Curve"),
        # Bounds that leave no choice.
        ("Auto", None, ["Curve"], "Curve"),
        ("Auto", "Disabled", ["Curve"], "Curve"),
        ("Auto", None, ["Disabled"], "Disabled"),
        ("Auto", None, ["Auto", "Curve"], "Auto"),
    ],
)
def test_encryption(asked: str, shown: str | None, allowed: list[str] | None, expected: str) -> None:
    status = {"connection": {"encryption": shown}} if shown else {}
    settings = replace(SETTINGS, kernel_bounds=Bounds(encryption=tuple(allowed) if allowed else None))
    how: Any = {"incarnation": 1, "callback_url": URL, "pod_secret": POD_SECRET, "supervisor_map": SUPERVISOR_MAP}
    built = build_pod(cr(status=status, connection={"encryption": asked}), settings, **how)
    assert config(built)["encryption"] == expected
    names = {variable["name"] for variable in built["spec"]["containers"][0]["env"]}
    assert ("KUBERNEL_CURVE_SECRETKEY" in names) is (expected != "Disabled")


def test_which_variables_a_restart_may_remove() -> None:
    """Those of the spec; neither a template's defaults nor what it fixes."""
    fixed = {"spec": {"containers": [{"name": "kernel", "env": [{"name": "FIXED", "value": "1"}]}]}}
    template = TemplateFacts("t", "u", pod=fixed, defaults={"env": [{"name": "DEFAULT", "value": "1"}]})
    env = [{"name": name, "value": "2"} for name in ("MINE", "spark.driver.memory", "FIXED")]
    how: Any = {"incarnation": 1, "callback_url": URL, "pod_secret": POD_SECRET, "supervisor_map": SUPERVISOR_MAP}
    built = build_pod(cr(env=env), SETTINGS, template=template, **how)
    assert config(built)["env"] == "MINE spark.driver.memory"


def test_what_is_forked() -> None:
    def told(kernel: dict[str, Any], settings: Settings, template: TemplateFacts | None = None) -> list[str]:
        how: Any = {"incarnation": 1, "callback_url": URL, "pod_secret": POD_SECRET, "template": template}
        built = build_pod(cr(kernel=kernel), settings, supervisor_map=SUPERVISOR_MAP, **how)
        return [config(built)[name] for name in ("fork", "preload")]

    mine = Settings(fork="Never", preload=("numpy", "pandas"))
    assert told({}, mine) == ["Never", "numpy pandas"]
    assert told({"fork": "Auto", "preload": ["json"]}, mine) == ["Auto", "json"]
    assert told({"preload": []}, mine) == ["Never", ""]
    template = TemplateFacts("t", "u", defaults={"kernel": {"preload": ["pandas"]}})
    assert told({"fork": "Auto"}, mine, template) == ["Auto", "pandas"]


def test_defaults_of_the_operator() -> None:
    defaults = Settings(
        default_image="example.org/kernel:1",
        image_pull_policy="Never",
        image_pull_secrets=("a", "b"),
        default_resources={"requests": {"cpu": "1"}},
        node_selector={"pool": "kernels"},
        tolerations=[{"key": "kernels"}],
        runtime_class_name="kata",
        priority_class_name="low",
        pod_security_context={},
        security_context={},
    )
    spec = build_pod(
        cr(), defaults, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )["spec"]
    (container,) = spec["containers"]
    assert (container["imagePullPolicy"], container["resources"]) == ("Never", {"requests": {"cpu": "1"}})
    assert "securityContext" not in spec
    assert "securityContext" not in container
    assert {k: spec[k] for k in ("imagePullSecrets", "nodeSelector", "tolerations")} == {
        "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
        "nodeSelector": {"pool": "kernels"},
        "tolerations": [{"key": "kernels"}],
    }
    assert (spec["runtimeClassName"], spec["priorityClassName"]) == ("kata", "low")


@pytest.mark.parametrize(
    ("kernel", "argv", "name"),
    [
        pytest.param(None, ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"], None, id="default"),
        pytest.param({"argv": ["run", "{connection_file}"]}, ["run", "{connection_file}"], None, id="argv"),
        pytest.param({"name": "ir"}, [], "ir", id="a kernelspec in the image"),
        pytest.param({"name": "ir", "argv": ["R"]}, ["R"], "ir", id="argv wins"),
    ],
)
def test_argv(kernel: dict[str, Any] | None, argv: list[str], name: str | None) -> None:
    instance = cr(kernel=kernel) if kernel else cr()
    built = build_pod(
        instance, SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    assert built["spec"]["containers"][0]["args"] == bootstrap_args(argv)
    assert config(built)["kernelName"] == (name or "")


def test_variables_that_a_shell_would_drop_are_packed() -> None:
    env = [{"name": "A_1", "value": "1"}, {"name": "spark.driver.memory", "value": "$x"}, {"name": "a-b"}]
    built = build_pod(
        cr(env=env), SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    assert built["spec"]["containers"][0]["env"][-3:] == [
        {"name": "A_1", "value": "1"},
        {"name": "KUBERNEL_ENV_0", "value": "spark.driver.memory=$$x"},
        {"name": "KUBERNEL_ENV_1", "value": "a-b="},
    ]


def test_nothing_depends_on_what_was_built_before() -> None:
    first = build_pod(
        RICH, CLUSTER, incarnation=1, callback_url=URL, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    first["metadata"]["labels"]["x"] = first["spec"]["x"] = "changed"
    first["spec"]["containers"][0]["env"].clear()
    second = build_pod(
        RICH, CLUSTER, incarnation=1, callback_url=URL, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )
    assert "x" not in second["metadata"]["labels"]
    assert "x" not in second["spec"]
    assert second["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("instance", [pytest.param(cr(), id="plain"), pytest.param(RICH, id="rich")])
def test_passes_pod_security_restricted(instance: dict[str, Any]) -> None:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    spec = build_pod(
        instance, SETTINGS, incarnation=1, callback_url=URL, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP
    )["spec"]
    (container,) = spec["containers"]
    assert {"hostNetwork", "hostPID", "hostIPC", "initContainers"}.isdisjoint(spec)
    assert all(set(v) - {"name"} <= {"emptyDir", "persistentVolumeClaim"} for v in spec.get("volumes", []))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "ports" not in container


def test_no_secret_is_in_a_pod_spec() -> None:
    """Whoever may read pods learns where the secrets are, not what they are."""
    text = json.dumps(
        build_pod(RICH, CLUSTER, incarnation=1, callback_url=URL, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP)
    )
    assert '{"name": "KUBERNEL_TOKEN"' not in text
    for name in ("KUBERNEL_KEY", "KUBERNEL_CURVE_SECRETKEY", "KUBERNEL_SUPERVISOR"):
        assert text.count(f'{{"name": "{name}", "valueFrom"') == 1
        assert f'"name": "{name}", "value":' not in text
    assert "command" not in json.loads(text)["spec"]["containers"][0]


def test_image_of() -> None:
    assert image_of(cr()["spec"], SETTINGS) == "example.org/kernel:1"
    assert image_of(cr(image="mine")["spec"], SETTINGS) == "mine"
