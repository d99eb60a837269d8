"""What a page is told of a kernel beside its cells; a server of a few lines, no cluster."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer, Authorizer
from jupyter_server.auth.identity import IdentityProvider, User
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from kubernel_jupyter.connection import KubernelConnection
from kubernel_jupyter.handlers import add_handlers
from kubernel_provisioner.errors import ConfigurationError, OperatorNotRunningError, ResizeError

MEMORY = {"usage": 1, "limit": 2}


class Provisioner:
    """Of a kernel that runs, or waits."""

    why_waiting = ("ImagePulling", "The image is being pulled.")

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.suspended = ("", "")
        self.amounts: dict[str, Any] = {}
        self.used: dict[str, Any] | None = MEMORY

    async def usage(self) -> dict[str, Any]:
        return {"memory": self.used, "cpuSeconds": 1.0}

    async def pause(self) -> None:
        if self.error is not None:
            raise self.error
        self.suspended = ("Paused", "The kernel is paused.")

    async def resume(self) -> None:
        self.suspended = ("", "")

    async def resize(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return {"limits": asked}


class Kernels:
    """One kernel of ours, k, and one of another provisioner."""

    def __init__(self) -> None:
        self.provisioner = Provisioner()
        self.pending = False
        self.taken_up: int | None = None
        self.kernel = SimpleNamespace(
            kernel_name="science",
            kernel_spec=SimpleNamespace(display_name="Science"),
            execution_state="idle",
            reason="",
        )

    def is_ours(self, kernel_id: str) -> bool:
        return kernel_id == "k"

    def is_pending(self, _: str) -> bool:
        return self.pending

    def seconds_since_start(self, _: str) -> float:
        return 31.04

    def provisioner_of(self, kernel_id: str) -> Provisioner | None:
        return self.provisioner if kernel_id == "k" else None

    def get_kernel(self, _: str) -> Any:
        return self.kernel


class Reader(IdentityProvider):
    """Whoever gives the token is somebody."""

    async def _get_user(self, handler: Any) -> User | None:
        return User("ann") if handler.request.headers.get("Authorization") == "token t" else None


class ReadOnly(Authorizer):
    """A server whose people may look and touch nothing."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        return action == "read" and resource == "kernels"


class Server:
    def __init__(self, kernels: Kernels, authorizer: Any = AllowAllAuthorizer) -> None:
        identity = Reader(token="t")  # type: ignore[no-untyped-call]
        settings = {
            "base_url": "/base/",
            "kernel_manager": kernels,
            "identity_provider": identity,
            "authorizer": authorizer(identity_provider=identity),
            "disable_check_xsrf": True,
            "allow_unauthenticated_access": True,
        }
        self.web_app = Application([], **settings)
        add_handlers(SimpleNamespace(web_app=self.web_app))
        socket, self.port = bind_unused_port()
        self.http = HTTPServer(self.web_app)
        self.http.add_sockets([socket])

    async def ask(self, path: str, body: Any = None, *, token: str = "t") -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.port}/base/kubernel/{path}"
        options: dict[str, Any] = {"headers": {"Authorization": f"token {token}"}, "raise_error": False}
        if body is not None:
            options |= {"method": "POST", "body": json.dumps(body)}
        answer: HTTPResponse = await AsyncHTTPClient().fetch(url, **options)
        return answer.code, json.loads(answer.body) if answer.body else None


@pytest.fixture
def kernels() -> Kernels:
    return Kernels()


@pytest.fixture
async def server(kernels: Kernels) -> AsyncIterator[Server]:
    server = Server(kernels)
    yield server
    server.http.stop()


async def test_a_kernel_that_runs(server: Server) -> None:
    status, answer = await server.ask("kernels/k")
    assert status == 200
    assert answer["kernel"] == {
        "name": "Science",
        "state": "ready",
        "seconds": 31.0,
        "reason": "",
        "message": "",
        "died": "",
        "memory": MEMORY,
    }


async def test_one_that_waits(server: Server, kernels: Kernels) -> None:
    kernels.pending = True
    _, answer = await server.ask("kernels/k")
    found = {key: answer["kernel"][key] for key in ("state", "reason", "message", "memory")}
    assert found == {
        "state": "pending",
        "reason": "ImagePulling",
        "message": "The image is being pulled.",
        "memory": None,
    }


async def test_memory_of_one_that_does_not_say(server: Server, kernels: Kernels) -> None:
    """It starts, or has no Python; how much it may have is known from its status."""
    kernels.provisioner.amounts = {"limits": {"memory": "300Mi"}}
    kernels.provisioner.used = None
    expected = {"usage": None, "limit": 300 << 20}
    assert (await server.ask("kernels/k"))[1]["kernel"]["memory"] == expected
    kernels.pending = True
    assert (await server.ask("kernels/k"))[1]["kernel"]["memory"] == expected


