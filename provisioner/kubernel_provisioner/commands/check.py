"""``kubernel check``: can kernels be started from here? One line per question, with what mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kubernel_api.constants import API_VERSION, GROUP, PLURAL
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import KubernelError

# What the provisioner does to start, restart and end kernels; nothing else is needed for that.
RIGHTS = (
    (GROUP, PLURAL, ("create", "get", "list", "watch", "patch", "delete")),
    ("", "secrets", ("create",)),
    ("coordination.k8s.io", "leases", ("create", "patch", "delete")),
)
# What other processes than the one that started a kernel need to use it.
READ_KEYS = ("", "secrets", "get")
# What tells why a kernel that is gone did not start.
LIST_EVENTS = ("", "events", "list")
LIST_POOLS = (GROUP, "kernelpools", "list")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Finding:
    """One answer.

    Args:
        ok: None when it cannot be told from here.
        text: what was looked at, and what was found.
        repair: the command or setting that helps.
    """

    ok: bool | None
    text: str
    repair: str = ""

    def __str__(self) -> str:
        word = {True: "ok  ", False: "FAIL", None: "?   "}[self.ok]
        return f"{word} {self.text}" + (f"\n     {self.repair}" if self.repair else "")


async def check(key: ClusterKey) -> AsyncIterator[Finding]:
    """The findings, in the order in which one would mend things; ends at the first that makes the rest pointless."""
    try:
        api = await Api.open(key)
    except KubernelError as error:
        yield _failure(error)
        return
    try:
        async for finding in _check_cluster(api, key):
            yield finding
    except KubernelError as error:
        yield _failure(error)
    finally:
        await api.close()


async def _check_cluster(api: Api, key: ClusterKey) -> AsyncIterator[Finding]:
    yield await _version(api)
    crd = await _crd(api)
    yield crd
    for group, resource, verbs in RIGHTS:
        yield await _rights(api, group, resource, verbs)
    yield await _may_list_events(api)
    yield await _may_list_pools(api)
    yield await _may_read_keys(api)
    if crd.ok:
        yield await _operator(api, key)


def _failure(error: KubernelError) -> Finding:
    return Finding(False, " ".join(text for text in (error.what, error.why) if text), error.command)


async def _version(api: Api) -> Finding:
    try:
        answer = await api.request("GET", "/version")
    except ApiError as error:
        return _failure(api.explain(error, "talk to the API server"))
    return Finding(True, f"the API server answers: Kubernetes {answer.get('gitVersion')}, namespace {api.namespace}")


async def _crd(api: Api) -> Finding:
    try:
        await api.request("GET", f"/apis/{API_VERSION}")
    except ApiError as error:
        return _failure(api.explain(error, f"find {API_VERSION}"))
    return Finding(True, f"the cluster knows {PLURAL}.{GROUP}")


async def _rights(api: Api, group: str, resource: str, verbs: tuple[str, ...]) -> Finding:
    missing = [verb for verb in verbs if not await _may(api, group, resource, verb)]
    name = f"{resource}.{group}" if group else resource
    if not missing:
        return Finding(True, f"may {', '.join(verbs)} {name}")
    rule = f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: [{", ".join(missing)}]}}'
    return Finding(False, f"may not {', '.join(missing)} {name}", f"add to its Role in {api.namespace}: {rule}")


async def _may_read_keys(api: Api) -> Finding:
    if await _may(api, *READ_KEYS):
        return Finding(True, "may get secrets: connect to any kernel of this namespace")
    text = "may not get secrets: kernels are used by the process that started them, and kubernel connect cannot work"
    return Finding(None, text, "to allow it: clientRole.readKeys of the chart")


async def _may_list_events(api: Api) -> Finding:
    if await _may(api, *LIST_EVENTS):
        return Finding(True, "may list events")
    text = "may not list events: kubernel events cannot say what happened to a kernel"
    rule = '{apiGroups: [""], resources: [events], verbs: [list]}'
    return Finding(None, text, f"add to its Role in {api.namespace}: {rule}")


async def _may_list_pools(api: Api) -> Finding:
    if await _may(api, *LIST_POOLS):
        return Finding(True, "may list kernelpools")
    text = "may not list kernelpools: no kernel comes out of a pool"
    rule = f'{{apiGroups: ["{GROUP}"], resources: [kernelpools], verbs: [list]}}'
    return Finding(None, text, f"add to its Role in {api.namespace}: {rule}")


async def _may(api: Api, group: str, resource: str, verb: str) -> bool:
    attributes = {"namespace": api.namespace, "group": group, "resource": resource, "verb": verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer: dict[str, Any] = await api.request("POST", REVIEWS, body=body)
    except ApiError as error:
        raise api.explain(error, "ask for rights") from error
    return bool(answer.get("status", {}).get("allowed"))


async def _operator(api: Api, key: ClusterKey) -> Finding:
    """An operator is seen by what it wrote: a notebook server has no right to look at Deployments."""
    try:
        items = await api.list_instances()
    except ApiError as error:
        return _failure(api.explain(error, "list KernelInstances"))
    seen = [item for item in items if "observedGeneration" in (item.get("status") or {})]
    if items and not seen:
        command = f"{key.kubectl()} get deployments -A -l app.kubernetes.io/name=kubernel"
        return Finding(False, f"no operator has looked at any of {len(items)} KernelInstances", command)
    if not items:
        return Finding(None, "no KernelInstance shows whether an operator runs", "start one: kubernel check --start")
    return Finding(True, f"an operator works on {len(seen)} of {len(items)} KernelInstances")
