"""Clients that live for days, in minutes: tokens that end under load, and more open channels than any pool has.

`make test` runs a few rounds. KUBERNEL_TEST_RENEWALS=15 is a token that is replaced every 20 s for five minutes,
KUBERNEL_TEST_NOTEBOOKS=30 (`make test-notebooks`) is thirty notebooks with three tabs each; KUBERNEL_TEST_TABS opens
more of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from fixtures.jupyter_server import ACCOUNT, client_role
from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from fixtures.login_command import LoginCommand
from fixtures.operator_process import OperatorProcess
from fixtures.programs import Environment
from fixtures.waiting import wait_until

Make = Callable[..., AsyncKernelManager]
RENEWALS = int(os.environ.get("KUBERNEL_TEST_RENEWALS", "2"))
NOTEBOOKS = int(os.environ.get("KUBERNEL_TEST_NOTEBOOKS", "3"))
TABS = int(os.environ.get("KUBERNEL_TEST_TABS", "3"))
CHANNELS = 5
# The API server remembers for 10 s that a token was good; the rest is for a machine that is busy.
RENEWED_SECONDS = 90.0
# As much output as a long computation writes, until somebody ends it.
COUNT = """
import time
number = 0
try:
    while True:
        print(number, flush=True)
        number += 1
        time.sleep(0.02)
except KeyboardInterrupt:
    print('of', number, flush=True)
"""


@pytest.fixture
def here(kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    return kubectl.within(operator_namespace)


@pytest.fixture
def cluster_environment(
    operator_process: Callable[..., OperatorProcess], here: Kubectl, leftovers: Callable[[str], list[str]]
) -> Iterator[Environment]:
    """A namespace with an operator of its own: nobody else's kernels are in the way."""
    namespace = here.namespace or ""
    operator_process(namespace)
    yield {
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "kubernel",
        "KUBERNEL_KUBECONFIG": str(here.kubeconfig),
        "KUBERNEL_NAMESPACE": namespace,
        "KUBERNEL_ORPHAN_AFTER_SECONDS": "60",
    }
    wait_until(f"nothing left in {namespace}", lambda: leftovers(namespace) == [], seconds=60)


@pytest.fixture
def login(here: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginCommand:
    """The login of this process: a command, and an account with the rights of the chart."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    here.apply(account, *client_role(here.namespace or "", portForward=True))
    login = LoginCommand(here, ACCOUNT, tmp_path)
    monkeypatch.setenv("KUBERNEL_KUBECONFIG", str(login.kubeconfig()))
    return login


async def until(what: str, look: Callable[[], Any], seconds: float = RENEWED_SECONDS) -> None:
    """Looks, in a thread, until there is something."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(look):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


async def printed(client: AsyncKernelClient, asked: str) -> str:
    """All that a cell prints until its kernel is idle again."""
    text = ""
    while True:
        message = await client.get_iopub_msg()
        if message["parent_header"].get("msg_id") != asked:
            continue
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return text


@asynccontextmanager
async def tab(manager: AsyncKernelManager) -> AsyncIterator[AsyncKernelClient]:
    """A client with a session of its own, as each page has; of two with the same one a kernel answers the later."""
    session = manager.session.clone()
    session.session = uuid.uuid4().hex
    async with connected(manager, session=session) as client:
        yield client


class Starts:
    """Kernels that are started and deleted by hand, one after the other, until somebody says that it is enough.

    Attributes:
        seen: seconds from each deletion until the manager knew.
    """

    def __init__(self, make_manager: Make, here: Kubectl) -> None:
        self._make_manager, self._here = make_manager, here
        self.seen: list[float] = []

    async def go_on(self) -> None:
        """For ever; raises what a start raises."""
        while True:
            manager = self._make_manager()
            await manager.start_kernel()
            assert await manager.is_alive()
            name = (await manager.provisioner.get_provisioner_info())["instance"]["name"]
            deleted = asyncio.create_task(asyncio.to_thread(self._here, "delete", "kernel", name, "--wait=false"))
            await deleted
            began = time.monotonic()
            async with asyncio.timeout(60):
                while await manager.is_alive():  # noqa: ASYNC110 - this is what polling is
                    await asyncio.sleep(0.02)
            self.seen.append(time.monotonic() - began)


@pytest.mark.timeout(120 + 40 * RENEWALS)
@pytest.mark.parametrize("access", ["direct", "port-forward"])
async def test_a_token_that_is_replaced_again_and_again(
    request: pytest.FixtureRequest,
    make_manager: Make,
    login: LoginCommand,
    here: Kubectl,
    monkeypatch: pytest.MonkeyPatch,
    access: str,
) -> None:
    """No line of output is lost, no start fails, and each deletion is seen."""
    if access == "direct":
        request.getfixturevalue("pod_network")
    monkeypatch.setenv("KUBERNEL_ACCESS", access)
    manager, starts = make_manager(), Starts(make_manager, here)
    await manager.start_kernel()
    async with connected(manager) as client:
        counting = asyncio.create_task(printed(client, client.execute(COUNT, stop_on_error=False)))
        starting = asyncio.create_task(starts.go_on())
        try:
            for _ in range(RENEWALS):
                runs, enough = login.runs.read_text().count("x"), len(starts.seen) + 1
                await asyncio.to_thread(login.renew)
                await until("a login", lambda runs=runs: login.runs.read_text().count("x") > runs or starting.done())
                await until("starts after it", lambda enough=enough: len(starts.seen) > enough or starting.done())
                assert not starting.done(), starting.exception()
                assert not counting.done()
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await manager.interrupt_kernel()
        text = await asyncio.wait_for(counting, 60)
        assert await run(client, "print('still here')") == "still here\n"
    *numbers, end = text.splitlines()
    assert [int(number) for number in numbers] == list(range(len(numbers)))
    assert int(re.fullmatch(r"of (\d+)", end)[1]) - len(numbers) in (0, -1), "interrupted between a line and its count"
    print(f"{access}: {RENEWALS} tokens, {len(numbers)} lines, {len(starts.seen)} starts, ", end="")
    print(f"deletions seen after {max(starts.seen):.2f} s at most")


@pytest.mark.timeout(240 + 10 * NOTEBOOKS * (1 + TABS))
async def test_many_tabs_through_the_api_server_leave_the_lease_alone(
    make_manager: Make, here: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tab has five channels; a hundred connections were all that there were once (P3)."""
    monkeypatch.setenv("KUBERNEL_ACCESS", "port-forward")

    def renewed() -> str:
        leases = {lease["metadata"]["name"]: lease["spec"] for lease in here.items("leases")}
        (own,) = (spec for name, spec in leases.items() if name.startswith("kubernel-server-"))
        return str(own["renewTime"])

    async with AsyncExitStack() as tabs:
        clients: list[AsyncKernelClient] = []
        for number in range(NOTEBOOKS):
            manager = make_manager()
            await manager.start_kernel()
            opened = [await tabs.enter_async_context(tab(manager)) for _ in range(TABS)]
            assert await run(opened[0], f"x = {number}; print(x)") == f"{number}\n"
            clients += opened
        for _ in range(2):
            before = await asyncio.to_thread(renewed)
            await until("the Lease to be renewed", lambda before=before: renewed() != before)
        found = await asyncio.gather(*(run(client, "print(x)") for client in clients))
        assert found == [f"{number}\n" for number in range(NOTEBOOKS) for _ in range(TABS)]
        assert {kernel["status"]["reason"] for kernel in here.items("kernels")} == {"Running"}
    print(f"{NOTEBOOKS} notebooks, {len(clients) * CHANNELS} channels")
