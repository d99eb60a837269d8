"""How clients reach a kernel: by the cluster's own addresses, or by local ports that lead through the API server.

Decided once per kernel and kept: an address that changed on a restart would cut off every client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubernel_api.constants import PORTS
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import KernelUnreachableError

from .heartbeat import Curve, echo
from .port_forward import HOST, ChannelError, PortForward

# The Service address of a new kernel answers after kube-proxy's next sync: 1.5 s on an idle node, more on a busy one.
PATIENCE_SECONDS = 30.0
# So much of it while it is not known whether the cluster's addresses can be reached from here at all.
TRIAL_SECONDS = 5.0
# After that the cluster's addresses are tried again, which did not answer.
FORGET_SECONDS = 600.0
# Between two attempts through the API server, which may have to hear of a new pod first.
OPEN_EVERY_SECONDS = 0.1

# The request that creates the kernel comes first, and takes an open connection if there is one.
PREPARE_AFTER_SECONDS = 0.05
# The kernel's channels, another control channel (a KernelManager has its own), and one for requests.
CONNECTIONS = len(PORTS) + 2
# A connection that is being opened is there sooner than another one would be; unless it got lost on its way.
PREPARED_SECONDS = 1.0


class Network(Protocol):
    """A cluster as seen from here.

    Attributes:
        api: its API server.
        direct: whether its addresses were seen to answer; None while that is not known.
        is_around: whether this process is in a pod of it, for all that the login tells.
    """

    api: Api
    direct: bool | None
    is_around: bool


@dataclass(frozen=True)
class Endpoint:
    """An address and a port."""

    host: str
    port: int


@dataclass
class Route:
    """The way to a kernel, found by ``find_route``; who holds the kernel closes it, however far that has got.

    Args:
        forward: through the API server; None is the direct way.
        is_found: whether it was decided.
        preparing: ``prepare``, while it may go on.
    """

    forward: PortForward | None = None
    is_found: bool = False
    preparing: asyncio.Task[None] | None = field(default=None, repr=False)
    _search: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def info(self, direct: dict[str, Any]) -> dict[str, Any]:
        """Connection info for clients, from the one with the cluster's own addresses."""
        if self.forward is None:
            return dict(direct)
        return {**direct, "ip": self.forward.host, **{f"{name}_port": self.forward.ports[name] for name in PORTS}}

    def control(self, connection: dict[str, Any]) -> Endpoint | None:
        """Where its supervisor is reached, or None when the image has no Python for one.

        Args:
            connection: ``status.connection``. The pod's own address is used: a Service has the kernel's ports only.
        """
        port, host = connection.get("controlPort"), connection.get("podIP") or connection.get("ip")
        if not port or not host:
            return None
        if self.forward is not None:
            return Endpoint(self.forward.host, self.forward.ports["supervisor"])
        return Endpoint(str(host), int(port))

    async def close(self) -> None:
        """Ends what leads through the API server."""
        forward, self.forward = self.forward, None
        if forward is not None:
            await forward.close()


async def find_route(
    route: Route, access: str, network: Network, direct: dict[str, Any], pod: Callable[[], str | None]
) -> None:
    """Returns once the kernel has answered along the route, which is decided first if it is a new kernel's.

    Args:
        route: the kernel's; two launches of it may be under way.
        access: auto, direct or port-forward.
        network: learns whether its addresses can be reached from here.
        direct: connection info with the cluster's own addresses.
        pod: the name of the kernel's pod at the time of a call; None while there is none.

    Raises:
        KernelUnreachableError: there is no way.
    """
    async with route._search:
        if not route.is_found:
            await _decide(route, access, network, direct, pod)
            route.is_found = True
        else:
            await prove(route, direct)


