"""Pools on a real cluster: a kernel that was initialised before its claim, and keys that its client has sealed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from fixtures.api_client import ApiClient, ApiServerError, Credentials, Json
from fixtures.waiting import wait_until
from kubernel_api.constants import CONTROL_PORT, POOL_KIND
from kubernel_api.names import member_subject
from kubernel_wire.callback import token
from kubernel_wire.control import control
from kubernel_wire.keys import ConnectionKeys, connection_secret, new_keys
from kubernel_wire.sealed_keys import seal_keys

from .conftest import Place, only
from .fault_proxy import Fault, Request
from .kernels import Kernel, Kernels

FILLED_SECONDS = 120
POOL = "science"


@pytest.fixture
def pool(place: Place) -> Any:
    """A pool of two, and what its status says once it is filled."""
    kernels = place.kernels
    path = kernels.path("kernelpools", group="kubernel.dev/v1beta1")
    body = {"apiVersion": "kubernel.dev/v1beta1", "kind": POOL_KIND, "metadata": {"name": POOL}}
    kernels.api.request("POST", path, {**body, "spec": {"replicas": 2}})
    yield lambda: filled(kernels)
    kernels.api.request("DELETE", f"{path}/{POOL}")


def filled(kernels: Kernels) -> Json:
    """The pool's status when two members wait."""
    path = kernels.path("kernelpools", POOL, group="kubernel.dev/v1beta1")

    def status() -> Json:
        found: Json = kernels.api.request("GET", path).get("status") or {}
        return found if found.get("readyReplicas") == 2 else {}

    wait_until("two members", lambda: bool(status()), seconds=FILLED_SECONDS)
    return status()


def create(kernels: Kernels, name: str, sealed: str, keys: ConnectionKeys, *, service: str = "None") -> Kernel:
    """A KernelInstance whose client makes its keys, and their Secret."""
    connection = {"service": service, "keyFrom": "Client", "sealedKeys": sealed}
    kernel = kernels.create(name, kernel={}, connection=connection, env=[{"name": "WHO", "value": name}])
    kernels.api.request("POST", kernels.path("secrets"), connection_secret(kernel.get(), keys))
    return kernel


def test_a_kernel_whose_client_has_sealed_its_key_is_warm(place: Place, pool: Any) -> None:
    kernels, keys = place.kernels, new_keys(encrypted=False)
    sealed = seal_keys(pool()["publicKey"], kernels.namespace, "k-ada", keys)
    ada = create(kernels, "k-ada", sealed, keys)
    # Who saw it, and wants that key for a pod of theirs.
    thief = create(kernels, "k-thief", sealed, new_keys(encrypted=False))
    assert ada.ready().status["start"] == {"type": "Warm", "pool": POOL}
    assert thief.ready().status["start"] == {"type": "Cold", "reason": "KeyFromClient"}
    assert keys.key not in place.log()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_that_is_killed_at_the_claim_is_followed_by_one_that_opens_the_key(
    place: Place, pool: Any, when: str
) -> None:
    kernels, keys = place.kernels, new_keys(encrypted=False)
    name = f"k-killed-{when}"
    sealed = seal_keys(pool()["publicKey"], kernels.namespace, name, keys)
    place.kill_at(only(verb="patch", resource="pods"), when)
    kernel = create(kernels, name, sealed, keys)
    place.revive()
    status = kernel.ready().status
    if when == "after":  # before, the next operator need not know yet that members wait
        assert status["start"] == {"type": "Warm", "pool": POOL}
    (pod,) = kernel.children("pods")
    assert pod["metadata"]["name"] == status["podName"]


