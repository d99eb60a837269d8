"""Socket options for kernels on other machines.

ZMQ connects again by itself, but leaves it to TCP to give up first: two minutes for an attempt that went to where a pod
was a moment ago (kube-proxy follows within a second, the attempt is not led anew), and for ever for a connection that
is only listened to when its node, or a router's memory of it, is gone. Linux forgets an idle connection through a
Service after a day: without probes an iopub channel would be deaf on Monday.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from typing import Any, Final

import zmq

from .shell_channels import CHANNELS

#: Milliseconds, but for keepalive: seconds, and a number of probes. Dead for two minutes is dead.
OPTIONS: Final[Mapping[int, int]] = {
    zmq.CONNECT_TIMEOUT: 2_000,
    zmq.TCP_MAXRT: 120_000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 60,
    zmq.TCP_KEEPALIVE_INTVL: 15,
    zmq.TCP_KEEPALIVE_CNT: 4,
}


class KernelsAfar:
    """Mixed into a client's class: a context that a client makes for itself has the defaults, too.

    Its shell channel knows of replies that were lost, unless the class has channels of its own.
    """

    ip: str

    def _shell_channel_class_default(self) -> Any:
        theirs = type(self).shell_channel_class.default_value  # type: ignore[attr-defined]
        return CHANNELS.get(theirs, theirs)

    def _context_default(self) -> Any:
        context = super()._context_default()  # type: ignore[misc]
        set_defaults(context)
        use_ipv6(context, self.ip)
        return context


@functools.cache
def for_kernels_afar(client: type) -> type:
    """The class of clients that is like ``client``, a subclass of ``KernelClient``, with these options."""
    if issubclass(client, KernelsAfar):
        return client
    return types.new_class(
        client.__name__, (KernelsAfar, client), exec_body=lambda body: body.update(__module__=client.__module__)
    )


def prepare(manager: Any) -> None:
    """Makes the options the defaults of what the manager connects, and of the clients that it makes from now on.

    nbclient, papermill and the console use ``manager.client()``. A context that is handed to it is left alone.

    Args:
        manager: a KernelManager, or None.
    """
    set_defaults(getattr(manager, "context", None))
    client = getattr(manager, "client_factory", None)
    if isinstance(client, type):
        manager.client_factory = for_kernels_afar(client)


def set_defaults(context: Any) -> None:
    """Makes these the defaults of the sockets that ``context`` opens from now on; None is left alone.

    Args:
        context: ``KernelManager.context``, which jupyter_server's websockets use. By default it is the manager's own,
            or that of all kernels of a MultiKernelManager. A program that gives its managers the context of its other
            sockets gets these defaults for those, too; each socket may set others.
    """
    if isinstance(context, zmq.Context):
        for option, value in OPTIONS.items():
            context.setsockopt(option, value)


def use_ipv6(context: Any, address: str) -> None:
    """Lets the sockets that ``context`` opens from now on connect to a kernel whose address is of IPv6.

    Not before: it uses IPv6 for addresses of IPv4, too, then, and a machine may have none.
    """
    if isinstance(context, zmq.Context) and ":" in address:
        context.setsockopt(zmq.IPV6, 1)
