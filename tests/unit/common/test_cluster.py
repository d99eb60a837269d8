"""Requests and what their answers mean: against an HTTP server on loopback."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from kubernel_cluster.cluster import Cluster, Listing
from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_cluster.login import Login
from kubernel_cluster.retry import NONE, Patience


class Server:
    """Answers each request with the next of ``answers`` and remembers what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.headers: dict[str, str] = {}
        self.url = ""
        self.asked: list[tuple[str, str, Any, str]] = []
        self.accepted: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body, request.headers.get("Content-Type", "")))
        self.accepted.append(request.headers.get("Accept", ""))
        status, answer = self.answers.pop(0)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer, headers=self.headers)
        return web.json_response(answer, status=status, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """An API server that says what it is told to say."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("")).rstrip("/")
        yield server


def connected(url: str, patience: Patience = NONE) -> Cluster:
    async def log_in() -> Login:
        return Login(Configuration(host=url), "ns")

    return Cluster(Connection(Login(Configuration(host=url), "ns"), log_in, "test/1"), patience)


@pytest.fixture
async def cluster(server: Server) -> AsyncIterator[Cluster]:
    """A connection to it."""
    cluster = connected(server.url)
    yield cluster
    await cluster.close()


def failure(status: int, reason: str, **details: str) -> tuple[int, dict[str, Any]]:
    return status, {"kind": "Status", "reason": reason, "message": f"it is {reason}", "details": details}


async def test_verbs(server: Server, cluster: Cluster) -> None:
    server.answers = [(201, {"a": 1}), (200, {"b": 2}), (200, {"c": 3}), (200, {})]
    assert await cluster.create("/pods", {"kind": "Pod"}) == {"a": 1}
    assert await cluster.get("/pods/k1") == {"b": 2}
    assert await cluster.merge_patch("/pods/k1/status", {"status": {}}) == {"c": 3}
    await cluster.delete("/pods/k1", uid="u")
    assert server.asked == [
        ("POST", "/pods", {"kind": "Pod"}, "application/json"),
        ("GET", "/pods/k1", None, "application/json"),
        ("PATCH", "/pods/k1/status", {"status": {}}, "application/merge-patch+json"),
        (
            "DELETE",
            "/pods/k1",
            {"propagationPolicy": "Background", "preconditions": {"uid": "u"}},
            "application/json",
        ),
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(failure(403, "Forbidden"), "Forbidden", id="refused"),
        pytest.param(failure(409, "AlreadyExists"), "AlreadyExists", id="exists"),
        pytest.param(failure(422, "Invalid"), "Invalid", id="invalid"),
        pytest.param((404, "page not found"), "Unknown", id="no Status"),
        pytest.param((404, []), "Unknown", id="no object"),
    ],
)
async def test_a_final_answer(server: Server, cluster: Cluster, answer: tuple[int, Any], reason: str) -> None:
    server.answers = [answer]
    with pytest.raises(ApiError) as caught:
        await cluster.get("/pods/k1")
    assert (caught.value.status, caught.value.reason) == (answer[0], reason)


async def test_a_refusal_says_what_it_is_about(server: Server, cluster: Cluster) -> None:
    server.answers = [failure(404, "NotFound", kind="namespaces", name="jhub")]
    with pytest.raises(ApiError, match=r"^404 NotFound: it is NotFound$") as caught:
        await cluster.get("/pods/k1")
    assert (caught.value.message, caught.value.details) == ("it is NotFound", {"kind": "namespaces", "name": "jhub"})


async def test_an_object_that_has_changed_is_an_error_of_its_own(server: Server, cluster: Cluster) -> None:
    server.answers = [failure(409, "Conflict"), failure(409, "AlreadyExists")]
    with pytest.raises(ConflictError):
        await cluster.merge_patch("/pods/k1", {})
    with pytest.raises(ApiError) as caught:
        await cluster.create("/pods", {})
    assert not isinstance(caught.value, ConflictError)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failure(429, "TooManyRequests"), id="busy"),
        pytest.param(failure(500, "InternalError"), id="failed"),
        pytest.param((503, "no backend"), id="a load balancer speaks"),
        pytest.param((408, "too slow"), id="a load balancer lost patience"),
    ],
)
async def test_no_answer_that_counts(server: Server, cluster: Cluster, answer: tuple[int, Any]) -> None:
    server.answers = [answer]
    with pytest.raises(ApiUnavailableError, match=rf"^GET /pods/k1: {answer[0]} "):
        await cluster.get("/pods/k1")
    assert len(server.asked) == 1, "it is the work queue that tries again"


LOGIN = "<!doctype html><html><head><style>a {}</style><title>Log in</title></head>\n<body><h1>Hello</h1></body></html>"


@pytest.mark.parametrize("answer", [LOGIN, "[]", "null", "OK"])
async def test_a_success_of_something_else(server: Server, cluster: Cluster, answer: str) -> None:
    """A proxy's login page, for instance; rancher/rancher#11174. An empty list would say that all kernels are gone."""
    server.answers = [(200, answer)] * 2
    with pytest.raises(ApiUnavailableError, match=r"^GET /pods: something else answers there \(HTTP 200\): ") as caught:
        await cluster.list("/pods")
    assert caught.value.status is None
    with pytest.raises(ApiUnavailableError):
        await cluster.create("/pods", {})


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (LOGIN, "Log in Hello"),
        (
            "<html>\r\n<head><title>502</title></head>\r\n<!-- x\n --><script>a < b</script> Bad\n Gateway",
            "502 Bad Gateway",
        ),
        ("no backend", "no backend"),
        ("x" * 300, "x" * 200),
    ],
)
async def test_what_a_page_says(server: Server, cluster: Cluster, page: str, said: str) -> None:
    server.answers = [(502, page)]
    with pytest.raises(ApiUnavailableError) as caught:
        await cluster.get("/pods/k1")
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [("7", 7.0), ("0", 0.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
async def test_the_servers_words_are_kept(
    server: Server, cluster: Cluster, retry_after: str | None, seconds: float | None
) -> None:
    """Who asked can be told why: a webhook that is down speaks in a 500."""
    server.answers = [failure(500, "InternalError", causes="a webhook")]
    server.headers = {"Retry-After": retry_after} if retry_after else {}
    with pytest.raises(ApiUnavailableError) as caught:
        await cluster.create("/pods", {})
    error = caught.value
    assert (error.status, error.reason, error.message) == (500, "InternalError", "it is InternalError")
    assert (error.details, error.retry_after) == ({"causes": "a webhook"}, seconds)


async def test_nobody_answers() -> None:
    cluster = connected("http://127.0.0.1:1")
    with pytest.raises(ApiUnavailableError, match=r"^GET /pods/k1: ") as caught:
        await cluster.get("/pods/k1")
    assert (caught.value.status, caught.value.retry_after) == (None, None)
    assert caught.value.message, "why there was no answer"
    await cluster.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failure(404, "NotFound"), id="gone already"),
        pytest.param(failure(409, "Conflict"), id="another object by now"),
    ],
)
async def test_deleting_what_is_gone_is_success(server: Server, cluster: Cluster, answer: tuple[int, Any]) -> None:
    server.answers = [answer]
    await cluster.delete("/pods/k1", uid="u")