@pytest.mark.parametrize("key_from", ["Client", "Operator"])
def test_a_member_that_was_told_whose_it_is_and_never_claimed_is_thrown_away(
    place: Place, pool: Any, key_from: str, credentials: Credentials
) -> None:
    """The operator is killed in between; its successor has a key of its own for the kernel, or opens the same."""
    kernels, keys = place.kernels, new_keys(encrypted=False)
    name = f"k-told-{key_from.lower()}"
    sealed = seal_keys(pool()["publicKey"], kernels.namespace, name, keys)
    place.kill_at(only(verb="patch", resource="pods"), "before")
    kill, told = place.proxy.rule, []

    def kill_when_told(request: Request) -> Fault:
        fault = kill(request)
        if fault.before is not None:
            told.append(request.name)
            in_thread(lambda: until_told(request.name))
        return fault

    def until_told(member: str) -> None:
        with closing(ApiClient(credentials)) as api:  # the other one is in use by the test itself
            mine = Kernels(api, kernels.namespace)
            wait_until("the bind", lambda: claim_of(mine, member) != "", seconds=30)

    place.proxy.rule = kill_when_told
    is_clients = key_from == "Client"
    kernel = create(kernels, name, sealed, keys) if is_clients else kernels.create(name, kernel={})
    place.revive()
    status = kernel.ready().status
    assert status["podName"] not in told
    assert kernel.child_names("pods") == [status["podName"]]
    if is_clients:
        assert base64.b64decode(kernel.key()).decode() == keys.key
    pool()
    found = kernels.api.request("GET", kernels.path("pods"), labelSelector=f"kubernel.dev/pool={POOL}")["items"]
    waiting = {each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]}
    assert told[0] not in waiting
    assert [claim_of(kernels, name) for name in waiting] == ["", ""]


def test_a_pod_that_vanishes_before_its_service_is_claimed_keeps_the_address(place: Place, pool: Any) -> None:
    """The Service goes with the pod then, and its address is asked for again."""
    kernels, keys = place.kernels, new_keys(encrypted=False)
    sealed = seal_keys(pool()["publicKey"], kernels.namespace, "k-vanished", keys)
    place.proxy.rule = lambda request: Fault(status=503) if request.resource == "services" else Fault()
    kernel = create(kernels, "k-vanished", sealed, keys, service="ClusterIP")
    before = kernel.ready().status
    assert before["start"] == {"type": "Warm", "pool": POOL}
    kernel.delete_pod(before["podName"], gracePeriodSeconds=0)
    service = kernels.path("services", f"kernel-{before['podName']}")
    kernel.wait("no Service", lambda: not exists(kernels, service))
    place.proxy.reset()
    kernel.restart(1)
    after = kernel.ready(1).status
    assert after["connection"]["ip"] == before["connection"]["ip"]
    assert after["podName"] != before["podName"]
    (own,) = kernel.children("services")
    assert own["spec"]["clusterIP"] == before["connection"]["ip"]


def exists(kernels: Kernels, path: str) -> bool:
    """Whether there is such an object."""
    try:
        kernels.api.request("GET", path)
    except ApiServerError as error:
        if error.status != 404:
            raise
        return False
    return True


def claim_of(kernels: Kernels, member: str) -> str:
    """Whose a pool's pod believes to be."""
    secret = kernels.api.request("GET", kernels.path("secrets", "kubernel-operator"))
    key = token(base64.b64decode(secret["data"]["key"]), member_subject(kernels.namespace, member))
    ip = kernels.api.request("GET", kernels.path("pods", member))["status"]["podIP"]
    answer = asyncio.run(control(ip, CONTROL_PORT, {"op": "status"}, key=key.encode(), role="operator"))
    return str(answer["claim"])


def in_thread(work: Callable[[], object]) -> None:
    """Returns when it is done in a thread that has no event loop."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_that_is_killed_at_the_claim_of_the_service_is_followed_by_one_that_claims_it(
    place: Place, pool: Any, when: str
) -> None:
    kernels, keys = place.kernels, new_keys(encrypted=False)
    name = f"k-service-{when}"
    sealed = seal_keys(pool()["publicKey"], kernels.namespace, name, keys)
    place.kill_at(only(verb="patch", resource="services"), when)
    kernel = create(kernels, name, sealed, keys, service="ClusterIP")
    before = kernel.ready().status
    assert before["start"] == {"type": "Warm", "pool": POOL}
    place.revive()
    wait_until("the member's Service", lambda: bool(kernel.children("services")), seconds=30)
    (service,) = kernel.children("services")
    assert before["connection"]["ip"] == service["spec"]["clusterIP"]
    assert service["spec"]["selector"]["kubernel.dev/member"] == before["podName"]
    assert kernel.ready().status["podName"] == before["podName"]
