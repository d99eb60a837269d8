"""A manager's own connection to its kernel's control channel."""

from __future__ import annotations

import zmq
from jupyter_client.manager import KernelManager


def close_dead_control(kernel: KernelManager) -> None:
    """Closes it when nobody is at the other end; the next message opens another one.

    ZMQ gives a connection up for good when the other side turns out to speak otherwise: encrypted or not. A message
    would then be sent when there is a peer again, so never; and as jupyter_client sends it in the server's event loop,
    an interrupt, a restart or a shutdown of one such kernel would hold up all others.
    """
    control = kernel._control_socket
    if control is not None and not zmq.Socket.shadow(control).poll(0, zmq.POLLOUT):
        kernel._close_control_socket()
