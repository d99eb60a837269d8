"""KernelTemplates in the operator's namespace: on a real API server, with real pods."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.api_client import Json

from .kernels import Kernel, Kernels
from .test_refusals import stalled

MakeTemplate = Callable[..., str]
# Nothing stops it from outside: when it ends, it was told to, or its pod went.
SIDECAR = {"image": "localhost/kubernel/kernel-python:dev", "command": ["python3", "-c", "input()"], "stdin": True}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
def make_template(kernels: Kernels) -> Iterator[MakeTemplate]:
    """Makes KernelTemplates: ``make(name="", **spec)`` returns its name. They go at the end."""
    made: list[str] = []

    def make(name: str = "", **spec: Any) -> str:
        name = name or f"t-{secrets.token_hex(4)}"
        body = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelTemplate", "metadata": {"name": name}}
        kernels.api.request("POST", template_path(kernels), {**body, "spec": spec})
        made.append(name)
        return name

    yield make
    for name in made:
        kernels.api.request("DELETE", template_path(kernels, name))


def template_path(kernels: Kernels, name: str = "") -> str:
    return kernels.path("kerneltemplates", name, group="kubernel.dev/v1beta1")


def kernel_container(pod: Json) -> Json:
    found: Json = next(c for c in pod["spec"]["containers"] if c["name"] == "kernel")
    return found


def test_a_kernel_waits_for_its_template(kernels: Kernels, make_template: MakeTemplate) -> None:
    name = f"t-{secrets.token_hex(4)}"
    kernel = kernels.create(templateName=name)
    status = kernel.reason("TemplateNotFound")
    assert status["message"] == f"There is no KernelTemplate {name} in namespace {kernels.namespace}."
    assert kernel.children("pods") == kernel.children("secrets") == []
    make_template(name, pod={"metadata": {"labels": {"team": "science"}}})
    kernel.ready()
    (pod,) = kernel.children("pods")
    assert pod["metadata"]["labels"]["team"] == "science"


def test_what_asks_for_more_than_its_bounds_gets_nothing(kernels: Kernels, make_template: MakeTemplate) -> None:
    name = make_template(bounds={"maxResources": {"memory": "1Gi"}, "images": ["*/kernel-python:*"]})
    kernel = kernels.create(templateName=name, resources={"limits": {"memory": "2Gi"}})
    message = stalled(kernel, "Forbidden")
    assert message == f"spec.resources.limits.memory: 2Gi is more than 1Gi, maxResources of KernelTemplate {name}."
    assert kernel.children("pods") == kernel.children("secrets") == []
    patch = {"spec": {"bounds": {"maxResources": {"memory": "2Gi"}}}}
    kernels.api.request("PATCH", template_path(kernels, name), patch)
    kernel.ready()


def test_a_template_shapes_the_next_pod_and_leaves_the_living_one(
    kernels: Kernels, make_template: MakeTemplate
) -> None:
    name = make_template(pod={"metadata": {"annotations": {"cost": "a"}}})
    kernel = kernels.start(templateName=name)
    (first,) = kernel.children("pods")
    patch = {"spec": {"pod": {"metadata": {"annotations": {"cost": "b"}}}}}
    kernels.api.request("PATCH", template_path(kernels, name), patch)
    second = kernels.start(templateName=name)
    assert [p["metadata"]["annotations"]["cost"] for p in second.children("pods")] == ["b"]
    (same,) = kernel.children("pods")
    assert (same["metadata"]["uid"], same["metadata"]["annotations"]["cost"]) == (first["metadata"]["uid"], "a")


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_pod_with_a_sidecar_ends_with_its_kernel(kernels: Kernels, make_template: MakeTemplate, field: str) -> None:
    """As in a mesh: one that runs beside the kernel, and one of Kubernetes' own sidecars."""
    sidecar = {"name": "proxy", **SIDECAR, "securityContext": RESTRICTED}
    sidecar |= {"restartPolicy": "Always"} if field == "initContainers" else {}
    kernel = kernels.start(templateName=make_template(pod={"spec": {field: [sidecar]}}))
    (pod,) = kernel.children("pods")
    assert kernel_container(pod)["args"]
    kernel.do("os._exit(0)")
    kernel.reason("Completed")
    kernel.wait("the pod's end", lambda: not kernel.children("pods"))


def test_a_secret_and_an_account_that_no_user_could_name(kernels: Kernels, make_template: MakeTemplate) -> None:
    name = f"t-{secrets.token_hex(4)}"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"S3_KEY": "from-secret"}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    kernels.api.request("POST", kernels.path("secrets"), secret)
    kernels.api.request("POST", kernels.path("serviceaccounts"), account)
    make_template(
        name,
        pod={
            "spec": {
                "serviceAccountName": name,
                "containers": [{"name": "kernel", "envFrom": [{"secretRef": {"name": name}}]}],
            }
        },
    )
    kernel = kernels.start(templateName=name)
    (pod,) = kernel.children("pods")
    assert pod["spec"]["serviceAccountName"] == name
    kernel.do("os._exit(7 if os.environ['S3_KEY'] == 'from-secret' else 8)")
    assert kernel.exited()["exitCode"] == 7


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        pytest.param({"defaults": {"image": "example.org/k:1"}}, "True", "would take", id="good"),
        pytest.param({"pod": {"spec": {"volumes": 7}}}, "False", "cannot unmarshal", id="wrong type"),
        pytest.param(
            {"pod": {"spec": {"containers": [{"name": "kernel", "envForm": []}]}}},
            "False",
            'unknown field "spec.containers[0].envForm"',
            id="misspelt",
        ),
        pytest.param(
            {"defaults": {"priorityClassName": "nope"}}, "False", "no PriorityClass with name nope", id="class"
        ),
        pytest.param(
            {"pod": {"spec": {"containers": [{"name": "kernel", "command": ["x"]}]}}},
            "False",
            "spec.pod.spec.containers[kernel].command: the kernel's own",
            id="reserved",
        ),
        pytest.param({"pod": {"spec": {"hostPID": True}}}, "Unknown", "refused by Pod Security", id="pod security"),
    ],
)
def test_a_bad_template_says_so(
    kernels: Kernels, make_template: MakeTemplate, spec: Json, status: str, words: str
) -> None:
    path = template_path(kernels, make_template(**spec))
    kernel = Kernel(kernels, "none")
    ready, stalled = kernel.wait(
        "conditions", lambda: kernels.api.request("GET", path).get("status", {}).get("conditions")
    )
    assert (ready["type"], ready["status"]) == ("Ready", status)
    assert (stalled["type"], stalled["status"]) == ("Stalled", str(status == "False"))
    assert words in ready["message"]
    pods = kernels.api.request("GET", kernels.path("pods"))["items"]
    assert "template-check-1" not in [pod["metadata"]["name"] for pod in pods]
