"""Stands between an operator and the API server: counts requests, and makes them go wrong.

Plain HTTP on loopback in front, the administrator's credentials behind. It runs in a thread of its own, so a test may
block while the operator goes on.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from fixtures.api_client import Credentials

HOP_HEADERS = {"host", "connection", "transfer-encoding", "content-length", "accept-encoding"}
VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    """A request of the operator.

    Attributes:
        verb: as RBAC calls it.
        resource: plural, with the subresource: "pods", "kernelinstances/status".
        name: of the object; of the created one for a create; "" for a collection.
        namespace: "" for none.
    """

    verb: str
    resource: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name}".strip()

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.verb not in {"get", "list", "watch"}


@dataclass(frozen=True)
class Fault:
    """What happens to a request; the default is nothing.

    Attributes:
        before: called before it is forwarded.
        after: called when the API server has answered, before the answer is handed on.
        cut: the connection ends instead: "" never, "before" it is forwarded, "after" it was answered.
        status: answered instead of forwarding.
        seconds: it waits so long before it is forwarded.
        user: it is forwarded in this user's name.
        change: changes the object in it before it is forwarded, as a mutating admission webhook does.
    """

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    cut: str = ""
    status: int = 0
    seconds: float = 0.0
    user: str = ""
    change: Callable[[dict[str, Any]], None] | None = None


HEALTHY = Fault()


class FaultProxy:
    """A proxy for one operator.

    Attributes:
        rule: says what happens to each request.
        hides: of each watch event, whether the operator must not see it.
        requests: all requests that arrived.
    """

    def __init__(self, credentials: Credentials, folder: Path) -> None:
        self._credentials = credentials
        self.kubeconfig = folder / "kubeconfig"
        self._watches: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._thread.start()
        self.reset()
        port = self._run(self._start())
        self.kubeconfig.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{port}")))

    def reset(self) -> None:
        """Everything works, nothing was counted."""
        self.rule: Callable[[Request], Fault] = lambda _: HEALTHY
        self.hides: Callable[[dict[str, Any]], bool] = lambda _: False
        self.requests: list[Request] = []
        #: Those of them that met an object that had changed meanwhile; the operator looks again and repeats them.
        self.conflicts: list[Request] = []

    def writes(self, name: str = "") -> list[str]:
        """The writes so far, of objects whose name contains ``name``; Events are named by what they are about."""
        return [str(r) for r in list(self.requests) if r.is_write and name in r.name]

    def cut_watches(self) -> None:
        """All watches that are open end without a word."""
        self._run(self._cut_watches())

    def close(self) -> None:
        """Ends it."""
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> int:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._credentials.ssl_context())
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _stop(self) -> None:
        await self._cut_watches()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0.05)  # aiohttp's TLS connections close a moment later
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _cut_watches(self) -> None:
        for watch in list(self._watches):
            watch.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = classified(request, body)
        self.requests.append(asked)
        fault = self.rule(asked)
        if fault.before:
            fault.before()
        if fault.cut == "before":
            return _abort(request)
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.status:
            return web.json_response(_failure(fault.status), status=fault.status)
        if fault.change:
            changed = json.loads(body)
            fault.change(changed)
            body = json.dumps(changed).encode()
        return await self._forward(request, body, asked, fault)

    async def _forward(self, request: web.Request, body: bytes, asked: Request, fault: Fault) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_HEADERS}
        headers |= self._credentials.headers | ({"Impersonate-User": fault.user} if fault.user else {})
        headers["Accept-Encoding"] = "identity"  # large LISTs would come compressed, and not be handed on as such
        url = self._credentials.server + request.raw_path
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, url, data=body or None, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if asked.verb == "watch" and answer.status == 200:
                return await self._stream(request, answer)
            text = await answer.read()
            if answer.status == 409:
                self.conflicts.append(asked)
            if fault.after:
                fault.after()
            if fault.cut == "after":
                return _abort(request)
            type_ = answer.headers.get("Content-Type", "application/json")
            return web.Response(body=text, status=answer.status, headers={"Content-Type": type_})

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        transport = request.transport
        assert transport is not None
        self._watches.add(transport)
        try:
            line = b""
            async for piece in answer.content.iter_any():
                *lines, line = (line + piece).split(b"\n")
                for whole in lines:
                    if not self.hides(json.loads(whole)):
                        await response.write(whole + b"\n")
        except (ConnectionError, aiohttp.ClientError):
            pass  # one of the two sides went away
        finally:
            self._watches.discard(transport)
        return response


def classified(request: web.Request, body: bytes) -> Request:
    """What a request is about."""
    parts = request.path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = (*parts, "", "", "")[:3]
    verb = VERBS.get(request.method, "get" if name else "list")
    if request.query.get("watch") in {"1", "true"}:
        verb = "watch"
    if verb == "create":
        created = json.loads(body)
        name = (created.get("involvedObject") or created["metadata"])["name"]
    return Request(verb, f"{resource}/{subresource}" if subresource else resource, name, namespace)


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _failure(status: int) -> dict[str, Any]:
    reason = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}[status]
    message = f"the fault proxy says {status}"
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "current-context": "proxy",
    }
