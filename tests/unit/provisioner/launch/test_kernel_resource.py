"""The KernelInstance that is posted, and what goes into its argv and environment."""

import hashlib
from typing import Any

import pytest

from kubernel_api.kernel_instance import KernelInstance
from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.launch.kernel_resource import (
    Identity,
    PodOptions,
    SpecFacts,
    build_kernel_instance,
    build_resources,
    pod_argv,
    pod_env,
)

IDENTITY = Identity(kernel_id="abc", server="5e54e5", lease="kubernel-server-5e54e5")
LOCAL = ("/opt/conda/bin/python3.11", "-m", "ipykernel_launcher", "-f", "{connection_file}")
DEFAULT = ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def test_the_smallest_instance() -> None:
    made = build_kernel_instance("k-abc", IDENTITY, SpecFacts(), PodOptions(), cmd=[], env={}, encryption="Auto")
    assert made == {
        "apiVersion": "kubernel.dev/v1beta1",
        "kind": "KernelInstance",
        "metadata": {"name": "k-abc", "labels": {"kubernel.dev/server": "5e54e5", "kubernel.dev/kernel-id": "abc"}},
        "spec": {
            "connection": {"service": "ClusterIP", "encryption": "Auto", "keyFrom": "Client"},
            "lifecycle": {"leaseName": "kubernel-server-5e54e5"},
        },
    }
    KernelInstance.model_validate(made)


def test_the_largest_instance() -> None:
    volume = {"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "d"}}
    options = PodOptions(
        image="r:1",
        image_pull_policy="Always",
        image_pull_secrets=["reg"],
        fork="Auto",
        preload=["pandas"],
        working_dir="/data",
        cpu="1",
        memory="2Gi",
        gpu="1",
        node_selector={"disk": "ssd"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        runtime_class_name="gvisor",
        priority_class_name="high",
        template_name="gpu",
        volumes=[volume],
        service="None",
        start_deadline_seconds=60,
        idle_timeout_seconds=3600,
        active_deadline_seconds=7200,
        ttl_seconds_after_finished=0,
    )
    spec = SpecFacts(name="ir", display_name="R", language="R", interrupt_mode="signal")
    env = {"B": "2", "A": "1", "JPY_SESSION_NAME": "/a/b.ipynb"}
    made = build_kernel_instance("k-abc", IDENTITY, spec, options, cmd=["R"], env=env, encryption="Curve")
    assert made["metadata"]["annotations"] == {"kubernel.dev/session": "/a/b.ipynb"}
    assert made["spec"] == {
        "image": "r:1",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "reg"}],
        "kernel": {
            "argv": ["R"],
            "name": "ir",
            "language": "R",
            "displayName": "R",
            "interruptMode": "signal",
            "fork": "Auto",
            "preload": ["pandas"],
        },
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "2"},
            {"name": "JPY_SESSION_NAME", "value": "/a/b.ipynb"},
        ],
        "workingDir": "/data",
        "resources": {
            "requests": {"cpu": "1", "memory": "2Gi"},
            "limits": {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"},
        },
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "runtimeClassName": "gvisor",
        "priorityClassName": "high",
        "templateName": "gpu",
        "volumes": [volume],
        "connection": {"service": "None", "encryption": "Curve", "keyFrom": "Client"},
        "lifecycle": {
            "startDeadlineSeconds": 60,
            "idleTimeoutSeconds": 3600,
            "activeDeadlineSeconds": 7200,
            "ttlSecondsAfterFinished": 0,
            "leaseName": "kubernel-server-5e54e5",
        },
    }
    KernelInstance.model_validate(made)


