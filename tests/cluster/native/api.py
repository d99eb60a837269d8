"""Asks the API server with the administrator's certificate; just enough to see whether the cluster is ready."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from cluster.layout import API_PORT, NODE, Layout

TIMEOUT_SECONDS = 5.0


def get(layout: Layout, path: str) -> tuple[int, bytes]:
    """Returns status and body; status 0 when the server does not answer."""
    try:
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        # Python 3.13 is stricter than kubectl. The CA has no keyUsage, as some clouds': clients are to meet such a one.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", API_PORT, context=context, timeout=TIMEOUT_SECONDS)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
    except (OSError, http.client.HTTPException):
        return 0, b""
    return response.status, body


def is_ready(layout: Layout) -> bool:
    """Returns whether the API server says it is ready."""
    return get(layout, "/readyz")[0] == http.HTTPStatus.OK


def node_is_ready(layout: Layout) -> bool:
    """Returns whether the node is Ready."""
    status, body = get(layout, f"/api/v1/nodes/{NODE}")
    return status == http.HTTPStatus.OK and has_condition(json.loads(body), "Ready")


def accepts_pods(layout: Layout) -> bool:
    """Returns whether the namespace `default` has its ServiceAccount: pods are refused before."""
    return get(layout, "/api/v1/namespaces/default/serviceaccounts/default")[0] == http.HTTPStatus.OK


def has_condition(resource: Mapping[str, Any], kind: str) -> bool:
    """Returns whether a condition of the resource is True."""
    conditions = resource.get("status", {}).get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
