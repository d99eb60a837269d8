"""The connection Secret of a kernel that this process has made, when somebody has deleted it."""

from __future__ import annotations

import logging

from kubernel_api.conditions import Reason
from kubernel_cluster.errors import ApiError
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KubernelError
from kubernel_wire.keys import ConnectionKeys, connection_secret


async def make_key_again(cluster: Cluster, name: str, secret: dict[str, str] | None, log: logging.Logger) -> None:
    """Makes the Secret once more as soon as the operator says that the kernel's new pod waits for it.

    With the same key: clients have it. A Secret of that name that is there has another one, for all that is known, and
    clients are not answered then: that is said, and no more can be done.

    Args:
        cluster: where it is.
        name: of the KernelInstance.
        secret: data of the Secret, base64; None where this process has not made it.
        log: the provisioner's.
    """
    seen = cluster.view.get(name)
    while seen is None or seen.status.get("reason") != Reason.WAITING_FOR_KEY:
        seen = await cluster.view.change(name, seen, None)
    if secret is None:
        log.warning(
            "Kernel %s waits for its connection Secret, which was deleted and whose key is not known here", name
        )
        return
    log.warning("The connection Secret of kernel %s was deleted; it is made again", name)
    try:
        await cluster.api.create_secret(connection_secret(seen.instance, ConnectionKeys.read(secret)))
    except (ApiError, KubernelError) as error:
        log.warning("The connection Secret of kernel %s could not be made again: %s", name, error)
