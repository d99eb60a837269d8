"""An API server on loopback, and kubeconfigs that lead to it."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from .api_server import ApiServer


@pytest.fixture
async def api_server() -> AsyncIterator[ApiServer]:
    """One that listens."""
    server = ApiServer()
    async with server.listening():
        yield server


@pytest.fixture
def write_kubeconfig(tmp_path: Path) -> Callable[..., str]:
    """Writes a kubeconfig; returns its path. The same one each time."""

    def write(server: str, user: dict[str, Any], **cluster: Any) -> str:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "jhub"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return str(path)

    return write
