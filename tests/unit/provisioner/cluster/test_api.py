"""The API client: what it sends, what it tries again, what it makes of answers."""

import socket
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from fixtures.fake_api_server import INSTANCES, FakeApiServer, failure, instance, listing
from kubernel_cluster import retry
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_cluster.retry import Patience
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import ClusterBusyError, ClusterUnreachableError


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "DELAYS_SECONDS", (0.0,))


async def test_a_request(api: Api, server: FakeApiServer) -> None:
    server.answers["POST", INSTANCES] = [(201, instance())]
    assert await api.create_instance({"kind": "KernelInstance"}) == instance()
    assert server.requests == [("POST", INSTANCES, {"kind": "KernelInstance"})]
    sent = server.headers[0]
    assert (sent["Authorization"], sent["User-Agent"]) == (
        "Bearer t0ken",
        f"kubernel-provisioner/{version('kubernel')}",
    )
    assert (sent["Accept"], sent["Content-Type"]) == ("application/json", "application/json")


async def test_a_patch_is_merged(api: Api, server: FakeApiServer) -> None:
    server.answers["PATCH", f"{INSTANCES}/k-1"] = [(200, instance())]
    await api.patch_instance("k-1", {"spec": {"restartGeneration": 1}})
    assert server.headers[0]["Content-Type"] == "application/merge-patch+json"
    assert server.requests == [("PATCH", f"{INSTANCES}/k-1", {"spec": {"restartGeneration": 1}})]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_server_is_asked_again(api: Api, server: FakeApiServer, status: int) -> None:
    server.answers["GET", INSTANCES] = [failure(status), failure(status), listing(7)]
    assert await api.list_instances("a=b") == []
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_an_answer_that_stays(api: Api, server: FakeApiServer, status: int) -> None:
    server.answers["GET", INSTANCES] = [failure(status, "Because")]
    with pytest.raises(ApiError) as caught:
        await api.list_instances("")
    assert (caught.value.status, caught.value.reason, len(server.requests)) == (status, "Because", 1)


async def test_a_server_that_stays_busy(api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "delay", lambda *_: None if len(server.requests) > 3 else 0.0)
    server.answers["GET", INSTANCES] = [failure(503, "ServiceUnavailable")]
    with pytest.raises(ClusterBusyError, match=r"cannot do it now \(503\sServiceUnavailable\)"):
        await api.list_instances("")


async def test_a_token_that_has_run_out_is_read_anew(
    api: Api, server: FakeApiServer, write_kubeconfig: Callable[..., ClusterKey]
) -> None:
    write_kubeconfig(server.port, token="n3w")
    server.answers["GET", INSTANCES] = [failure(401, "Unauthorized"), listing(7)]
    assert await api.list_instances("") == []
    assert [sent["Authorization"] for sent in server.headers] == ["Bearer t0ken", "Bearer n3w"]


async def test_nobody_answers(write_kubeconfig: Callable[..., ClusterKey], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "DELAYS_SECONDS", (10.0,))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = await Api.open(write_kubeconfig(port))
    with pytest.raises(
        ClusterUnreachableError, match=f"Cannot reach the Kubernetes API server at http://127.0.0.1:{port}"
    ):
        await api.list_instances("")
    await api.close()


async def test_the_users_netrc_is_left_alone(
    api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """aiohttp refuses a request that has a token and a netrc entry."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers["GET", INSTANCES] = [listing(7)]
    await api.list_instances("")
    assert server.headers[0]["Authorization"] == "Bearer t0ken"
