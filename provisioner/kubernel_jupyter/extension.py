"""How the extension gets into a Jupyter server: it puts its classes where nobody else has put any."""

from __future__ import annotations

from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager

from . import events
from .connection import KubernelConnection
from .handlers import add_handlers
from .kernels import KubernelKernelManager
from .log import shorten
from .reattach import take_up_all
from .saving import drop_transient_outputs
from .sessions import KubernelSessionManager

# What is replaced, by what; whoever has configured another class keeps it, and a gateway's kernels are elsewhere.
CLASSES = (
    ("kernel_manager_class", AsyncMappingKernelManager, KubernelKernelManager),
    ("session_manager_class", SessionManager, KubernelSessionManager),
    ("kernel_websocket_connection_class", ZMQChannelsWebsocketConnection, KubernelConnection),
)


def _link_jupyter_server_extension(serverapp: Any) -> None:
    """Called before the server makes its managers."""
    if GatewayClient.instance(parent=serverapp).gateway_enabled:  # as the server itself asks, a moment later
        serverapp.log.info("kubernel_jupyter leaves kernels alone: they are behind a gateway")
        return
    for name, default, _ in CLASSES:
        if serverapp.trait_has_value(name) and getattr(serverapp, name) is not default:
            found = getattr(serverapp, name).__name__
            serverapp.log.warning("kubernel_jupyter leaves kernels alone: ServerApp.%s is %s", name, found)
            return
    for name, _, ours in CLASSES:
        setattr(serverapp, name, ours)


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Called when the server has its managers and answers no request yet."""
    if not isinstance(serverapp.kernel_manager, KubernelKernelManager):
        return
    shorten(serverapp.log)
    # Now: a listener hears of those schemas only that were registered before it came.
    serverapp.event_logger.register_event_schema(events.SCHEMA)
    add_handlers(serverapp)
    serverapp.contents_manager.register_pre_save_hook(drop_transient_outputs)
    work = take_up_all(serverapp.kernel_manager, serverapp.session_manager)
    if serverapp.io_loop.asyncio_loop.is_running():  # in a test, or a notebook
        serverapp.io_loop.add_callback(lambda: work)
    else:
        serverapp.io_loop.run_sync(lambda: work)
