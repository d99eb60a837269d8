"""The ConfigMap with the supervisor: made once for a namespace, healed, and never somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from fixtures.api_client import Json
from fixtures.namespaces import if_there
from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.constants import LABEL_COMPONENT, LABEL_COMPONENT_SUPERVISOR
from kubernel_cluster.cluster import Cluster
from kubernel_operator.act.unused_supervisors import UnusedSupervisors
from kubernel_operator.build.supervisor import build_supervisor_map
from kubernel_operator.observe.cache import Cache
from kubernel_supervisor.bundle import supervisor_source

from .conftest import Place

MakePlace = Callable[..., Place]
EVIL = 'print("I have", __import__("os").environ["KUBERNEL_KEY"]); import time; time.sleep(100)'


def supervisor_map(place: Place, source: str = "") -> Json:
    """As the operator makes it, but for what it holds."""
    made = build_supervisor_map(place.namespace, supervisor_source())
    return {**made, "data": {"supervisor.py": source}} if source else made


def path(place: Place) -> str:
    """Where it is."""
    return place.kernels.path("configmaps", supervisor_map(place)["metadata"]["name"])


def test_one_for_all_kernels_of_a_namespace(make_place: MakePlace) -> None:
    place = make_place()
    place.kernels.start()
    place.kernels.start()
    selector = {"labelSelector": f"{LABEL_COMPONENT}={LABEL_COMPONENT_SUPERVISOR}"}
    (found,) = place.api.request("GET", place.kernels.path("configmaps"), **selector)["items"]
    assert [w for w in place.proxy.writes() if "configmaps" in w] == [f"create configmaps {found['metadata']['name']}"]
    place.operator.kill()
    place.proxy.reset()
    place.ensure_operator()
    place.kernels.start()
    assert place.api.request("GET", path(place))["metadata"]["uid"] == found["metadata"]["uid"]


def test_a_foreign_one_is_refused_until_it_is_gone(make_place: MakePlace) -> None:
    place = make_place()
    place.api.request("POST", place.kernels.path("configmaps"), supervisor_map(place, EVIL))
    kernel = place.kernels.create()
    status = kernel.reason("NameConflict")
    assert is_true(status, ConditionType.STALLED)
    assert "holds something else than the kernels' supervisor" in status["message"]
    assert kernel.children("pods") == []
    place.api.request("DELETE", path(place))
    kernel.ready()


def test_one_that_was_exchanged_later_is_not_run(make_place: MakePlace) -> None:
    """The operator looks once, the pod each time."""
    place = make_place()
    first = place.kernels.start()
    first.delete()
    first.gone()
    place.api.request("DELETE", path(place))
    place.api.request("POST", place.kernels.path("configmaps"), supervisor_map(place, EVIL))
    status = place.kernels.create().finished()
    assert "holds something else than the operator put there" in status["message"]
    assert "I have" not in status["message"]


def test_one_that_was_deleted_is_made_again(make_place: MakePlace) -> None:
    place = make_place()
    first = place.kernels.start()
    first.delete()
    first.gone()
    place.api.request("DELETE", path(place))
    place.kernels.start()
    assert if_there(place.api, "GET", path(place))


def test_one_that_no_pod_needs_is_deleted(make_place: MakePlace) -> None:
    """By the code of the operator, whose next look would be in an hour."""
    place = make_place()
    kernel = place.kernels.start()
    place.operator.kill()
    (pod,) = kernel.children("pods")

    def tidied(*pods: Json) -> Json | None:
        asyncio.run(tidy_twice(place.proxy.kubeconfig, place.namespace, pods))
        return if_there(place.api, "GET", path(place))

    assert tidied(pod)
    assert not tidied()
    place.ensure_operator()
    place.kernels.start()
    assert if_there(place.api, "GET", path(place))


async def tidy_twice(kubeconfig: Path, namespace: str, pods: tuple[Json, ...]) -> None:
    """As an operator that knows those pods."""
    cluster, cache, lock = await Cluster.connect(str(kubeconfig)), Cache(), asyncio.Lock()
    for pod in pods:
        cache.pods.put(pod)
    tidier = UnusedSupervisors(cluster, (namespace,), cache, lambda _: lock, lambda _: False)
    try:
        await tidier.tidy()
        await tidier.tidy()
    finally:
        await cluster.close()
