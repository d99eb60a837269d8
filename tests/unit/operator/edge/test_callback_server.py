"""The door at which supervisors knock: on loopback."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fixtures.objects import NOW
from kubernel_operator.edge.callback_server import BODY_MAX_BYTES, callback_app
from kubernel_wire.callback import Callback, token

KEY = b"operator key"
BODY = {
    "secret": "ns/k1-0123abcd45",
    "pod": "k1-1",
    "boot": "b1",
    "sequence": 1,
    "event": "ready",
    "generation": 0,
    "time": NOW,
    "state": "running",
}


def signed(body: bytes) -> dict[str, str]:
    key = token(KEY, "ns/k1-0123abcd45").encode()
    return {"X-Kubernel-Signature": hmac.new(key, body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize(
    ("body", "headers", "known", "status", "taken"),
    [
        pytest.param(json.dumps(BODY).encode(), None, True, 204, True, id="taken"),
        pytest.param(json.dumps(BODY).encode(), None, False, 404, True, id="unknown pod: come again"),
        pytest.param(json.dumps(BODY).encode(), {}, True, 403, False, id="no signature"),
        pytest.param(
            json.dumps(BODY).encode(), {"X-Kubernel-Signature": "0" * 64}, True, 403, False, id="wrong signature"
        ),
        pytest.param(b"{}", None, True, 400, False, id="malformed"),
        pytest.param(b"x" * (BODY_MAX_BYTES + 1), None, True, 413, False, id="too large"),
    ],
)
async def test_answers(body: bytes, headers: dict[str, str] | None, known: bool, status: int, taken: bool) -> None:
    given: list[Callback] = []

    def take(callback: Callback) -> bool:
        given.append(callback)
        return known

    async with TestClient(TestServer(callback_app(KEY, take))) as client:
        answer = await client.post("/v1/callback", data=body, headers=signed(body) if headers is None else headers)
        assert answer.status == status
    assert [c.pod for c in given] == (["k1-1"] if taken else [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/callback"), ("POST", "/"), ("POST", "/metrics")])
async def test_nothing_else_is_served(method: str, path: str) -> None:
    def take(_: Any) -> bool:
        raise AssertionError("nothing was sent")

    async with TestClient(TestServer(callback_app(KEY, take))) as client:
        assert (await client.request(method, path)).status in {404, 405}
