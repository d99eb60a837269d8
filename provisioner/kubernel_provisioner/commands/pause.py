"""``kubernel pause`` and ``kubernel resume``: a kernel's processes stand still and keep their memory, and go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.launch.pausing import spec_of, until_suspended, verb
from kubernel_provisioner.launch.resizing import polling
from kubernel_provisioner.launch.subject import Subject

from .kernels import find_kernel, no_kernel

WAIT_SECONDS = 30.0


async def pause(name: str, key: ClusterKey, suspend: bool, say: Callable[[str], None]) -> None:
    """Pauses a kernel, or lets it go on, and waits until that is so.

    Args:
        name: of the KernelInstance.
        key: which cluster.
        suspend: whether it is to stand still.
        say: takes lines for the user.

    Raises:
        KubernelError: there is no kernel of that name, it may not be changed, or nothing comes of it.
    """
    api = await Api.open(key)
    try:
        subject = Subject(name, api.namespace, key.kubectl())
        try:
            written = await api.patch_instance(name, spec_of(suspend))
        except ApiError as error:
            if error.status == 404 and error.details.get("name") == name:
                raise no_kernel(api, name) from error
            raise api.explain(error, f"{verb(suspend)} kernel {name}") from error

        async def read() -> dict[str, Any] | None:
            return await find_kernel(api, name)

        await until_suspended(polling(read), subject, written, suspend, WAIT_SECONDS)
        say(f"{subject} {'is paused: its memory is kept' if suspend else 'goes on'}.")
    finally:
        await api.close()
