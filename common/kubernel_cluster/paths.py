"""Where things are on the API server."""

from __future__ import annotations

from kubernel_api.constants import GROUP, PLURAL, POOL_PLURAL, TEMPLATE_PLURAL, VERSION


def kernel_instances(namespace: str | None = None) -> str:
    """The collection of KernelInstances, of one namespace or of all."""
    return _collection(f"/apis/{GROUP}/{VERSION}", PLURAL, namespace)


def kernel_templates(namespace: str | None = None) -> str:
    """The collection of KernelTemplates."""
    return _collection(f"/apis/{GROUP}/{VERSION}", TEMPLATE_PLURAL, namespace)


def kernel_pools(namespace: str | None = None) -> str:
    """The collection of KernelPools, of one namespace or of all."""
    return _collection(f"/apis/{GROUP}/{VERSION}", POOL_PLURAL, namespace)


def core(resource: str, namespace: str | None = None) -> str:
    """A collection of the core group: pods, services, secrets, events."""
    return _collection("/api/v1", resource, namespace)


def leases(namespace: str | None = None) -> str:
    """The collection of Leases."""
    return _collection("/apis/coordination.k8s.io/v1", "leases", namespace)


def endpoint_slices(namespace: str | None = None) -> str:
    """The collection of EndpointSlices."""
    return _collection("/apis/discovery.k8s.io/v1", "endpointslices", namespace)


def _collection(prefix: str, resource: str, namespace: str | None) -> str:
    return f"{prefix}/namespaces/{namespace}/{resource}" if namespace else f"{prefix}/{resource}"