def test_a_kernel_id_that_is_no_label_and_a_spec_name_that_is_no_name() -> None:
    identity = Identity(kernel_id="../etc/passwd", server="s", lease="l")
    made = build_kernel_instance(
        "k-1", identity, SpecFacts(name="a b"), PodOptions(), cmd=["x"], env={}, encryption="Auto"
    )
    hashed = hashlib.sha256(b"../etc/passwd").hexdigest()[:32]
    assert made["metadata"]["labels"] == {"kubernel.dev/server": "s", "kubernel.dev/kernel-id": hashed}
    assert made["spec"]["kernel"] == {"argv": ["x"]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(PodOptions(), {}, id="none"),
        pytest.param(PodOptions(cpu="2"), {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}, id="cpu is both"),
        pytest.param(PodOptions(gpu="1"), {"limits": {"nvidia.com/gpu": "1"}}, id="gpu is a limit"),
        pytest.param(
            PodOptions(cpu="2", resources={"requests": {"cpu": "100m"}}),
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}},
            id="resources win",
        ),
    ],
)
def test_resources(options: PodOptions, expected: dict[str, Any]) -> None:
    assert build_resources(options) == expected


@pytest.mark.parametrize(
    ("argv", "options", "expected"),
    [
        pytest.param(LOCAL, PodOptions(), DEFAULT, id="local interpreter"),
        pytest.param(("python", *LOCAL[1:]), PodOptions(), DEFAULT, id="python"),
        pytest.param(("python3.13", *LOCAL[1:]), PodOptions(), DEFAULT, id="python3.13"),
        pytest.param((r"C:\Python\python.exe", *LOCAL[1:]), PodOptions(), DEFAULT, id="Windows"),
        pytest.param(("/usr/lib/R/bin/R", "{connection_file}"), PodOptions(), ["R", "{connection_file}"], id="program"),
        pytest.param(("pythonista", "x"), PodOptions(), ["pythonista", "x"], id="only looks like python"),
        pytest.param((), PodOptions(), DEFAULT, id="no kernelspec"),
        pytest.param(
            ("kubernel", "not-a-local-kernel", "{connection_file}"), PodOptions(), DEFAULT, id="installed by us"
        ),
        pytest.param(LOCAL, PodOptions(argv=["/opt/R", "-e"]), ["/opt/R", "-e"], id="option as it stands"),
        pytest.param(LOCAL, PodOptions(kernel_name="ir"), [], id="kernelspec in the image"),
        pytest.param(LOCAL, PodOptions(kernel_name="ir", argv=["R"]), ["R"], id="argv wins over the name"),
        pytest.param(("{resource_dir}/x",), PodOptions(argv=["R"]), ["R"], id="local folders do not matter with argv"),
        pytest.param(("x", "--id={kernel_id}"), PodOptions(), ["x", "--id=abc"], id="kernel id"),
    ],
)
def test_argv(argv: tuple[str, ...], options: PodOptions, expected: list[str]) -> None:
    assert pod_argv(SpecFacts(name="s", argv=argv), options, kernel_id="abc") == expected


def test_extra_arguments_reach_the_kernel() -> None:
    extra = ["--HistoryManager.hist_file=:memory:"]
    assert pod_argv(SpecFacts(argv=LOCAL), PodOptions(), kernel_id="abc", extra_arguments=extra) == DEFAULT + extra


@pytest.mark.parametrize("placeholder", ["resource_dir", "prefix"])
def test_folders_of_this_machine_are_refused(placeholder: str) -> None:
    spec = SpecFacts(name="odd", argv=("sh", f"{{{placeholder}}}/start.sh"))
    with pytest.raises(ConfigurationError) as caught:
        pod_argv(spec, PodOptions(), kernel_id="abc")
    assert str(caught.value).replace("this\nmachine", "this machine") == (
        f"Kernelspec 'odd' cannot run in a pod: its argv uses {{{placeholder}}}, a folder of this machine.\n"
        "Set argv or kernel_name in its kernel_provisioner config, or install one for the cluster.\n"
        "Try: kubernel install --name NAME --image IMAGE --argv ..."
    )


SERVER_ENVIRONMENT = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "JUPYTERHUB_API_TOKEN": "token",
    "JPY_PARENT_PID": "7",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNEL_IMAGE": "x",
    "KERNEL_USERNAME": "me",
    "JPY_SESSION_NAME": "a.ipynb",
    "FROM_SPEC": "1",
    "LISTED": "2",
}


