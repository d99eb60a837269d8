"""A server that starts takes up the living kernels of its owner, under their old ids, with their sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kubernel_provisioner.errors import KubernelError

from .kernels import KubernelKernelManager, taking_up

if TYPE_CHECKING:
    from kubernel_provisioner import KubernetesProvisioner
    from kubernel_provisioner.launch.claiming import Left

# A server whose cluster does not answer starts all the same.
FIND_SECONDS = 5.0


async def take_up_all(kernels: KubernelKernelManager, sessions: Any) -> None:
    """Finds them and puts them where the server's kernels and sessions are; they become ready by and by."""
    places = _places(kernels)
    try:
        async with asyncio.timeout(FIND_SECONDS):
            found = await asyncio.gather(*(_find(kernels, provisioner) for provisioner in places))
    except TimeoutError:
        kernels.log.warning("Kernels of an earlier server: the cluster did not answer within %d s", FIND_SECONDS)
        return
    for left in [left for some in found for left in some]:
        await _take_up(kernels, sessions, left)


def _places(kernels: KubernelKernelManager) -> list[KubernetesProvisioner]:
    """One provisioner for each owner, cluster and namespace that the kernelspecs name."""
    found: dict[Any, KubernetesProvisioner] = {}
    for name in kernels.kernel_spec_manager.find_kernel_specs():
        provisioner = kernels.make_provisioner(name)
        if provisioner is not None and provisioner.whose:
            found.setdefault((provisioner.place, provisioner.whose), provisioner)
    return list(found.values())


async def _find(kernels: KubernelKernelManager, provisioner: KubernetesProvisioner) -> list[Left]:
    try:
        return await provisioner.find_left()
    except KubernelError as error:
        kernels.log.warning("Kernels of an earlier server were not found: %s", error)
        return []


async def _take_up(kernels: KubernelKernelManager, sessions: Any, left: Left) -> None:
    if kernels.make_provisioner(left.kernel_name) is None:
        kernels.log.warning("Kernel %s stays as it is: there is no kernelspec %r", left.kernel_id, left.kernel_name)
        return
    token = taking_up.set(left)
    try:
        if left.session is None:
            await kernels.start_kernel(kernel_name=left.kernel_name)
            return
        place = {key: left.session[key] for key in ("path", "name", "type")}
        await sessions.start_kernel_for_session(left.session["id"], **place, kernel_name=left.kernel_name)
        if not await sessions.session_exists(place["path"]):  # a database that outlived the server has it already
            await sessions.save_session(left.session["id"], **place, kernel_id=left.kernel_id)
    except Exception as error:
        kernels.log.warning("Kernel %s stays as it is: %s", left.kernel_id, error)
    finally:
        taking_up.reset(token)
