"""More or less cpu and memory for a kernel that runs: what to write, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kubernel_api.conditions import ConditionType, Reason, find_condition
from kubernel_api.quantity import amount
from kubernel_cluster.errors import ApiError, ConflictError
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.cluster.view import Seen
from kubernel_provisioner.errors import ConfigurationError, KernelDeletedError, ResizeError
from kubernel_provisioner.ownership import server_of, taken_over

from .launching import Held
from .subject import Subject
from .verdict import Failed, Gone, Ready, Unseen, Verdict, Waiting, is_current, is_finished

Json = dict[str, Any]
#: Gives the newest KernelInstance, or None when it is gone; returns at once, or when something may have changed.
Look = Callable[[], Awaitable[Json | None]]
# A resize is looked at again so soon when nothing changes, to be given up in time.
LOOK_SECONDS = 0.5
EXAMPLES = {"cpu": "2 or 500m", "memory": "8Gi or 500Mi"}


def asked_amounts(cpu: str | float | None, memory: str | float | None) -> dict[str, str]:
    """The amounts that were asked for, by resource name.

    Raises:
        ConfigurationError: none was, or one is no amount.
    """
    asked = {name: str(value) for name, value in (("cpu", cpu), ("memory", memory)) if value not in (None, "")}
    if not asked:
        raise ConfigurationError("A resize needs cpu, memory or both.", "For instance memory 8Gi, or cpu 2.")
    for name, value in asked.items():
        if amount(value) <= 0:
            raise ConfigurationError(f"{name} is wrong: {value!r} is no amount.", f"Write it like {EXAMPLES[name]}.")
    return asked


def resized_resources(instance: Json, asked: dict[str, str]) -> Json:
    """``spec.resources`` with other amounts: limits, and the requests that were equal to them or would be above.

    Args:
        instance: the KernelInstance.
        asked: amounts by resource name.
    """
    known = instance["spec"].get("resources") or {}
    requests, limits = dict(known.get("requests") or {}), dict(known.get("limits") or {})
    for name, wanted in asked.items():
        request, limit = requests.get(name), limits.get(name)
        if limit is not None or request is None:
            limits[name] = wanted
        if request is not None and (
            limit is None or amount(request) == amount(limit) or amount(request) > amount(wanted)
        ):
            requests[name] = wanted
    return {part: amounts for part, amounts in (("requests", requests), ("limits", limits)) if amounts}


async def write_resources(api: Api, name: str, asked: dict[str, str], may_write: Callable[[Json], bool]) -> Json | None:
    """Writes other amounts into a KernelInstance, if it is one that may be written.

    Returns:
        The KernelInstance, unchanged where it may not be written; None when it is gone.

    Raises:
        ApiError: the API server does not allow it.
        KubernelError: the API server does not answer.
    """
    while True:
        try:
            found = await api.read_instance(name)
            if not may_write(found):
                return found
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            return await api.patch_instance(
                name, {"metadata": version, "spec": {"resources": resized_resources(found, asked)}}
            )
        except ConflictError:
            continue  # it has changed, and is read again
        except ApiError as error:
            if error.status == 404 and error.details.get("name") == name:
                return None
            raise


async def resize_held(
    cluster: Cluster, held: Held, kubectl: str, asked: dict[str, str], wait_seconds: float | None
) -> Json:
    """Gives a kernel of this process other amounts of cpu and memory while it runs.

    Args:
        cluster: where it is.
        held: the KernelInstance.
        kubectl: with the flags for that cluster.
        asked: amounts by resource name.
        wait_seconds: for how long it is waited for; None: not at all.

    Returns:
        ``status.resources``; without waiting, what was written.

    Raises:
        KubernelError: it may not be changed, or does not get what was asked for.
    """
    subject = Subject(held.name, cluster.api.namespace, kubectl)

    def is_ours(instance: Json) -> bool:
        return instance["metadata"]["uid"] == held.uid and server_of(instance) == held.server

    try:
        written = await write_resources(cluster.api, held.name, asked, is_ours)
    except ApiError as error:
        raise cluster.api.explain(error, "resize the kernel") from error
    if written is None or written["metadata"]["uid"] != held.uid:
        raise KernelDeletedError(
            "Somebody deleted the kernel: it cannot be resized.", "", "", subject.kubernel("events")
        )
    if not is_ours(written):
        raise taken_over()
    cluster.view.offer(written)
    if wait_seconds is None:
        return dict(written["spec"]["resources"])
    look = watching(cluster, held.name)
    return await until_resized(look, subject, written["metadata"]["generation"], wait_seconds)


def watching(cluster: Cluster, name: str) -> Look:
    """Looks at a KernelInstance in this process's watch."""
    seen: Seen | None = None

    async def look() -> Json | None:
        nonlocal seen
        if seen is not None:
            await cluster.view.change(name, seen, LOOK_SECONDS)
        seen = cluster.view.get(name)
        return None if seen is None or seen.gone else seen.instance

    return look


def judge_resize(instance: Json | None, generation: int) -> Verdict:
    """How far a resize has come; ``Ready``, with ``status.resources``, when it is in force.

    Args:
        instance: the KernelInstance; None when it is gone.
        generation: ``metadata.generation`` that the write of the new amounts gave it.
    """
    if instance is None or "deletionTimestamp" in instance["metadata"]:
        return Gone()
    status = instance.get("status") or {}
    if is_finished(status):
        return Failed(str(status.get("reason") or ""), str(status.get("message") or ""))
    if not is_current(status, generation):
        return Unseen()
    said = find_condition(status.get("conditions") or [], ConditionType.RESIZING)
    if said is None or said["reason"] == Reason.RESIZED:
        return Ready(status.get("resources") or {})
    judged = Waiting if said["status"] == "True" else Failed
    return judged(str(said["reason"]), str(said["message"]))


async def until_resized(look: Look, subject: Subject, generation: int, seconds: float) -> Json:
    """``status.resources``, as soon as the new amounts are in force.

    Raises:
        ResizeError: they are not, and why.
        KernelDeletedError: the kernel was deleted.
    """
    deadline = time.monotonic() + seconds
    while True:
        verdict = judge_resize(await look(), generation)
        match verdict:
            case Ready(resources):
                return resources
            case Gone():
                raise KernelDeletedError(
                    "Somebody deleted the kernel while it was resized.", "", "", subject.kubernel("events")
                )
            case Failed(reason, message):
                raise ResizeError(f"The kernel was not resized: {reason}.", message, subject.describe, reason=reason)
        if time.monotonic() >= deadline:
            raise _late(subject, verdict, seconds)


def _late(subject: Subject, verdict: Verdict, seconds: float) -> ResizeError:
    what = f"The kernel is not resized after {seconds:.0f} s"
    if isinstance(verdict, Waiting):
        return ResizeError(f"{what}: {verdict.reason}.", verdict.message, subject.describe, reason=verdict.reason)
    return ResizeError(f"{what}.", "No kubernel operator has looked at it; is one running?", subject.describe)


def polling(read: Look, every_seconds: float = 0.2) -> Look:
    """Reads at once, and then every so often."""
    first = True

    async def look() -> Json | None:
        nonlocal first
        if not first:
            await asyncio.sleep(every_seconds)
        first = False
        return await read()

    return look
