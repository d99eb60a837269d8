"""What a resize writes, and how it is told how it went."""

from typing import Any

import pytest

from fixtures.fake_api_server import KERNEL, FakeApiServer, failure, instance
from fixtures.kernel_pod import Pod
from kubernel_api.conditions import ConditionType
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import (
    ConfigurationError,
    KernelDeletedError,
    KubernelError,
    NotPermittedError,
    ResizeError,
)
from kubernel_provisioner.launch import resizing
from kubernel_provisioner.launch.resizing import asked_amounts, judge_resize, resized_resources
from kubernel_provisioner.launch.verdict import Failed, Gone, Ready, Unseen, Waiting

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("known", "asked", "written"),
    [
        pytest.param({}, {"memory": "8Gi"}, {"limits": {"memory": "8Gi"}}, id="nothing was named"),
        pytest.param(
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "2048Mi"}},
            {"memory": "8Gi"},
            {"requests": {"memory": "8Gi"}, "limits": {"memory": "8Gi"}},
            id="equal stays equal",
        ),
        pytest.param(
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            {"memory": "8Gi"},
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "8Gi"}},
            id="a request of its own",
        ),
        pytest.param(
            {"requests": {"cpu": "2"}, "limits": {"cpu": "4"}},
            {"cpu": "1"},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
            id="a request that would be above",
        ),
        pytest.param({"requests": {"cpu": "2"}}, {"cpu": "3"}, {"requests": {"cpu": "3"}}, id="no limit"),
        pytest.param(
            {"limits": {"nvidia.com/gpu": 1}},
            {"memory": "8Gi"},
            {"limits": {"nvidia.com/gpu": 1, "memory": "8Gi"}},
            id="others stay",
        ),
    ],
)
def test_what_is_written(known: Json, asked: dict[str, str], written: Json) -> None:
    assert resized_resources({"spec": {"resources": known}}, asked) == written


def test_amounts() -> None:
    assert asked_amounts(2, None) == {"cpu": "2"}
    assert asked_amounts("500m", "8Gi") == {"cpu": "500m", "memory": "8Gi"}


@pytest.mark.parametrize(("cpu", "memory"), [(None, None), ("", ""), ("much", None), (None, "0"), (None, "8 Gi")])
def test_no_amounts(cpu: Any, memory: Any) -> None:
    with pytest.raises(ConfigurationError):
        asked_amounts(cpu, memory)


def said(reason: str, is_on_its_way: str = "False", *, observed: int = 2, **fields: Any) -> Json:
    """A KernelInstance whose last resize came to that."""
    condition = {"type": ConditionType.RESIZING.value, "status": is_on_its_way, "reason": reason, "message": "words"}
    status = {"observedGeneration": observed, "conditions": [condition], "resources": {"limits": {}}}
    return instance(**{**fields, **status})


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, Gone()),
        (said("Resized"), Ready({"limits": {}})),
        (instance(observedGeneration=2), Ready({})),
        (said("Resized", observed=1), Unseen()),
        (said("ResizeInProgress", "True"), Waiting("ResizeInProgress", "words")),
        (said("ResizeDeferred", "True"), Waiting("ResizeDeferred", "words")),
        (said("ResizeInfeasible"), Failed("ResizeInfeasible", "words")),
        (said("ResizeRefused"), Failed("ResizeRefused", "words")),
        (
            instance(conditions=[{"type": "Finished", "status": "True"}], reason="OOMKilled", message="m"),
            Failed("OOMKilled", "m"),
        ),
    ],
)
def test_how_far_it_has_come(found: Json | None, verdict: Any) -> None:
    assert judge_resize(found, 2) == verdict


def patched(pod: Pod, reason: str, status: str = "False") -> tuple[int, Json]:
    """The API server's answer to the write, of a time when all has happened already."""
    found = said(reason, status, **pod.status())
    found["metadata"] |= {"generation": 2, "resourceVersion": "7"}
    found["spec"]["resources"] = {"limits": {"memory": "8Gi"}}
    return 200, found


async def test_it_is_waited_for(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    server.answers["PATCH", KERNEL] = [patched(pod, "Resized")]
    assert await running.resize(memory="8Gi") == {"limits": {}}
    assert server.requests[-1] == (
        "PATCH",
        KERNEL,
        {"metadata": {"resourceVersion": "5"}, "spec": {"resources": {"limits": {"memory": "8Gi"}}}},
    )


async def test_it_is_not_waited_for(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    server.answers["PATCH", KERNEL] = [failure(409, "Conflict"), patched(pod, "ResizeDeferred", "True")]
    assert await running.resize(memory="8Gi", wait=False) == {"limits": {"memory": "8Gi"}}
    assert server.calls().count(("GET", KERNEL)) == 2


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        ("ResizeRefused", "False", "was not resized: ResizeRefused.\nwords\nTry: kubectl (.|\n)*describe(.|\n)*k-1"),
        ("ResizeDeferred", "True", "is not resized after 0 s: ResizeDeferred.\nwords"),
    ],
)
async def test_it_did_not_happen(
    running: KubernetesProvisioner,
    server: FakeApiServer,
    pod: Pod,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    status: str,
    words: str,
) -> None:
    monkeypatch.setattr(resizing, "LOOK_SECONDS", 0)
    server.answers["PATCH", KERNEL] = [patched(pod, reason, status)]
    with pytest.raises(ResizeError, match=words) as error:
        await running.resize(memory="8Gi", timeout_seconds=0)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (failure(404, "NotFound", name="k-1"), KernelDeletedError),
        ((200, instance(uid="another")), KernelDeletedError),
        ((200, instance(server="another")), KernelDeletedError),
        (failure(403, "Forbidden"), NotPermittedError),
    ],
)
async def test_a_kernel_that_is_not_ours(
    running: KubernetesProvisioner, server: FakeApiServer, found: Any, error: type[KubernelError]
) -> None:
    server.answers["GET", KERNEL] = [found]
    with pytest.raises(error):
        await running.resize(memory="8Gi")
    assert ("PATCH", KERNEL) not in server.calls()


async def test_no_kernel(provisioner: KubernetesProvisioner) -> None:
    with pytest.raises(ResizeError, match="There is no kernel to resize"):
        await provisioner.resize(memory="8Gi")
