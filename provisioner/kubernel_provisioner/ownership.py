"""Only one server drives a kernel, as its label says. Every write that could hurt another one's kernel is conditional.

A KernelInstance that was taken over looks deleted to a watch that selects by label, and a process that was asleep does
not even know that. So a write holds for the version that is known here, and is thought over when there is a newer one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kubernel_api.constants import LABEL_SERVER
from kubernel_cluster.errors import ApiError

from .cluster.api import Api
from .errors import KernelDeletedError


def server_of(instance: dict[str, Any]) -> str:
    """The server that drives a kernel; empty when it is nobody's."""
    return str((instance["metadata"].get("labels") or {}).get(LABEL_SERVER) or "")


def taken_over() -> KernelDeletedError:
    """The error of a server that wants to go on with another one's kernel."""
    return KernelDeletedError(
        "Another server has taken this kernel over.", "It runs on there; here a new one can be started."
    )


async def read_if_same(api: Api, name: str, uid: str) -> dict[str, Any] | None:
    """The KernelInstance of that name and uid, or None when it is gone.

    Raises:
        ApiError: the API server does not allow it.
        KubernelError: the API server does not answer.
    """
    try:
        found = await api.read_instance(name)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return found if found["metadata"]["uid"] == uid else None


async def delete_own(api: Api, name: str, uid: str, version: str | None, server: str) -> bool:
    """Deletes a KernelInstance and all it owns, unless another server drives it.

    Args:
        api: where it is.
        name: of the KernelInstance.
        uid: of the KernelInstance.
        version: its resourceVersion as far as it is known; None when it is not.
        server: the one that may delete it.

    Returns:
        False when another server has taken it over; True also when it was gone already.

    Raises:
        ApiError: the API server does not allow it.
        KubernelError: the API server does not answer.
    """

    async def delete(known: str) -> None:
        await api.delete_instance(name, uid, known)

    done, found = await _while_own(api, name, uid, version, server, delete)
    return done or found is None


async def patch_own(
    api: Api, name: str, uid: str, version: str | None, server: str, patch: dict[str, Any]
) -> dict[str, Any] | None:
    """Merges a patch into a KernelInstance that this server drives.

    Args:
        api: where it is.
        name: of the KernelInstance.
        uid: of the KernelInstance.
        version: its resourceVersion as far as it is known; None when it is not.
        server: the one that may write it.
        patch: labels and spec.

    Returns:
        The KernelInstance; unchanged, with another server's label, when that has taken it over; None when it is gone.

    Raises:
        ApiError: the API server does not allow it.
        KubernelError: the API server does not answer.
    """

    async def patch_it(known: str) -> dict[str, Any]:
        metadata = {**patch.get("metadata", {}), "uid": uid, "resourceVersion": known}
        return await api.patch_instance(name, {**patch, "metadata": metadata})

    _, found = await _while_own(api, name, uid, version, server, patch_it)
    return found


async def _while_own(
    api: Api,
    name: str,
    uid: str,
    version: str | None,
    server: str,
    write: Callable[[str], Awaitable[dict[str, Any] | None]],
) -> tuple[bool, dict[str, Any] | None]:
    """Writes on condition of a resourceVersion, anew as long as that is old and the kernel is still the server's.

    Returns:
        Whether it was written, with the answer; else what was found instead, None when it is gone.
    """
    while True:
        if version is None:
            found = await read_if_same(api, name, uid)
            if found is None or server_of(found) != server:
                return False, found
            version = found["metadata"]["resourceVersion"]
        try:
            return True, await write(str(version))
        except ApiError as error:
            if error.status == 404:
                return False, None
            if error.status != 409:
                raise
            version = None  # it has changed, or is another one
