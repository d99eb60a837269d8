"""A Jupyter server with our extension as the gateway of another one: pending kernels hold up none of its requests."""

import pytest

from .conftest import Room, StartServer, own_outputs

pytestmark = pytest.mark.extension
REQUEST_SECONDS = 3


def test_a_pending_kernel_behind_a_gateway(start_server: StartServer, room: Room) -> None:
    """It is pending for longer than a request may take; the page is told what it waits for, and its cell runs."""
    gateway = start_server()
    where = (f"--GatewayClient.url=http://{gateway.host}", f"--GatewayClient.auth_token={gateway.token}")
    # Else the gateway's client lets no request end before 42 s.
    limits = {"KERNEL_LAUNCH_TIMEOUT": "1"}
    server = start_server(*where, f"--GatewayClient.request_timeout={REQUEST_SECONDS}", env=limits)
    session = server.start_session("python3")
    with server.kernel(session["kernel"]["id"]) as socket:
        cell = socket.execute("print(6 * 7)")
        answers = (message["content"] for message in socket.messages(cell))
        texts = (content["data"]["text/plain"] for content in answers if "data" in content)
        next(text for text in texts if int(text.removeprefix("Kernel is starting, 0:")[:2]) > REQUEST_SECONDS)
        room.make()
        assert [output["text"] for output in own_outputs(socket, cell)] == ["42\n"]
    server.request("DELETE", f"/sessions/{session['id']}")
    assert gateway.request("GET", "/kernels") == []
