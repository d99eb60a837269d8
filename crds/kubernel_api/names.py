"""Names of a KernelInstance and of its children: deterministic, within Kubernetes' limits, computed in one place.

Deterministic names make the API server refuse the second of two equal children, so no operator has to remember what
it created before it was killed.
"""

from __future__ import annotations

import hashlib
import re

from .constants import NAME_MAX_LENGTH

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def instance_name(kernel_id: str) -> str:
    """The name of the KernelInstance for a Jupyter kernel id: ``k-<id>``, hashed when that is no short DNS label.

    A kernel id may be chosen by a REST client and be anything (jupyter_server 2.21 does not validate it).
    """
    name = f"k-{kernel_id}"
    if len(name) <= NAME_MAX_LENGTH and _DNS_LABEL.fullmatch(name):
        return name
    return "k-" + hashlib.sha256(kernel_id.encode(errors="surrogatepass")).hexdigest()[:32]


def label_value(text: str) -> str:
    """``text`` when it is a valid label value, else a hash of it. Labels are an index, not a place to read from."""
    if len(text) <= 63 and re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", text):
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def secret_name(name: str, uid: str) -> str:
    """The connection Secret of a KernelInstance: part of the uid keeps a tenant from creating it in advance."""
    return f"{name}-{uid.replace('-', '')[:10]}"


def pod_secret_name(name: str, uid: str, mark: str) -> str:
    """The Secret that only its pod names. ``mark`` must be hard to guess: who may ``get`` Secrets must not find it."""
    return f"{secret_name(name, uid)}-{mark}"


def supervisor_map_name(digest: str) -> str:
    """The ConfigMap with the supervisor of that digest: one for each version and namespace."""
    return f"kubernel-supervisor-{digest}"


def pod_name(name: str, incarnation: int) -> str:
    """The pod of a KernelInstance. The number grows with each replacement: a pod stuck in Terminating never blocks."""
    return f"{name}-{incarnation}"


def member_subject(namespace: str, member: str) -> str:
    """What the token of a pool's pod is derived from: no connection Secret has a dot in its name."""
    return f"{namespace}/member.{member}"


def service_name(name: str) -> str:
    """The Service of a KernelInstance: a KernelInstance named ``postgres`` must not take that DNS name."""
    return f"kernel-{name}"


def service_host(namespace: str, service: str) -> str:
    """The DNS name of a Service, as pods of the cluster resolve it whatever the cluster's domain is."""
    return f"{service}.{namespace}.svc"
