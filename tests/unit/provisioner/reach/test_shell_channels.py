"""Clients whose connection to a kernel is lost, and a reply with it."""

import threading
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import Session
from jupyter_client.threaded import ThreadedKernelClient, ThreadedZMQSocketChannel

from fixtures.waiting import wait_until
from kubernel_provisioner.reach.shell_channels import AsyncShellChannel, BlockingShellChannel
from kubernel_provisioner.reach.socket_options import for_kernels_afar

SECONDS = 30.0
KEY = b"of a test"


class Kernel:
    """A shell port that answers each kernel_info_request, and the execute_requests that it is told to."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.session = Session(key=KEY)
        self.socket = self.context.socket(zmq.ROUTER)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.requests: list[str] = []
        self.answers = False
        self._is_over, self._is_lost = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while not self._is_over.is_set():
            if self._is_lost.is_set():
                self.socket.close(linger=0)
                self.socket = self.context.socket(zmq.ROUTER)
                wait_until("the port to be free", self._bound, seconds=SECONDS)
                self._is_lost.clear()
            if self.socket.poll(20):
                identities, message = self.session.recv(self.socket)
                assert message is not None
                self.requests.append(message["msg_type"])
                if message["msg_type"] == "kernel_info_request":
                    self.session.send(self.socket, "kernel_info_reply", {}, parent=message, ident=identities)
                elif self.answers:
                    content = {"status": "ok", "execution_count": 1}
                    self.session.send(self.socket, "execute_reply", content, parent=message, ident=identities)

    def _bound(self) -> bool:
        try:
            self.socket.bind(f"tcp://127.0.0.1:{self.port}")
        except zmq.ZMQError:
            return False
        return True

    def lose(self) -> None:
        """Loses all connections, with the replies that were on their way, and listens again."""
        self._is_lost.set()
        wait_until("another socket", lambda: not self._is_lost.is_set(), seconds=SECONDS)

    def end(self) -> None:
        self._is_over.set()
        self.thread.join()
        self.context.destroy(linger=0)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.end()


@pytest.fixture
def where(kernel: Kernel) -> dict[str, Any]:
    """How a client finds it; nobody listens on the other ports."""
    return {"ip": "127.0.0.1", "shell_port": kernel.port, "session": Session(key=KEY)}


def test_a_reply_that_was_lost(kernel: Kernel, where: dict[str, Any]) -> None:
    client: Any = for_kernels_afar(BlockingKernelClient)(**where)
    lost = client.execute("1")
    wait_until("the request", lambda: kernel.requests == ["execute_request"], seconds=SECONDS)
    kernel.lose()
    reply = client.get_shell_msg(timeout=SECONDS)
    assert (reply["msg_type"], reply["parent_header"]["msg_id"]) == ("execute_reply", lost)
    assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "ConnectionLost")
    kernel.answers = True
    later = client.execute("2")
    reply = client.get_shell_msg(timeout=SECONDS)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (later, "ok")
    with pytest.raises(Empty):
        client.get_shell_msg(timeout=0.1)
    client.shell_channel.stop()


async def test_a_reply_that_was_lost_to_an_asynchronous_client(kernel: Kernel, where: dict[str, Any]) -> None:
    client: Any = for_kernels_afar(AsyncKernelClient)(**where)
    lost = client.execute("1")
    wait_until("the request", lambda: kernel.requests == ["execute_request"], seconds=SECONDS)
    kernel.lose()
    reply = await client.get_shell_msg(timeout=SECONDS)
    assert (reply["parent_header"]["msg_id"], reply["content"]["ename"]) == (lost, "ConnectionLost")
    kernel.answers = True
    later = client.execute("2")
    assert (await client.get_shell_msg(timeout=SECONDS))["parent_header"]["msg_id"] == later
    with pytest.raises(Empty):
        await client.get_shell_msg(timeout=0.1)
    client.shell_channel.stop()


@pytest.mark.parametrize(
    ("client_class", "channel_class"),
    [
        (BlockingKernelClient, BlockingShellChannel),
        (AsyncKernelClient, AsyncShellChannel),
        (ThreadedKernelClient, ThreadedZMQSocketChannel),
    ],
)
def test_who_has_them(client_class: Any, channel_class: Any) -> None:
    """A client whose channels are its own keeps them."""
    client: Any = for_kernels_afar(client_class)()
    assert client.shell_channel_class is channel_class
