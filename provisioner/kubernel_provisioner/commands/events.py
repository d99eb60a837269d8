"""``kubernel events``: what Kubernetes and the operator said of a kernel; for an hour, also of one that is gone."""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api

from .arguments import Commands, add_cluster, add_name, add_output, age, cluster_key, print_list, print_table, say

Json = dict[str, Any]


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser."""
    events = commands.add_parser("events", help="what happened to a kernel, also to one that is gone")
    add_name(events)
    add_output(events, "json")
    add_cluster(events)
    events.set_defaults(run=_events)


def _events(arguments: argparse.Namespace) -> int:
    found = asyncio.run(read_events(arguments.name, cluster_key(arguments)))
    if arguments.output == "json":
        print_list(found)
    elif found:
        print_table(table(found, time.time()))
    else:
        say(f"There are no Events of kernel {arguments.name}; Kubernetes keeps them for an hour.")
    return 0


async def read_events(name: str, key: ClusterKey) -> list[Json]:
    """The Events of a KernelInstance and of its pods, oldest first.

    Raises:
        KubernelError: they may not be listed, or nobody answers.
    """
    api = await Api.open(key)
    try:
        items = await api.list_all(paths.core("events", api.namespace))
    except ApiError as error:
        raise api.explain(error, "list Events") from error
    finally:
        await api.close()
    mine = re.compile(rf"{re.escape(name)}(-\d+)?")
    return sorted((item for item in items if mine.fullmatch(item["involvedObject"].get("name") or "")), key=_time)


def _time(event: Json) -> float:
    """When it was last seen, in Unix seconds; which field says so depends on the API that it was written with."""
    series = (event.get("series") or {}).get("lastObservedTime")
    said = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(said).timestamp() if said else 0.0


def table(items: Sequence[Json], now: float) -> list[list[str]]:
    """Headings and rows."""
    rows = [["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]]
    for item in items:
        about = item["involvedObject"]
        kind = "kernel" if about.get("kind") == "KernelInstance" else str(about.get("kind") or "").lower()
        message = " ".join(str(item.get("message") or "").split())
        shown = "its own" if kind == "kernel" else f"{kind} {about.get('name')}"
        rows.append([age(now - _time(item)), item.get("type") or "", item.get("reason") or "", shown, message])
    return rows
