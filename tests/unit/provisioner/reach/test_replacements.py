"""Connections of ZMQ sockets that are lost and made again."""

from collections.abc import Callable, Iterator

import pytest
import zmq

from fixtures.waiting import wait_until
from kubernel_provisioner.reach.replacements import Question, Replacements


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
    with Replacements(page) as replacements:
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
    with Replacements(page) as replacements:
        page.close(linger=0)
        assert not replacements.seen()


def test_a_kernel_that_is_busy_is_asked_more_and_more_seldom() -> None:
    question = Question()
    assert not question.is_due(0.0)
    question.raise_at(10.0)
    assert [now for now in range(10, 30) if question.is_due(now)] == [11, 13, 17, 25]
    question.asked("q", frozenset({"cell"}))
    assert question.answered("cell") is None
    assert question.answered("q") == {"cell"}
    assert not question.is_due(1000.0)


def test_answers_come_once_and_settle_what_was_asked_before() -> None:
    """However many were lost, a page that is open for weeks keeps none of them."""
    question = Question()
    for number in range(5):
        question.asked(f"q{number}", frozenset({f"cell{number}"}))
    assert question.answered("q3") == {"cell3"}
    assert (question.answered("q1"), question.answered("q3")) == (None, None)
    assert question.awaits_reply
    assert not question.is_reply("what the page asked")
    assert question.is_reply("q3")
    assert not question.is_reply("q2")
    assert question.is_reply("q4")
    assert not question.awaits_reply
    assert question.answered("q4") == {"cell4"}
