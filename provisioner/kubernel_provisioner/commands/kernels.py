"""``kubernel ps``, ``stop`` and ``restart``: the kernels of a namespace, and what is done with one of them."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kubernel_api.conditions import ConditionType, Reason, find_condition, is_true
from kubernel_cluster import paths
from kubernel_cluster.errors import ApiError, ConflictError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import ClusterError, KernelDeletedError, KernelFailedError, RefusedError
from kubernel_provisioner.launch.explaining import explain_start
from kubernel_provisioner.launch.subject import Subject
from kubernel_provisioner.launch.verdict import Failed, Goal, Gone, Ready, judge

from .arguments import (
    Commands,
    add_cluster,
    add_name,
    add_output,
    age,
    cluster_key,
    completed,
    object_name,
    print_list,
    print_table,
    say,
)
from .completion import kernel_names

Json = dict[str, Any]
LOOK_EVERY_SECONDS = 0.2


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parsers."""
    listing = commands.add_parser("ps", help="list the kernels of a namespace")
    listing.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    listing.add_argument("-l", "--selector", default="", help="only those with these labels: kubernel.dev/owner=...")
    add_output(listing, "wide", "json", "name")
    add_cluster(listing)
    listing.set_defaults(run=_list)

    stop = commands.add_parser("stop", help="end kernels: their pods go, and whatever they hold")
    names = stop.add_argument("names", nargs="*", metavar="NAME", type=object_name, help="names of the kernels")
    completed(names, kernel_names)
    stop.add_argument("--all", action="store_true", help="all of the namespace, whoever started them")
    add_cluster(stop)
    stop.set_defaults(run=_stop)

    restart = commands.add_parser("restart", help="start a kernel's process anew, at the same address")
    add_name(restart)
    restart.add_argument("--wait", action="store_true", help="until it is ready")
    restart.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="to wait; default: 60")
    add_cluster(restart)
    restart.set_defaults(run=_restart)


def _list(arguments: argparse.Namespace) -> int:
    everywhere = arguments.all_namespaces
    items = asyncio.run(list_kernels(cluster_key(arguments), arguments.selector, everywhere=everywhere))
    match arguments.output:
        case "json":
            print_list(items)
        case "name":
            for item in items:
                say(item["metadata"]["name"])
        case output:
            rows = table(items, time.time(), wide=output == "wide", everywhere=everywhere)
            print_table(rows) if items else say("There are no kernels.")
    return 0


async def list_kernels(key: ClusterKey, selector: str = "", *, everywhere: bool = False) -> list[Json]:
    """The KernelInstances of a namespace, or of all, by age.

    Raises:
        KubernelError: they may not be listed, or nobody answers.
    """
    api = await Api.open(key)
    try:
        items = await api.list_all(paths.kernel_instances(None if everywhere else api.namespace), selector)
    except ApiError as error:
        raise api.explain(error, "list kernels") from error
    finally:
        await api.close()
    return sorted(items, key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]))


def table(items: Sequence[Json], now: float, *, wide: bool = False, everywhere: bool = False) -> list[list[str]]:
    """Headings and rows.

    Args:
        items: KernelInstances.
        now: Unix seconds.
        wide: with more columns.
        everywhere: with the namespace.
    """
    heads = ["NAME", "KERNEL", "PHASE", "REASON", "MEMORY", "AGE", *(["NODE", "IMAGE", "OWNER"] if wide else [])]
    rows = [_row(item, now)[: len(heads)] for item in items]
    if everywhere:
        heads = ["NAMESPACE", *heads]
        rows = [[item["metadata"]["namespace"], *row] for item, row in zip(items, rows, strict=True)]
    return [heads, *rows]


def _row(item: Json, now: float) -> list[str]:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    kernel = spec.get("kernel") or {}
    limits = (status.get("resources") or spec.get("resources") or {}).get("limits") or {}
    phase = "Deleting" if "deletionTimestamp" in metadata else status.get("phase")
    created = metadata.get("creationTimestamp")
    return [
        metadata["name"],
        kernel.get("displayName") or kernel.get("name") or kernel.get("language") or "-",
        phase or "-",
        _reason(status),
        _memory(status, limits),
        age(now - datetime.fromisoformat(created).timestamp()) if created else "-",
        status.get("nodeName") or "-",
        status.get("image") or spec.get("image") or "-",
        spec.get("owner") or "-",
    ]


def _reason(status: Json) -> str:
    """Why it stands still, if it does; it is Running all the same."""
    still = find_condition(status.get("conditions") or [], ConditionType.SUSPENDED)
    if status.get("reason") == Reason.RUNNING and still is not None and still["status"] == "True":
        return str(still["reason"])
    return str(status.get("reason") or "-")


def _memory(status: Json, limits: Json) -> str:
    """What it uses, where that is known, of its limit."""
    parts = (status.get("memory") or {}).get("usage"), limits.get("memory")
    return "/".join(str(part) for part in parts if part) or "-"


async def read_kernel(api: Api, name: str) -> Json:
    """The KernelInstance.

    Raises:
        RefusedError: there is none of that name.
        KubernelError: it may not be read, or nobody answers.
    """
    found = await find_kernel(api, name)
    if found is None:
        raise no_kernel(api, name)
    return found


