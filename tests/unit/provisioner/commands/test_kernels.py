"""``kubernel ps``, ``stop``, ``restart``, ``pause``, ``events`` and ``logs`` against an API server of a few lines."""

import json
from typing import Any

import pytest

from fixtures.fake_api_server import INSTANCES, KERNEL, NAMESPACE, FakeApiServer, failure, instance, listing
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.commands import events, kernels, logs
from kubernel_provisioner.commands.pause import pause
from kubernel_provisioner.errors import KernelFailedError, NotPermittedError, RefusedError

EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
POD_LOG = f"/api/v1/namespaces/{NAMESPACE}/pods/k-1-1/log"
READY = {"conditions": [{"type": "Ready", "status": "True"}], "connection": {"ip": "10.0.0.7"}, "observedGeneration": 2}


@pytest.fixture
def key(server: FakeApiServer, write_kubeconfig: Any) -> ClusterKey:
    found: ClusterKey = write_kubeconfig(server.port)
    return found


def kernel(name: str, created: str = "2026-11-29T12:00:00Z", **status: Any) -> dict[str, Any]:
    made = instance(name, **status)
    made["metadata"]["creationTimestamp"] = created
    made["spec"] |= {"kernel": {"displayName": "Science"}, "image": "s:1", "owner": "ann"}
    return made


def test_the_table() -> None:
    now = 1796040000.0  # 2026-11-30T12:00:00Z
    living = kernel("k-1", phase="Running", reason="Running", nodeName="n1", resources={"limits": {"memory": "2Gi"}})
    dying = kernel("k-2", created="2026-11-30T11:59:30Z")
    dying["metadata"]["deletionTimestamp"] = "2026-11-30T12:00:00Z"
    still = [{"type": "Suspended", "status": "True", "reason": "Paused"}]
    paused = kernel("k-3", phase="Running", reason="Running", conditions=still, memory={"usage": "244Mi"})
    paused["status"]["resources"] = {"limits": {"memory": "600Mi"}}
    assert kernels.table([living, dying, paused], now) == [
        ["NAME", "KERNEL", "PHASE", "REASON", "MEMORY", "AGE"],
        ["k-1", "Science", "Running", "Running", "2Gi", "24h"],
        ["k-2", "Science", "Deleting", "-", "-", "30s"],
        ["k-3", "Science", "Running", "Paused", "244Mi/600Mi", "24h"],
    ]
    assert kernels.table([living], now, wide=True, everywhere=True)[1] == [
        *(NAMESPACE, "k-1", "Science", "Running", "Running", "2Gi", "24h", "n1", "s:1", "ann")
    ]


async def test_listing_is_by_age(server: FakeApiServer, key: ClusterKey) -> None:
    server.answers["GET", INSTANCES] = [
        listing(1, kernel("b"), kernel("a"), kernel("c", created="2026-11-01T00:00:00Z"))
    ]
    assert [item["metadata"]["name"] for item in await kernels.list_kernels(key)] == ["c", "a", "b"]


async def test_listing_everywhere(server: FakeApiServer, key: ClusterKey) -> None:
    everywhere = "/apis/kubernel.dev/v1beta1/kernelinstances"
    server.answers["GET", everywhere] = [listing(1), failure(403, "Forbidden", "no")]
    assert await kernels.list_kernels(key, everywhere=True) == []
    with pytest.raises(NotPermittedError, match="cannot list kernels"):
        await kernels.list_kernels(key, everywhere=True)


async def test_stop(server: FakeApiServer, key: ClusterKey) -> None:
    """The one that was found, and no later one of the same name."""
    server.answers["GET", KERNEL] = [(200, kernel("k-1"))]
    server.answers["DELETE", KERNEL] = [(200, {})]
    said: list[str] = []
    await kernels.stop(["k-1"], key, said.append)
    assert said == ["Kernel k-1 is being stopped."]
    assert server.requests[-1] == ("DELETE", KERNEL, {"preconditions": {"uid": "u1"}})


async def test_stop_goes_on_after_what_is_gone_or_may_not_be_deleted(server: FakeApiServer, key: ClusterKey) -> None:
    """``--all``: one ends by itself meanwhile, and one is another owner's, which a policy forbids."""
    server.answers["GET", INSTANCES] = [listing(1, *(kernel(f"k-{number}") for number in (1, 2, 3)))]
    server.answers["DELETE", KERNEL] = [failure(404, "NotFound", name="k-1")]
    server.answers["DELETE", f"{INSTANCES}/k-2"] = [failure(403, "Forbidden", 'User "me" cannot delete it')]
    server.answers["DELETE", f"{INSTANCES}/k-3"] = [(200, {})]
    said: list[str] = []
    with pytest.raises(NotPermittedError, match="cannot stop kernel k-2"):
        await kernels.stop([], key, said.append)
    assert said == ["Kernel k-1 is gone already.", "Kernel k-3 is being stopped."]


@pytest.mark.parametrize("what", ["stop", "restart", "pause", "logs"])
async def test_there_is_no_such_kernel(server: FakeApiServer, key: ClusterKey, what: str) -> None:
    for method in ("GET", "PATCH"):
        server.answers[method, KERNEL] = [failure(404, "NotFound", name="k-1")]
    work = {
        "stop": lambda: kernels.stop(["k-1"], key, print),
        "restart": lambda: kernels.restart("k-1", key, print, None),
        "pause": lambda: pause("k-1", key, True, print),
        "logs": lambda: logs.logs("k-1", key, {}, print),
    }
    with pytest.raises(RefusedError, match="There is no kernel k-1 in namespace jhub") as caught:
        await work[what]()
    assert "kubernel events k-1" in str(caught.value).replace(" \\\n    ", " ")


