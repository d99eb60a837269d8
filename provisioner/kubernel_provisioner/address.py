"""Where clients reach a kernel, and where its supervisor is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import KernelUnreachableError
from .heartbeat import Curve, echo
from .waiting import Subject

# The Service address of a new kernel answers after kube-proxy's next sync, at most 1 s apart on an idle node.
DIRECT_SECONDS = 30.0


@dataclass(frozen=True)
class Endpoint:
    """An address and a port."""

    host: str
    port: int


def control_endpoint(connection: dict[str, Any]) -> Endpoint | None:
    """The supervisor's, or None when the image has no Python for one.

    Args:
        connection: ``status.connection``. The pod's own address is used: a Service has the five kernel ports only.
    """
    port, host = connection.get("controlPort"), connection.get("podIP") or connection.get("ip")
    return Endpoint(str(host), int(port)) if port and host else None


def curve_of(info: dict[str, Any]) -> Curve | None:
    """The CurveZMQ keys in connection info."""
    return Curve(info["curve_publickey"], info["curve_secretkey"]) if "curve_publickey" in info else None


async def prove_direct(info: dict[str, Any], subject: Subject) -> None:
    """Returns once the kernel's heartbeat was echoed through the address in its connection info.

    Raises:
        KernelUnreachableError: it was not, in time.
    """
    host, port = str(info["ip"]), int(info["hb_port"])
    try:
        await echo(host, port, curve=curve_of(info), seconds=DIRECT_SECONDS)
    except TimeoutError as error:
        raise KernelUnreachableError(
            f"{subject} runs, but does not answer at {host}:{port} from here.",
            "Is this machine outside the cluster's network, or does a NetworkPolicy keep it out?",
            "KUBERNEL_ACCESS=port-forward",
        ) from error
