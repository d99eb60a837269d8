"""A LIST of everything, compared with the cache."""

import asyncio
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import cr, pod
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_operator.observe.cache import Store
from kubernel_operator.observe.sweep import sweep

INSTANCES = "/apis/kubernel.dev/v1beta1/namespaces"
LEASE = {"metadata": {"name": "server-1", "namespace": "ns", "uid": "lease", "resourceVersion": "5"}, "spec": {}}


class Cache:
    """The three stores, and what a sweep said of them."""

    def __init__(self) -> None:
        self.instances, self.pods, self.leases = Store(), Store(), Store()
        self.news: list[tuple[str, str]] = []

    def sweep(self, cluster: FakeCluster, *namespaces: str | None) -> list[tuple[str, str]]:
        """Kind and name of what was news."""
        self.news = []
        stores = self.instances, self.pods, self.leases
        asyncio.run(sweep(cluster, namespaces or (None,), stores, self._take))  # type: ignore[arg-type]
        return self.news

    def _take(self, kind: str, obj: dict[str, Any]) -> None:
        self.news.append((kind, obj["metadata"]["name"]))


@pytest.fixture
def cluster() -> FakeCluster:
    """With a KernelInstance in each of two namespaces, a pod and a Lease."""
    cluster = FakeCluster()
    cluster.put(f"{INSTANCES}/ns/kernelinstances/k1", cr())
    cluster.put(f"{INSTANCES}/other/kernelinstances/k2", cr(name="k2", namespace="other", uid="2"))
    cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    cluster.put("/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-1", LEASE)
    return cluster


def test_the_first_one_fills_the_cache(cluster: FakeCluster) -> None:
    cache = Cache()
    assert cache.sweep(cluster) == [("instance", "k1"), ("instance", "k2"), ("pod", "k1-1")]
    assert (len(cache.instances), len(cache.pods), len(cache.leases)) == (2, 1, 1)


def test_pods_are_listed_first(cluster: FakeCluster) -> None:
    """A KernelInstance whose pod is not in the cache yet would get a second one."""
    Cache().sweep(cluster)
    assert [resource for _, resource in cluster.requests] == ["pods", "leases", "kernelinstances"]


def test_a_second_one_finds_nothing(cluster: FakeCluster) -> None:
    cache = Cache()
    cache.sweep(cluster)
    assert cache.sweep(cluster) == []


def test_what_vanished_without_a_word_is_found(cluster: FakeCluster) -> None:
    cache = Cache()
    cache.sweep(cluster)
    cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    cluster.remove(f"{INSTANCES}/other/kernelinstances/k2")
    assert cache.sweep(cluster) == [("instance", "k2"), ("pod", "k1-1")]
    assert (cache.instances.keys(), cache.pods.keys()) == ([("ns", "k1")], [])


def test_what_changed_without_a_word_is_found(cluster: FakeCluster) -> None:
    cache = Cache()
    cache.sweep(cluster)
    cluster.put(f"{INSTANCES}/ns/kernelinstances/k1", cr(restartGeneration=1))
    assert cache.sweep(cluster) == [("instance", "k1")]


def test_only_the_namespaces_that_are_watched(cluster: FakeCluster) -> None:
    cache = Cache()
    assert cache.sweep(cluster, "other") == [("instance", "k2")]
    assert cache.sweep(cluster, "other", "ns") == [("instance", "k1"), ("pod", "k1-1")]


@pytest.mark.parametrize("resource", ["pods", "leases", "kernelinstances"])
def test_a_list_that_fails_is_no_empty_list(cluster: FakeCluster, resource: str) -> None:
    cache = Cache()
    cache.sweep(cluster)
    cluster.fault = lambda request: "lost" if request == ("list", resource) else ""
    with pytest.raises(ApiUnavailableError):
        cache.sweep(cluster)
    assert cache.news == []
    assert (len(cache.instances), len(cache.pods), len(cache.leases)) == (2, 1, 1)