async def _decide(
    route: Route, access: str, network: Network, direct: dict[str, Any], pod: Callable[[], str | None]
) -> None:
    if access == "direct" or (access == "auto" and network.is_around):
        await prove(route, direct, PATIENCE_SECONDS)
        return
    if access == "auto" and network.direct is not False:
        if await _answers(direct, PATIENCE_SECONDS if network.direct else TRIAL_SECONDS):
            network.direct = True
            return
        network.direct = None  # a VPN may have ended since
    route.forward = await PortForward.open(network.api, pod)
    try:
        await prove(route, direct, PATIENCE_SECONDS)
    except BaseException as error:
        await route.close()
        # Slow, perhaps, and no port-forward is allowed.
        if access == "auto" and isinstance(error, KernelUnreachableError) and await _answers(direct, TRIAL_SECONDS):
            network.direct = True
            return
        raise
    if access == "auto":
        network.direct = False
        asyncio.get_running_loop().call_later(FORGET_SECONDS, _forget, network)


def _forget(network: Network) -> None:
    """One kernel that was slow, or a VPN that was off, must not send all later ones through the API server."""
    if network.direct is False:
        network.direct = None


async def prepare(route: Route, access: str, network: Network) -> None:
    """Opens the connections that the way to a kernel will need, while the kernel starts: far away, most of its time."""
    by_forward = access == "port-forward" or (access == "auto" and network.direct is False)
    if by_forward if not route.is_found else route.forward is not None:
        await asyncio.sleep(PREPARE_AFTER_SECONDS)
        await network.api.open_connections(CONNECTIONS)


async def adopt_route(
    api: Api, known: dict[str, Any], connection: dict[str, Any], pod: Callable[[], str | None]
) -> tuple[dict[str, Any], Route]:
    """The way that another process's clients took, by the same local ports where they are free.

    Args:
        api: to go through.
        known: connection info of those clients.
        connection: ``status.connection``.
        pod: the name of the kernel's pod at the time of a call; None while there is none.

    Returns:
        Connection info with the cluster's own addresses, and the route.
    """
    ports = connection.get("ports") or {}
    direct = {**known, "ip": connection.get("ip"), **{f"{name}_port": port for name, port in ports.items()}}
    if known.get("ip") != HOST or connection.get("ip") == HOST:
        return direct, Route(is_found=True)
    wanted = {name: int(known[f"{name}_port"]) for name in ports}
    return direct, Route(await PortForward.open(api, pod, wanted=wanted), is_found=True)


async def prove(route: Route, direct: dict[str, Any], seconds: float = PATIENCE_SECONDS) -> None:
    """Returns once the kernel has answered along the route.

    At the cluster's own addresses its heartbeat is echoed. Through the API server, whose every connection costs round
    trips of which there may be 300 ms, the kernel's greeting on each of its ports is enough.

    Raises:
        KernelUnreachableError: it has not, in time.
    """
    info = route.info(direct)
    try:
        if route.forward is not None:
            if route.preparing is not None:
                await asyncio.wait({route.preparing}, timeout=PREPARED_SECONDS)
            await _until_open(route.forward, seconds)
        else:
            await echo(str(info["ip"]), int(info["hb_port"]), curve=_curve(info), seconds=seconds)
    except TimeoutError as error:
        if route.forward is not None:
            raise KernelUnreachableError(
                "The kernel runs, but does not answer through the API server.",
                route.forward.last_error or f"Nothing came back for {seconds:.0f} s.",
                f"{route.forward.command} {direct['hb_port']}",
            ) from error
        raise KernelUnreachableError(
            f"The kernel runs, but does not answer at {info['ip']}:{info['hb_port']} from here.",
            "This machine is outside the cluster's network, or a NetworkPolicy keeps it out.",
            "KUBERNEL_ACCESS=port-forward",
        ) from error


async def _until_open(forward: PortForward, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with suppress(ChannelError):
                await forward.open_ahead()
                return
            await asyncio.sleep(OPEN_EVERY_SECONDS)


async def _answers(direct: dict[str, Any], seconds: float) -> bool:
    try:
        await echo(str(direct["ip"]), int(direct["hb_port"]), curve=_curve(direct), seconds=seconds)
    except TimeoutError:
        return False
    return True


def _curve(info: dict[str, Any]) -> Curve | None:
    return Curve(info["curve_publickey"], info["curve_secretkey"]) if "curve_publickey" in info else None
