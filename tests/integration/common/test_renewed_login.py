"""A token that ends while a process watches and writes, on a real API server. Nobody notices."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.kubectl import Kubectl
from fixtures.login_command import LoginCommand
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ClusterError
from kubernel_cluster.follow import Follower
from kubernel_cluster.login import ClusterKey

WRITERS = 10
RENEWALS = 2


async def until(condition: Callable[[], object]) -> None:
    """Waits for it, for a minute at most."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it asks has no events
            await asyncio.sleep(0.1)


class Sink:
    """The names that a watch told of."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.lists = 0

    def replace(self, objects: list[dict[str, Any]], version: int, *, restored: bool = False) -> None:
        self.names |= {o["metadata"]["name"] for o in objects}
        self.lists += 1

    def apply(self, event: str, obj: dict[str, Any]) -> None:
        self.names.add(obj["metadata"]["name"])


@pytest.fixture
def account(kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    """A ServiceAccount that may do as it likes with the ConfigMaps of a namespace."""
    here = kubectl.within(operator_namespace)
    here("create", "serviceaccount", "client")
    here("create", "role", "client", "--verb=create,get,list,watch,patch,delete", "--resource=configmaps")
    here("create", "rolebinding", "client", "--role=client", f"--serviceaccount={operator_namespace}:client")
    return here


@pytest.fixture
def login(account: Kubectl, tmp_path: Path) -> LoginCommand:
    return LoginCommand(account, "client", tmp_path)


async def test_a_token_that_ends_under_load(login: LoginCommand) -> None:
    cluster = await Cluster.open(ClusterKey(str(login.kubeconfig())), "test")
    sink, written, failures = Sink(), set[str](), list[ClusterError]()
    path = paths.core("configmaps", cluster.namespace)

    async def write(writer: int) -> None:
        for number in itertools.count():
            name = f"c-{writer}-{number}"
            try:
                await cluster.create(path, {"metadata": {"name": name}})
                await cluster.merge_patch(f"{path}/{name}", {"data": {"a": "b"}})
                await cluster.delete(f"{path}/{name}")
            except ClusterError as error:
                failures.append(error)
                return
            written.add(name)
            await asyncio.sleep(0.05)

    following = asyncio.create_task(Follower(cluster, path, {}, sink).follow_for_ever())
    writing = [asyncio.create_task(write(writer)) for writer in range(WRITERS)]
    try:
        for number in range(1, RENEWALS + 1):
            await asyncio.to_thread(login.renew)
            # The API server remembers for 10 s that a token was good.
            await until(lambda wanted=number: cluster._connection._renewals == wanted or failures)
            enough = len(written) + 2 * WRITERS
            await until(lambda wanted=enough: len(written) >= wanted or failures)
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
    assert failures == []
    await until(lambda: written <= sink.names)  # the watch heard of all, those after the renewals too
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await cluster.close()
    await asyncio.sleep(0.1)  # aiohttp's TLS connections close a moment later
    assert sink.lists == 1, "one watch, from the beginning to the end"
    assert login.runs.read_text().count("x") == 1 + RENEWALS, "ten writers, one login"