async def test_list_in_pages(server: Server, cluster: Cluster) -> None:
    server.answers = [
        (200, {"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [{"a": 1}]}),
        (200, {"metadata": {"resourceVersion": "7"}, "items": [{"b": 2}]}),
    ]
    assert await cluster.list("/pods", labelSelector="a=b") == Listing([{"a": 1}, {"b": 2}], 7)
    assert [asked[1] for asked in server.asked] == [
        "/pods?limit=100&labelSelector=a%3Db",
        "/pods?limit=100&labelSelector=a%3Db&continue=next",
    ]


async def test_a_page_of_large_objects_is_asked_for_in_smaller_ones(
    server: Server, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 objects of 1.5 MB, decoded, are more than an operator may take."""
    monkeypatch.setattr("kubernel_cluster.cluster.PAGE_BYTES", 1000)
    large = {"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [{"a": "x" * 2000}]}
    last = {"metadata": {"resourceVersion": "7"}, "items": [{"b": 2}]}
    server.answers = [(200, large), (200, large), (200, large), (200, last)]
    found = [page.items async for page in cluster.pages("/pods")]
    assert found == [large["items"], last["items"]]
    assert [asked[1] for asked in server.asked] == [
        "/pods?limit=100",
        "/pods?limit=12",
        "/pods?limit=1",
        "/pods?limit=2&continue=next",
    ]


async def test_pages(server: Server, cluster: Cluster) -> None:
    server.answers = [
        (200, {"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [{"a": 1}]}),
        (200, {"metadata": {"resourceVersion": "7"}, "items": None}),
    ]
    pages = cluster.pages("/pods", {"labelSelector": "a=b"}, page_size=1)
    assert await anext(pages) == Listing([{"a": 1}], 7)
    assert len(server.asked) == 1, "the next page is asked for when it is wanted"
    assert [page async for page in pages] == [Listing([], 7)]
    assert server.asked[1][1] == "/pods?limit=1&labelSelector=a%3Db&continue=next"


async def test_who_is_patient_asks_again(server: Server) -> None:
    cluster = connected(server.url, Patience(absent=0.0, busy=60.0))
    server.answers = [failure(503, "ServiceUnavailable"), failure(500, "InternalError"), (200, {"a": 1})]
    assert await cluster.get("/pods/k1") == {"a": 1}
    server.answers = [failure(404, "NotFound")]
    with pytest.raises(ApiError):
        await cluster.get("/pods/k1")
    await cluster.close()
    assert len(server.asked) == 4, "a refusal is final"


@pytest.mark.parametrize("status", [200, 403])
async def test_time_is_the_api_server_s(server: Server, cluster: Cluster, status: int) -> None:
    server.answers = [(status, {})]
    server.headers = {"Date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    assert await cluster.time() == 1_800_000_000


async def test_time_of_one_that_does_not_say(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, {})]
    server.headers = {"Date": "soon"}
    assert abs(await cluster.time() - time.time()) < 100


async def test_metadata_only(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, {"metadata": {"resourceVersion": "7"}, "items": []})]
    assert [page.items async for page in cluster.pages("/configmaps", metadata_only=True)] == [[]]
    assert server.accepted == ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"]
