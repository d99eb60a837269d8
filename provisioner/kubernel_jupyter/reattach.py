"""A server that starts takes up the living kernels of its owner, under their old ids, with their sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kubernel_provisioner.errors import ClusterBusyError, ClusterUnreachableError, KubernelError

from .buffering import go_on
from .kernels import KubernelKernelManager, taking_up

if TYPE_CHECKING:
    from kubernel_provisioner import KubernetesProvisioner
    from kubernel_provisioner.launch.claiming import Left

# A server whose cluster does not answer starts all the same, and goes on looking for its kernels.
FIND_SECONDS = 5.0
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0


async def take_up_all(kernels: KubernelKernelManager, sessions: Any) -> None:
    """Finds them and puts them where the server's kernels and sessions are; they become ready by and by.

    What the cluster does not tell within ``FIND_SECONDS`` is asked for until it does, while the server works already.
    """
    searches = {asyncio.create_task(provisioner.find_left()): provisioner for provisioner in _places(kernels)}
    if not searches:
        return
    await asyncio.wait(searches, timeout=FIND_SECONDS)
    late = [search for search in searches if not search.done() or search.exception() is not None]
    for search in searches:
        for left in search.result() if search not in late else ():
            await _take_up(kernels, sessions, left)
    for search in late:
        go_on(kernels.searches, _take_up_late(kernels, sessions, searches[search], search))


async def _take_up_late(
    kernels: KubernelKernelManager, sessions: Any, provisioner: KubernetesProvisioner, search: asyncio.Task[list[Left]]
) -> None:
    delay, said = RETRY_SECONDS, ""
    if not search.done():
        kernels.log.warning("Kernels of an earlier server: the cluster has not answered within %d s", FIND_SECONDS)
    while True:
        try:
            found = await search
            break
        except KubernelError as error:
            if str(error) != said:  # once, however long the cluster stays away
                kernels.log.warning("Kernels of an earlier server were not found: %s", error)
            said = str(error)
            if not isinstance(error, (ClusterUnreachableError, ClusterBusyError)):
                return
        await asyncio.sleep(delay)
        delay = min(2 * delay, LONGEST_RETRY_SECONDS)
        search = asyncio.create_task(provisioner.find_left())
    for left in found:
        opened = [session["path"] for session in await sessions.list_sessions()]
        if left.session is not None and left.session["path"] in opened:
            kernels.log.warning("Kernel %s stays as it is: its notebook has another one by now", left.kernel_id)
        else:
            await _take_up(kernels, sessions, left)


def _places(kernels: KubernelKernelManager) -> list[KubernetesProvisioner]:
    """One provisioner for each owner, cluster and namespace that the kernelspecs name."""
    found: dict[Any, KubernetesProvisioner] = {}
    for name in kernels.kernel_spec_manager.find_kernel_specs():
        provisioner = kernels.make_provisioner(name)
        if provisioner is not None and provisioner.whose:
            found.setdefault((provisioner.place, provisioner.whose), provisioner)
    return list(found.values())


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
