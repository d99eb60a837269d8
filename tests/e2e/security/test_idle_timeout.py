"""``spec.lifecycle.idleTimeoutSeconds``: who is idle, and who only looks so."""

import contextlib
import json

from fixtures.kernel_managers import START_SECONDS, begin, run
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until

from .conftest import client_of, info_of, start

IDLE_SECONDS = 5
IDLE = {"idleTimeoutSeconds": IDLE_SECONDS}


def ended(here: Kubectl, name: str) -> Object:
    """The status of a kernel, once it has ended."""

    def look() -> Object | None:
        status: Object = here.json("get", "kernel", name)["status"]
        return status if status["phase"] in {"Exited", "Succeeded", "Failed"} else None

    return wait_until(f"the end of kernel {name}", look, seconds=90)


def phase(here: Kubectl, name: str) -> str:
    return here.text("get", "kernel", name, "--output=jsonpath={.status.phase}")


async def test_an_idle_kernel_ends(here: Kubectl) -> None:
    start(here, "idle", lifecycle=IDLE)
    status = ended(here, "idle")
    assert (status["phase"], status["reason"], status["exit"]["reason"]) == ("Failed", "IdleTimeout", "IdleTimeout")
    assert status["message"] == (
        "The kernel was ended: no client was connected and no CPU used for spec.lifecycle.idleTimeoutSeconds."
    )
    events = here.items("events", "--field-selector=reason=IdleTimeout")
    assert [each["involvedObject"]["name"] for each in events] == ["idle"]
    wait_until("the pod's end", lambda: not here.items("pods"), seconds=60)


async def test_a_used_kernel_outlives_an_idle_one(here: Kubectl) -> None:
    """Those with a client, or with a cell that computes, began earlier and are there when the idle one has ended.

    They get their timeout once they are used: a client may need longer than that to come.
    """
    with_client, busy = start(here, "client"), start(here, "busy")
    async with contextlib.AsyncExitStack() as stack:
        computing = await stack.enter_async_context(client_of(info_of(here, busy)))
        await computing.wait_for_ready(timeout=START_SECONDS)
        await begin(computing, "print('in', flush=True)\nwhile True: pass")
        computing.stop_channels()  # from now on it has no client
        client = await stack.enter_async_context(client_of(info_of(here, with_client)))
        await client.wait_for_ready(timeout=START_SECONDS)
        for name in ("client", "busy"):
            here("patch", "kernel", name, "--type=merge", "--patch", json.dumps({"spec": {"lifecycle": IDLE}}))
        start(here, "idle", lifecycle=IDLE)
        assert ended(here, "idle")["reason"] == "IdleTimeout"
        assert (phase(here, "client"), phase(here, "busy")) == ("Running", "Running")
        assert await run(client, "print(1)") == "1\n"
    assert ended(here, "client")["reason"] == "IdleTimeout"
