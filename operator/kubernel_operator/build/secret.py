"""The Secret of a KernelInstance's pod. Pure. Its clients' is ``kubernel_wire.keys``."""

from __future__ import annotations

from kubernel_api.children import child_secret
from kubernel_api.constants import (
    KEY_VARIABLES,
    POD_SECRET_TYPE,
    SECRET_BOOTSTRAP,
    SECRET_CURVE_SECRETKEY,
    SECRET_KEY,
    SECRET_TOKEN,
)
from kubernel_api.names import pod_secret_name, secret_name
from kubernel_operator.observe.facts import Json
from kubernel_supervisor.bootstrap import bootstrap_script, supervisor_digest
from kubernel_wire.callback import pod_secret_mark, token
from kubernel_wire.sealed_keys import keys_sealed_in


def qualified_secret_name(cr: Json) -> str:
    """``namespace/name`` of the connection Secret: what tokens are derived from and callbacks name."""
    metadata = cr["metadata"]
    return f"{metadata['namespace']}/{secret_name(metadata['name'], metadata['uid'])}"


def own_secret(cr: Json, operator_key: bytes, supervisor: str) -> Json:
    """The pod's own Secret: whoever may read a connection key must not be able to speak for the pod.

    With the connection's keys where the client has sealed them. Only the pod knows its name, which is another one for
    another content, since that cannot be changed.

    Args:
        cr: the KernelInstance.
        operator_key: derives the token, and opens sealed keys.
        supervisor: source of the supervisor that the pod is to execute, and no other.
    """
    metadata, subject = cr["metadata"], qualified_secret_name(cr)
    keys = {KEY_VARIABLES[name]: text for name, text in _sealed_keys(cr, operator_key).items()}
    data = {**pods_variables(token(operator_key, subject), supervisor), **keys}
    mark = pod_secret_mark(operator_key, subject, " ".join([supervisor_digest(supervisor), *sorted(data)]))
    return child_secret(cr, pod_secret_name(metadata["name"], metadata["uid"], mark), POD_SECRET_TYPE, data)


def holds_keys(own_secret: Json) -> bool:
    """Whether a pod's own Secret has the connection's keys: the pod need not wait for its client's."""
    return KEY_VARIABLES[SECRET_KEY] in own_secret["stringData"]


def pods_variables(token: str, supervisor: str) -> dict[str, str]:
    """What each pod's own Secret holds, a pool's member's, too: variables of its container."""
    return {SECRET_TOKEN: token, SECRET_BOOTSTRAP: bootstrap_script(supervisor)}


def _sealed_keys(cr: Json, operator_key: bytes) -> dict[str, str]:
    connection = cr["spec"].get("connection") or {}
    keys = keys_sealed_in(operator_key, cr) if connection.get("keyFrom") == "Client" else None
    needed = SECRET_KEY if connection.get("encryption", "Disabled") == "Disabled" else SECRET_CURVE_SECRETKEY
    return keys if keys is not None and needed in keys else {}
