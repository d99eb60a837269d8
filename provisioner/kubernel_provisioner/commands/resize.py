"""``kubernel resize``: more or less cpu and memory for a kernel that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.launch.resizing import asked_amounts, polling, until_resized, write_resources
from kubernel_provisioner.launch.subject import Subject

from .kernels import find_kernel, no_kernel


async def resize(
    name: str,
    key: ClusterKey,
    cpu: str | None,
    memory: str | None,
    say: Callable[[str], None],
    wait_seconds: float | None,
) -> None:
    """Writes the new amounts into a KernelInstance, and waits until they are in force.

    Args:
        name: of the KernelInstance.
        key: which cluster.
        cpu: the new amount; None leaves it as it is.
        memory: the new amount; None leaves it as it is.
        say: takes lines for the user.
        wait_seconds: how long to wait; None: not at all.

    Raises:
        KubernelError: there is no kernel of that name, it may not be changed, or it cannot be resized.
    """
    asked = asked_amounts(cpu, memory)
    words = ", ".join(f"{resource} {amount}" for resource, amount in asked.items())
    api = await Api.open(key)
    try:
        subject = Subject(name, api.namespace, key.kubectl())
        written = await _write(api, name, asked)
        if wait_seconds is None:
            say(f"{subject} is to have {words}.\nTry: {subject.describe}")
            return

        async def read() -> dict[str, Any] | None:
            return await find_kernel(api, name)

        generation = written["metadata"]["generation"]
        resources = await until_resized(polling(read), subject, generation, wait_seconds)
        in_force = ", ".join(f"{resource} {amount}" for resource, amount in (resources.get("limits") or {}).items())
        say(f"{subject} has {in_force or words}.")
    finally:
        await api.close()


async def _write(api: Api, name: str, asked: dict[str, str]) -> dict[str, Any]:
    try:
        written = await write_resources(api, name, asked, lambda _: True)
    except ApiError as error:
        raise api.explain(error, f"resize kernel {name}") from error
    if written is None:
        raise no_kernel(api, name)
    return written
