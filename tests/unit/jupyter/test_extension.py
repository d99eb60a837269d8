"""How the extension gets into a server, and when it keeps out."""

from typing import Any

import pytest
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from kubernel_jupyter.connection import KubernelConnection
from kubernel_jupyter.extension import _link_jupyter_server_extension
from kubernel_jupyter.kernels import KubernelKernelManager


class SomebodysManager(AsyncMappingKernelManager):
    """One that a server's configuration names."""


@pytest.fixture(autouse=True)
def _no_gateway_left() -> Any:
    yield
    GatewayClient.clear_instance()


def test_by_default() -> None:
    app = ServerApp()
    _link_jupyter_server_extension(app)
    assert app.kernel_manager_class is KubernelKernelManager
    assert app.kernel_websocket_connection_class is KubernelConnection


def test_a_configured_class_stays() -> None:
    app = ServerApp(kernel_manager_class=SomebodysManager)
    _link_jupyter_server_extension(app)
    assert app.kernel_manager_class is SomebodysManager
    assert not app.trait_has_value("kernel_websocket_connection_class")


def test_a_gateway() -> None:
    app = ServerApp()
    GatewayClient.instance(parent=app).url = "http://127.0.0.1:9"
    _link_jupyter_server_extension(app)
    assert not app.trait_has_value("kernel_manager_class")