@pytest.mark.parametrize(
    ("spec", "options", "expected"),
    [
        pytest.param(
            SpecFacts(), PodOptions(), {"KERNEL_USERNAME": "me", "JPY_SESSION_NAME": "a.ipynb"}, id="allow-list"
        ),
        pytest.param(
            SpecFacts(env={"FROM_SPEC": "${X}", "PATH": "/conda:${PATH}"}),
            PodOptions(env_allow=["LISTED", "HOME", "KUBERNETES_SERVICE_HOST", "JPY_PARENT_PID", "ABSENT"]),
            {"KERNEL_USERNAME": "me", "JPY_SESSION_NAME": "a.ipynb", "FROM_SPEC": "1", "LISTED": "2"},
            id="kernelspec and env_allow, but never what describes the server",
        ),
        pytest.param(
            SpecFacts(),
            PodOptions(env={"PATH": "/pod/bin", "KERNEL_USERNAME": "you"}),
            {"KERNEL_USERNAME": "you", "JPY_SESSION_NAME": "a.ipynb", "PATH": "/pod/bin"},
            id="env sets anything",
        ),
    ],
)
def test_env(spec: SpecFacts, options: PodOptions, expected: dict[str, str]) -> None:
    assert pod_env(SERVER_ENVIRONMENT, spec, options) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("KERNEL_ODD NAME", "1", id="a space"),
        pytest.param("KERNEL_%", "1", id="a sign"),
        pytest.param("KERNEL_\u00e9", "1", id="a letter that is no ASCII"),
        pytest.param("KERNEL_LONG", "x" * 40_000, id="a long value"),
        pytest.param("KERNEL_" + "X" * 250, "1", id="a long name"),
        pytest.param("KERNEL_BYTES", "\udcff", id="bytes that are no text"),
    ],
)
def test_what_the_api_would_refuse_is_left_out_with_a_warning(name: str, value: str) -> None:
    """The server has it for some reason of its own; it must not keep kernels from starting."""
    warnings: list[str] = []
    given = {name: value, "KERNEL_USERNAME": "ada"}
    assert pod_env(given, SpecFacts(), PodOptions(), warnings.append) == {"KERNEL_USERNAME": "ada"}
    assert len(warnings) == 1
    assert repr(name)[1:20] in warnings[0]
    assert pod_env(given, SpecFacts(), PodOptions(env={name: value}))[name] == value  # asked for: the API may say no


@pytest.mark.parametrize(("count", "size"), [(300, 1), (4, 30_000)], ids=["too many", "too much"])
def test_no_more_variables_are_passed_on_than_the_api_takes(count: int, size: int) -> None:
    warnings: list[str] = []
    given = {f"KERNEL_{number:03}": "x" * size for number in range(count)}
    env = pod_env(given, SpecFacts(), PodOptions(env={"MINE": "1"}), warnings.append)
    assert env["MINE"] == "1"
    assert len(env) <= 256
    assert sum(len(key) + len(value) for key, value in env.items()) <= 65_536
    assert len(env) > 2
    assert len(warnings) == 1


def test_null_unsets_a_variable() -> None:
    given = {"KERNEL_A": "1", "B": "2"}
    assert pod_env(given, SpecFacts(env={"B": "2"}), PodOptions(env={"KERNEL_A": None, "B": None})) == {}


def test_numbers_are_texts() -> None:
    """``"env": {"OMP_NUM_THREADS": 4}`` in a kernel.json: a supervisor refuses what is no text, at each restart."""
    env = pod_env({}, SpecFacts(), PodOptions(env={"OMP_NUM_THREADS": 4, "SHARE": 0.5}))  # type: ignore[dict-item]
    assert env == {"OMP_NUM_THREADS": "4", "SHARE": "0.5"}


def test_half_a_core() -> None:
    """As pods have it; a custom resource takes texts and whole numbers."""
    options = PodOptions(resources={"limits": {"cpu": 0.5, "memory": "1Gi"}, "requests": {"example.org/a": 1}})
    assert build_resources(options) == {
        "limits": {"cpu": "0.5", "memory": "1Gi"},
        "requests": {"example.org/a": 1},
    }


@pytest.mark.parametrize("resources", [{"limits": 3}, {"limit": {"cpu": "1"}}])
def test_resources_that_are_none(resources: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="The option resources is wrong"):
        build_resources(PodOptions(resources=resources))
