"""Connections of ZMQ sockets that are lost and made again."""

from collections.abc import Callable, Iterator

import pytest
import zmq

from fixtures.waiting import wait_until
from kubernel_jupyter.replacements import Question, Replacements


class Stream:
    """As much of a ZMQStream as is looked at."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def answers(one: zmq.Socket[bytes], other: zmq.Socket[bytes]) -> bool:
    """Whether a message gets there."""
    one.send(b"x")
    return bool(other.poll(1000)) and bool(other.recv_multipart())


def test_a_connection_that_is_made_anew(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    kernel, page = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    port = kernel.bind_to_random_port("tcp://127.0.0.1")
    with Replacements(Stream(page)) as replacements:
        page.connect(f"tcp://127.0.0.1:{port}")
        assert answers(page, kernel)
        assert not replacements.seen(), "it is the first one"
        kernel.close(linger=0)
        kernel = context.socket(zmq.ROUTER)
        wait_until("the port to be free", _bound(kernel, port), seconds=30)
        assert answers(page, kernel)
        wait_until("news of it", replacements.seen, seconds=30)
        assert not replacements.seen(), "once is enough"
    kernel.close(linger=0)
    page.close(linger=0)


def _bound(socket: zmq.Socket[bytes], port: int) -> Callable[[], bool]:
    def bind() -> bool:
        try:
            socket.bind(f"tcp://127.0.0.1:{port}")
        except zmq.ZMQError:
            return False
        return True

    return bind


def test_a_socket_that_is_closed_meanwhile(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    page = context.socket(zmq.DEALER)
    with Replacements(Stream(page)) as replacements:
        page.close(linger=0)
        assert not replacements.seen()


def test_a_kernel_that_is_busy_is_asked_more_and_more_seldom() -> None:
    question = Question()
    assert not question.is_due(0.0)
    question.raise_at(10.0)
    assert [now for now in range(10, 30) if question.is_due(now)] == [11, 13, 17, 25]
    question.settle()
    assert not question.is_due(1000.0)
