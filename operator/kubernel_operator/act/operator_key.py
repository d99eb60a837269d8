"""The operator's own key, from which the tokens of all pods derive. It lies in a Secret beside the operator."""

from __future__ import annotations

import base64
import secrets

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError

DATA_KEY = "key"


async def read_operator_key(cluster: Cluster, namespace: str, name: str) -> bytes:
    """The key; made when it does not exist. Two operators that start at once end with the same one.

    Raises:
        ApiError: no right to read or create it; the message of the server names the right.
    """
    path = paths.core("secrets", namespace)
    for _ in range(2):
        try:
            found = await cluster.get(f"{path}/{name}")
            return base64.b64decode(found["data"][DATA_KEY])
        except ApiError as error:
            if error.status != 404:
                raise
        try:
            await cluster.create(path, _secret(namespace, name))
        except ApiError as error:
            if error.status != 409:
                raise
    return base64.b64decode((await cluster.get(f"{path}/{name}"))["data"][DATA_KEY])


def _secret(namespace: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "immutable": True,
        "data": {DATA_KEY: base64.b64encode(secrets.token_bytes(32)).decode()},
    }
