"""Keys of kernels out of pools: which may be told to a member, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fixtures.objects import cr
from fixtures.operator_world import KEY, World
from fixtures.pools import (
    filled,
    sealed,
    settle,
    start,
)
from kubernel_api.conditions import ConditionType, is_true
from kubernel_cluster.errors import ApiError
from kubernel_wire.keys import ConnectionKeys, connection_secret
from kubernel_wire.sealed_keys import public_key

Json = dict[str, Any]


def test_a_key_that_only_its_client_knows_is_cold(world: World) -> None:
    filled(world)
    world.apply(cr(connection={"service": "None", "keyFrom": "Client"}))
    assert start(world, passes=3, seconds=1)["start"] == {"type": "Cold", "reason": "KeyFromClient"}


def test_a_key_that_its_client_has_sealed_is_told_to_the_member(world: World) -> None:
    filled(world)
    pool = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]
    assert pool["status"]["publicKey"] == public_key(KEY)
    before = len(world.cluster.writes())
    world.apply(cr(connection=sealed()))
    status = start(world)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")
    assert [told["keys"] for _, told in world.supervisors.told] == [{"key": "c1" * 32}]
    assert sorted(world.cluster.writes()[before:]) == [("patch", "kernelinstances/status"), ("patch", "pods")]


@pytest.mark.parametrize(
    "connection",
    [
        pytest.param(sealed("k2"), id="copied from another's KernelInstance"),
        pytest.param(sealed(operator=b"another"), id="sealed to another operator"),
        pytest.param({**sealed(), "sealedKeys": "AAAA"}, id="not sealed"),
    ],
)
def test_a_key_that_is_not_sealed_for_it_is_not_told(world: World, connection: Json) -> None:
    filled(world)
    world.apply(cr(connection=connection))
    assert start(world, passes=3, seconds=1)["start"] == {"type": "Cold", "reason": "KeyFromClient"}
    assert world.supervisors.told == []


def test_an_operator_that_follows_opens_a_sealed_key_once_more(world: World) -> None:
    filled(world)
    world.apply(cr(connection=sealed()))
    world.watch()
    world.asker._leads = lambda: False
    world.reconcile()  # the pod is claimed, and its supervisor knows of nothing
    assert world.supervisors.told == []
    world.start_operator()
    settle(world)
    status = start(world)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")


@pytest.mark.parametrize("late", [0, 3])
def test_a_clients_key_is_read_where_that_is_allowed(world: World, late: int) -> None:
    world.start_operator(read_keys="Always")
    filled(world)
    instance = cr(connection={"service": "None", "keyFrom": "Client"})
    world.apply(instance)
    if late:
        start(world, passes=late, seconds=1)
        assert world.instance()["status"]["reason"] == "WaitingForKey"
        world.start_operator(read_keys="Always")  # whoever comes next finds what is needed
        settle(world)
    secret = connection_secret(instance, ConnectionKeys("c1" * 32))
    asyncio.run(world.cluster.create("/api/v1/namespaces/ns/secrets", secret))
    status = start(world)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")
    assert [told["keys"] for _, told in world.supervisors.told] == [{"key": "c1" * 32}]


def test_a_secret_of_somebody_else_is_no_key(world: World) -> None:
    world.start_operator(read_keys="Always")
    filled(world)
    world.apply(cr(connection={"service": "None", "keyFrom": "Client"}))
    secret = connection_secret(cr(uid="another"), ConnectionKeys("c1" * 32))
    secret["metadata"]["name"] = "k1-0123abcd45"
    asyncio.run(world.cluster.create("/api/v1/namespaces/ns/secrets", secret))
    assert start(world, seconds=1)["reason"] == "WaitingForKey"
    assert world.supervisors.told == []


def test_it_is_not_ready_before_its_clients_can_have_its_key(world: World) -> None:
    filled(world)
    world.supervisors.spares = True
    world.cluster.refusals["secrets"] = ApiError(403, "Forbidden", "exceeded quota")
    world.apply(cr(connection={"service": "None"}))
    status = start(world, passes=3, seconds=1)
    assert len(world.supervisors.told) == 1
    assert not is_true(status, ConditionType.READY)
    assert "exceeded quota" in status["message"]
    del world.cluster.refusals["secrets"]
    status = start(world, passes=3, seconds=30)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")
    secrets = [o for p, o in world.cluster.objects.items() if p.endswith("/secrets/k1-0123abcd45")]
    assert [s["stringData"]["key"] for s in secrets] == list(world.supervisors.keys.values())
