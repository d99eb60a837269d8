"""What the objects of one kernel take in etcd, by kind.

Kubernetes' own kinds are stored as protobuf, custom resources as JSON, and the API server answers in either form: its
answer is the stored value and the resourceVersion, so this needs no way to etcd.
"""

from __future__ import annotations

import http.client
from collections import Counter
from contextlib import closing
from urllib.parse import urlsplit

from fixtures.api_client import ApiClient, Credentials
from fixtures.namespaces import instances_path, path_of
from kubernel_api.constants import LABEL_COMPONENT, LABEL_COMPONENT_SUPERVISOR, LABEL_INSTANCE
from kubernel_api.names import service_name

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"


def etcd_bytes(credentials: Credentials, namespace: str, name: str) -> Counter[str]:
    """Bytes of the KernelInstance and of all objects that it has, by kind; Events are those that there are now."""
    core, discovery = path_of(namespace), f"/apis/discovery.k8s.io/v1/namespaces/{namespace}"
    sizes = Counter({"KernelInstance": _size(credentials, f"{instances_path(namespace)}/{name}", JSON)})
    mine = {"labelSelector": f"{LABEL_INSTANCE}={name}"}
    for kind, path, selector in (
        ("Pod", f"{core}/pods", mine),
        ("Secrets", f"{core}/secrets", mine),
        ("Service", f"{core}/services", mine),
        (
            "EndpointSlice",
            f"{discovery}/endpointslices",
            {"labelSelector": f"kubernetes.io/service-name={service_name(name)}"},
        ),
        ("Events", f"{core}/events", {"fieldSelector": f"involvedObject.name={name}"}),
        ("Events", f"{core}/events", {"fieldSelector": f"involvedObject.name={name}-1"}),
    ):
        sizes[kind] += _sizes(credentials, path, selector)
    return sizes


def shared_bytes(credentials: Credentials, namespace: str) -> int:
    """Bytes of what all kernels of a namespace share."""
    selector = {"labelSelector": f"{LABEL_COMPONENT}={LABEL_COMPONENT_SUPERVISOR}"}
    return _sizes(credentials, f"{path_of(namespace)}/configmaps", selector)


def _sizes(credentials: Credentials, path: str, selector: dict[str, str]) -> int:
    with closing(ApiClient(credentials)) as api:
        names = [each["metadata"]["name"] for each in api.request("GET", path, **selector)["items"]]
    return sum(_size(credentials, f"{path}/{name}", PROTOBUF) for name in names)


def _size(credentials: Credentials, path: str, accept: str) -> int:
    parts = urlsplit(credentials.server)
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=30, context=credentials.ssl_context()
    )
    with closing(connection):
        connection.request("GET", path, headers={**credentials.headers, "Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"GET {path}: {answer.status} {body[:200].decode(errors='replace')}")
    return len(body)