async def test_a_pause_and_its_end(server: Server) -> None:
    assert await server.ask("kernels/k/pause", {}) == (204, None)
    told = (await server.ask("kernels/k"))[1]["kernel"]
    assert (told["state"], told["reason"], told["message"]) == ("suspended", "Paused", "The kernel is paused.")
    assert told["memory"] == MEMORY
    assert await server.ask("kernels/k/resume", {}) == (204, None)
    assert (await server.ask("kernels/k"))[1]["kernel"]["state"] == "ready"


async def test_a_pause_that_comes_to_nothing(server: Server, kernels: Kernels) -> None:
    kernels.provisioner.error = OperatorNotRunningError("The kernel is not paused after 30 s.")
    status, answer = await server.ask("kernels/k/pause", {})
    assert (status, answer["message"]) == (409, "The kernel is not paused after 30 s.")


async def test_one_that_is_dead(server: Server, kernels: Kernels) -> None:
    kernels.kernel.execution_state, kernels.kernel.reason = "dead", "It used more memory."
    _, answer = await server.ask("kernels/k")
    assert (answer["kernel"]["state"], answer["kernel"]["died"]) == ("dead", "It used more memory.")


async def test_kernels_of_others_are_none_of_ours(server: Server) -> None:
    """And no page asks twice: it is no error, which a server would log each time."""
    status, answer = await server.ask("kernels/other")
    assert (status, answer["kernel"]) == (200, None)
    for what in ("resize", "pause", "resume"):
        assert (await server.ask(f"kernels/other/{what}", {"memory": "1Gi"}))[0] == 404


async def test_how_many_were_reattached(server: Server, kernels: Kernels) -> None:
    before = (await server.ask("kernels/k"))[1]["server"]
    kernels.taken_up = 2
    after = (await server.ask("kernels/k"))[1]["server"]
    assert (before["reattached"], after["reattached"]) == (None, 2)
    assert before["id"] == after["id"]


async def test_more_memory(server: Server, kernels: Kernels) -> None:
    assert await server.ask("kernels/k/resize", {"memory": "600Mi"}) == (
        200,
        {"resources": {"limits": {"memory": "600Mi"}}},
    )
    assert kernels.provisioner.asked == [{"memory": "600Mi"}]


@pytest.mark.parametrize("body", [{}, [], "600Mi", {"memory": "1Gi", "wait": False}, {"timeout_seconds": 1e9}])
async def test_what_is_no_request(server: Server, kernels: Kernels, body: Any) -> None:
    assert (await server.ask("kernels/k/resize", body))[0] == 400
    assert kernels.provisioner.asked == []


@pytest.mark.parametrize(("error", "status"), [(ConfigurationError("no amount"), 400), (ResizeError("no room"), 409)])
async def test_what_is_refused_is_said(server: Server, kernels: Kernels, error: Exception, status: int) -> None:
    kernels.provisioner.error = error
    found, answer = await server.ask("kernels/k/resize", {"memory": "1Gi"})
    assert (found, answer["message"]) == (status, str(error))


async def test_strangers_are_told_nothing(server: Server, kernels: Kernels) -> None:
    assert (await server.ask("kernels/k", token="x"))[0] == 403
    assert (await server.ask("kernels/k/resize", {"memory": "1Gi"}, token="x"))[0] == 403
    assert kernels.provisioner.asked == []


async def test_who_may_only_read(kernels: Kernels) -> None:
    server = Server(kernels, ReadOnly)
    assert (await server.ask("kernels/k"))[0] == 200
    assert (await server.ask("kernels/k/resize", {"memory": "1Gi"}))[0] == 403
    assert (await server.ask("kernels/k/pause", {}))[0] == 403
    assert (kernels.provisioner.asked, kernels.provisioner.suspended) == ([], ("", ""))
    server.http.stop()


class Page(KubernelConnection):
    """A page's connection, without its channels."""

    def __init__(self, session: str) -> None:
        self.session_key = f"k:{session}"
        self.named: list[Any] = []
        self.kernels = Kernels()

    _kernels = property(lambda self: self.kernels)  # type: ignore[assignment]

    def waits_for(self, headers: list[dict[str, Any]]) -> None:
        self.named += headers


HEADERS = [{"msg_id": "1", "msg_type": "execute_request"}, {"msg_id": "2"}]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page("p")
    monkeypatch.setattr(KubernelConnection, "_open_sockets", [Page("other"), page])
    return page


async def test_a_page_names_the_cells_that_it_waits_for(server: Server, page: Page) -> None:
    assert await server.ask("kernels/k/cells", {"session": "p", "headers": HEADERS}) == (204, None)
    assert page.named == HEADERS


async def test_a_page_that_is_not_connected(server: Server, page: Page) -> None:
    assert (await server.ask("kernels/k/cells", {"session": "q", "headers": HEADERS}))[0] == 404
    assert page.named == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"session": "p"},
        {"session": 1, "headers": []},
        *({"session": "p", "headers": x} for x in ({}, [1], [{}])),
    ],
)
async def test_what_names_no_cells(server: Server, page: Page, body: Any) -> None:
    assert (await server.ask("kernels/k/cells", body))[0] == 400
    assert page.named == []
