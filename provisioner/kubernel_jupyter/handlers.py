"""``/kubernel/kernels/ID``: what a page shows of a kernel beside its cells, and what it asks for: memory, a pause."""

from __future__ import annotations

import json
import uuid
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from kubernel_api.quantity import amount
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import ConfigurationError, KubernelError

from .connection import KubernelConnection
from .kernels import KubernelKernelManager

_KERNEL = r"/kernels/([^/]+)"
_AMOUNTS = frozenset({"cpu", "memory"})


class ServerFacts:
    """What pages are told of the server itself.

    Attributes:
        id: another one for each start of the server.
    """

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex


class KernelHandler(APIHandler):
    """One kernel."""

    auth_resource = "kernels"

    def initialize(self, facts: ServerFacts) -> None:
        """Called by tornado."""
        self._facts = facts

    @property
    def _kernels(self) -> KubernelKernelManager:
        kernels: KubernelKernelManager = self.kernel_manager
        return kernels

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str) -> None:
        """What it waits for, uses, and why it died; null for a kernel that is none of ours."""
        told = await self._tell(kernel_id) if self._kernels.is_ours(kernel_id) else None
        server = {"id": self._facts.id, "reattached": self._kernels.taken_up}
        self.finish(json.dumps({"id": kernel_id, "kernel": told, "server": server}))

    async def _tell(self, kernel_id: str) -> dict[str, Any]:
        kernel = self._kernels.get_kernel(kernel_id)
        provisioner = self._kernels.provisioner_of(kernel_id)  # a start has none in its first moment
        reason, message = "", ""
        if getattr(kernel, "execution_state", "") == "dead":
            state = "dead"
        elif self._kernels.is_pending(kernel_id):
            state = "pending"
            reason, message = provisioner.why_waiting if provisioner is not None else ("", "")
        else:
            reason, message = provisioner.suspended if provisioner is not None else ("", "")
            state = "suspended" if reason else "ready"
        spec = getattr(kernel, "kernel_spec", None)
        return {
            "name": getattr(spec, "display_name", "") or kernel.kernel_name,
            "state": state,
            "seconds": round(self._kernels.seconds_since_start(kernel_id), 1),
            "reason": reason,
            "message": message,
            "died": getattr(kernel, "reason", "") or "",
            "memory": await _memory(provisioner, is_running=state in {"ready", "suspended"}),
        }


async def _memory(provisioner: KubernetesProvisioner | None, *, is_running: bool) -> dict[str, int | None] | None:
    """``usage`` and ``limit`` in bytes, of a kernel that does not run the limit only; None: not known."""
    if provisioner is None:
        return None
    if is_running and (used := await provisioner.usage()) is not None and used["memory"] is not None:
        return dict(used["memory"])
    limit = (provisioner.amounts.get("limits") or {}).get("memory")
    return {"usage": None, "limit": int(amount(limit))} if limit else None


class ResizeHandler(APIHandler):
    """More or less cpu and memory for a kernel that runs."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def post(self, kernel_id: str) -> None:
        """Takes ``cpu``, ``memory`` or both; answers with what is in force."""
        provisioner = _provisioner(self, kernel_id)
        asked = self.get_json_body()
        if not isinstance(asked, dict) or not asked or set(asked) - _AMOUNTS:
            raise web.HTTPError(400, "The body has cpu, memory or both, and nothing else")
        try:
            resources = await provisioner.resize(**asked)
        except ConfigurationError as error:
            raise web.HTTPError(400, str(error)) from error
        except KubernelError as error:
            raise web.HTTPError(409, str(error)) from error
        self.finish(json.dumps({"resources": resources}))


class PauseHandler(APIHandler):
    """A kernel that runs stands still, and goes on."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def post(self, kernel_id: str, action: str) -> None:
        """``action`` is pause or resume; answers with nothing once it is so."""
        provisioner = _provisioner(self, kernel_id)
        try:
            await (provisioner.pause() if action == "pause" else provisioner.resume())
        except KubernelError as error:
            raise web.HTTPError(409, str(error)) from error
        self.set_status(204)
        self.finish()


class CellsHandler(APIHandler):
    """What a page still waits for."""

    auth_resource = "kernels"

    @web.authenticated
    @authorized
    async def post(self, kernel_id: str) -> None:
        """Takes the ``headers`` of the page's requests and its ``session``; answers with nothing.

        Cells that the kernel has done end in the page.
        """
        asked = self.get_json_body()
        if not _is_about_cells(asked):
            raise web.HTTPError(400, "The body has a session, and headers of requests, each with a msg_id")
        page = KubernelConnection.of_page(kernel_id, asked["session"])
        if page is None:
            raise web.HTTPError(404, f"No such page is connected to a kernel on Kubernetes: {kernel_id}")
        page.waits_for(asked["headers"])
        self.set_status(204)
        self.finish()


def _is_about_cells(asked: Any) -> bool:
    if not isinstance(asked, dict) or not isinstance(asked.get("session"), str):
        return False
    headers = asked.get("headers")
    return isinstance(headers, list) and all(isinstance(h, dict) and isinstance(h.get("msg_id"), str) for h in headers)


def _provisioner(handler: APIHandler, kernel_id: str) -> KubernetesProvisioner:
    kernels: KubernelKernelManager = handler.kernel_manager
    provisioner = kernels.provisioner_of(kernel_id)
    if provisioner is None:
        raise web.HTTPError(404, f"There is no such kernel on Kubernetes: {kernel_id}")
    return provisioner


def add_handlers(serverapp: Any) -> None:
    """Makes a server answer there."""
    facts = ServerFacts()
    base = url_path_join(serverapp.web_app.settings["base_url"], "kubernel")
    routes = [
        (url_path_join(base, rf"{_KERNEL}/?"), KernelHandler, {"facts": facts}),
        (url_path_join(base, rf"{_KERNEL}/resize/?"), ResizeHandler),
        (url_path_join(base, rf"{_KERNEL}/(pause|resume)/?"), PauseHandler),
        (url_path_join(base, rf"{_KERNEL}/cells/?"), CellsHandler),
    ]
    serverapp.web_app.add_handlers(".*$", routes)
