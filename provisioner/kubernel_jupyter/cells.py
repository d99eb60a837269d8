"""Which of a page's messages run a cell."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_binary_message, deserialize_msg_from_ws_v1

V1 = "v1.kernel.websocket.jupyter.org"


def cell_in(incoming_msg: Any, subprotocol: str | None) -> tuple[dict[str, Any], str] | None:
    """The header of a message that runs a cell, and the cell's id; None for others, and for what cannot be read."""
    header: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    # What cannot be read the base says when its time has come.
    with suppress(ValueError, KeyError, IndexError, TypeError, struct.error):
        if subprotocol == V1:
            parts = deserialize_msg_from_ws_v1(incoming_msg)[1]
            header, metadata = json.loads(parts[0]), json.loads(parts[2])
        else:
            is_bytes = isinstance(incoming_msg, bytes)
            message = deserialize_binary_message(incoming_msg) if is_bytes else json.loads(incoming_msg)
            header, metadata = message["header"], message["metadata"]
    is_cell = header.get("msg_type") == "execute_request"
    return (header, str(metadata.get("cellId") or "")) if is_cell else None