async def test_restart(server: FakeApiServer, key: ClusterKey) -> None:
    """A change in between does not count twice, and ready is what was ready after it."""
    server.answers["GET", KERNEL] = [
        (200, kernel("k-1")),
        (200, kernel("k-1", version=6)),
        (200, kernel("k-1", version=7, restartGeneration=0, **READY)),
        (200, kernel("k-1", version=8, restartGeneration=1, **READY)),
    ]
    written = kernel("k-1", version=7)
    written["metadata"]["generation"], written["spec"]["restartGeneration"] = 2, 1
    server.answers["PATCH", KERNEL] = [failure(409, "Conflict"), (200, written)]
    said: list[str] = []
    await kernels.restart("k-1", key, said.append, 60)
    assert said == ["Kernel k-1 is ready again."]
    patches = [body for method, _, body in server.requests if method == "PATCH"]
    assert patches[-1] == {"metadata": {"uid": "u1", "resourceVersion": "6"}, "spec": {"restartGeneration": 1}}


async def test_a_restart_whose_answer_was_lost_is_not_counted_twice(server: FakeApiServer, key: ClusterKey) -> None:
    server.answers["GET", KERNEL] = [
        (200, kernel("k-1")),
        (200, kernel("k-1", version=6, restartGeneration=1)),
    ]
    server.answers["GET", KERNEL][1][1]["spec"]["restartGeneration"] = 1
    server.answers["PATCH", KERNEL] = [failure(409, "Conflict")]
    said: list[str] = []
    await kernels.restart("k-1", key, said.append, None)
    assert said == ["Kernel k-1 is being restarted."]
    assert len([method for method, _, _ in server.requests if method == "PATCH"]) == 1


async def test_a_restart_ends_a_pause(server: FakeApiServer, key: ClusterKey) -> None:
    paused = kernel("k-1")
    paused["spec"]["suspend"] = True
    server.answers["GET", KERNEL] = [(200, paused)]
    server.answers["PATCH", KERNEL] = [(200, paused)]
    await kernels.restart("k-1", key, print, None)
    assert server.requests[-1][2]["spec"] == {"restartGeneration": 1, "suspend": False}


@pytest.mark.parametrize(("suspend", "words"), [(True, "is paused: its memory is kept."), (False, "goes on.")])
async def test_pause(server: FakeApiServer, key: ClusterKey, suspend: bool, words: str) -> None:
    written = kernel("k-1", **READY)
    server.answers["PATCH", KERNEL] = [(200, written)]
    server.answers["GET", KERNEL] = [(200, written)]
    said: list[str] = []
    await pause("k-1", key, suspend, said.append)
    assert len(said) == 1
    assert said[0].endswith(words)
    assert [body for method, _, body in server.requests if method == "PATCH"] == [{"spec": {"suspend": suspend}}]


async def test_a_kernel_that_is_over_cannot_be_restarted(server: FakeApiServer, key: ClusterKey) -> None:
    over = {"conditions": [{"type": "Finished", "status": "True"}], "reason": "OOMKilled"}
    server.answers["GET", KERNEL] = [(200, kernel("k-1", **over))]
    with pytest.raises(KernelFailedError, match="is over: OOMKilled"):
        await kernels.restart("k-1", key, print, None)


def event(name: str, reason: str, time: str, kind: str = "Pod") -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    return {
        "metadata": {},
        "involvedObject": about,
        "lastTimestamp": time,
        "type": "Normal",
        "reason": reason,
        "message": "a\nb",
    }


async def test_events_of_a_kernel_and_its_pods(server: FakeApiServer, key: ClusterKey) -> None:
    """Also when nothing of it is left, and none of a kernel whose name begins like its own."""
    server.answers["GET", EVENTS] = [
        listing(
            1,
            event("k-1-2", "Pulled", "2026-11-30T11:59:58Z"),
            event("k-1", "Unschedulable", "2026-11-30T11:59:00Z", "KernelInstance"),
            event("k-10", "Other", "2026-11-30T11:59:00Z"),
            event("k-1-a", "Other", "2026-11-30T11:59:00Z"),
        )
    ]
    found = await events.read_events("k-1", key)
    assert events.table(found, 1796040000.0) == [
        ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        ["60s", "Normal", "Unschedulable", "its own", "a b"],
        ["2s", "Normal", "Pulled", "pod k-1-2", "a b"],
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, kernel("k-1")), "has no pod yet"),
        (failure(404, "NotFound", name="k-1-1"), "pod of kernel k-1 is gone"),
        (failure(400, "BadRequest", "container is waiting to start"), "has no log yet"),
        (failure(403, "Forbidden", "no"), "Not permitted"),
    ],
)
async def test_a_log_that_cannot_be_had(server: FakeApiServer, key: ClusterKey, answer: Any, error: str) -> None:
    has_pod = answer[0] != 200
    server.answers["GET", KERNEL] = [(200, kernel("k-1", **({"podName": "k-1-1"} if has_pod else {})))]
    server.answers["GET", POD_LOG] = [answer]
    with pytest.raises((RefusedError, NotPermittedError), match=error):
        await logs.logs("k-1", key, {}, print)


async def test_a_log(server: FakeApiServer, key: ClusterKey) -> None:
    server.answers["GET", KERNEL] = [(200, kernel("k-1", podName="k-1-1"))]
    server.answers["GET", POD_LOG] = [(200, {"a": 1})]
    pieces: list[bytes] = []
    await logs.logs("k-1", key, {"tailLines": "3"}, pieces.append)
    assert json.loads(b"".join(pieces)) == {"a": 1}