async def find_kernel(api: Api, name: str) -> Json | None:
    """The KernelInstance of that name, or None.

    Raises:
        KubernelError: it may not be read, or nobody answers.
    """
    try:
        return await api.read_instance(name)
    except ApiError as error:
        if error.status == 404 and error.details.get("name") == name:
            return None
        raise api.explain(error, f"read kernel {name}") from error


def no_kernel(api: Api, name: str) -> RefusedError:
    """The error for a name that no kernel has."""
    flags = api.key.kubectl().removeprefix("kubectl")
    return RefusedError(
        f"There is no kernel {name} in namespace {api.namespace}.",
        "",
        f"kubernel ps -n {api.namespace}{flags}",
        Subject(name, api.namespace, api.key.kubectl()).kubernel("events"),
    )


def _stop(arguments: argparse.Namespace) -> int:
    if bool(arguments.names) == arguments.all:
        say("Name the kernels, or say --all.")
        return 2
    asyncio.run(stop(arguments.names, cluster_key(arguments), say))
    return 0


async def stop(names: Sequence[str], key: ClusterKey, tell: Callable[[str], None]) -> None:
    """Deletes KernelInstances, and with them all they own.

    Args:
        names: of the KernelInstances; empty for all of the namespace.
        key: which cluster.
        tell: takes lines for the user.

    Raises:
        KubernelError: there is none of that name, and nothing was done; or one may not be deleted, and the others were.
    """
    api = await Api.open(key)
    try:
        refusals = [refusal for kernel in await _to_stop(api, names) if (refusal := await _delete(api, kernel, tell))]
        if refusals:
            raise refusals[0]
    finally:
        await api.close()


async def _to_stop(api: Api, names: Sequence[str]) -> list[Json]:
    try:
        return [await read_kernel(api, name) for name in names] if names else await api.list_instances()
    except ApiError as error:
        raise api.explain(error, "list kernels") from error


async def _delete(api: Api, kernel: Json, tell: Callable[[str], None]) -> ClusterError | None:
    """Deletes that very KernelInstance; why not, where it may not be: the others are to go all the same."""
    name, uid = kernel["metadata"]["name"], kernel["metadata"]["uid"]
    try:
        await api.request("DELETE", f"{api.instances}/{name}", body={"preconditions": {"uid": uid}})
    except ApiError as error:
        if error.status not in (404, 409):
            return api.explain(error, f"stop kernel {name}")
        tell(f"Kernel {name} is gone already.")
    else:
        tell(f"Kernel {name} is being stopped.")
    return None


def _restart(arguments: argparse.Namespace) -> int:
    seconds = arguments.timeout if arguments.wait else None
    asyncio.run(restart(arguments.name, cluster_key(arguments), say, seconds))
    return 0


async def restart(name: str, key: ClusterKey, tell: Callable[[str], None], wait_seconds: float | None) -> None:
    """Asks for a new process of a kernel.

    Args:
        name: of the KernelInstance.
        key: which cluster.
        tell: takes lines for the user.
        wait_seconds: how long to wait until it is ready; None: not at all.

    Raises:
        KubernelError: there is no kernel of that name, it is over, may not be changed, or is not ready in time.
    """
    api = await Api.open(key)
    try:
        written = await _next_generation(api, name)
        goal = Goal(written["metadata"]["generation"], written["spec"]["restartGeneration"])
        if wait_seconds is None:
            tell(f"Kernel {name} is being restarted.")
            return
        await _until_ready(api, name, goal, wait_seconds)
        tell(f"Kernel {name} is ready again.")
    finally:
        await api.close()


async def _next_generation(api: Api, name: str) -> Json:
    asked = 0
    while True:
        found = await read_kernel(api, name)
        if is_true(found.get("status"), ConditionType.FINISHED):
            raise KernelFailedError(
                f"Kernel {name} is over: {found['status'].get('reason')}.", "It cannot be restarted; start a new one."
            )
        spec = found.get("spec") or {}
        if asked and int(spec.get("restartGeneration") or 0) >= asked:
            return found  # the answer was lost, or somebody else wants the same
        asked = int(spec.get("restartGeneration") or 0) + 1
        wanted: Json = {"restartGeneration": asked}
        if spec.get("suspend"):
            wanted["suspend"] = False  # who restarts a kernel wants to use it
        metadata = {"uid": found["metadata"]["uid"], "resourceVersion": found["metadata"]["resourceVersion"]}
        try:
            return await api.patch_instance(name, {"metadata": metadata, "spec": wanted})
        except ConflictError:
            continue  # it has changed meanwhile
        except ApiError as error:
            raise api.explain(error, "restart the kernel") from error


async def _until_ready(api: Api, name: str, goal: Goal, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    subject = Subject(name, api.namespace, api.key.kubectl())
    while True:
        found = await read_kernel(api, name)
        match judge(found, goal):
            case Ready():
                return
            case Gone():
                raise KernelDeletedError("Somebody deleted the kernel.", "", "", subject.kubernel("events"))
            case Failed(reason, message):
                why = explain_start(subject, reason, message, found.get("spec") or {})
                raise KernelFailedError(why.what, why.why, why.command, why.more, reason=reason)
        if time.monotonic() >= deadline:
            said = str((found.get("status") or {}).get("message") or "")
            raise KernelFailedError(f"The kernel is not ready after {seconds:.0f} s.", said, subject.describe)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
