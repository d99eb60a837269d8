"""A LIST of everything, compared with the cache."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import cr, pod
from kubernel_cluster.cluster import Listing
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.observe.cache import Cache, Key
from kubernel_operator.observe.sweep import sweep

INSTANCES = "/apis/kubernel.dev/v1beta1/namespaces"
LEASE = {"metadata": {"name": "server-1", "namespace": "ns", "uid": "lease", "resourceVersion": "5"}, "spec": {}}


class Page(list[Any]):
    """A list of objects that can be counted."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Sweeper:
    """A cache, and what a sweep said of it."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.news: list[tuple[str, Key]] = []

    def sweep(self, cluster: FakeCluster, *namespaces: str | None, at_once: bool = False) -> list[tuple[str, Key]]:
        """KernelInstances of which something was news."""
        self.news = []
        asyncio.run(sweep(cluster, namespaces or (None,), self.cache, self._take, at_once=at_once))  # type: ignore[arg-type]
        return self.news

    def _take(self, kind: str, key: Key) -> None:
        self.news.append((kind, key))

    def sizes(self) -> tuple[int, int, int]:
        return len(self.cache.instances), len(self.cache.pods), len(self.cache.leases)


@pytest.fixture
def cluster() -> FakeCluster:
    """With a KernelInstance in each of two namespaces, a pod and a Lease."""
    cluster = FakeCluster()
    cluster.put(f"{INSTANCES}/ns/kernelinstances/k1", cr())
    cluster.put(f"{INSTANCES}/other/kernelinstances/k2", cr(name="k2", namespace="other", uid="2"))
    cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    cluster.put("/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-1", LEASE)
    return cluster


@pytest.mark.parametrize("at_once", [True, False])
def test_the_first_one_fills_the_cache(cluster: FakeCluster, at_once: bool) -> None:
    sweeper = Sweeper()
    assert sweeper.sweep(cluster, at_once=at_once) == [
        ("lease", ("ns", "server-1")),
        ("instance", ("ns", "k1")),
        ("instance", ("other", "k2")),
        ("pod", ("ns", "k1")),
    ]
    assert sweeper.sizes() == (2, 1, 1)


def test_pods_are_listed_first(cluster: FakeCluster) -> None:
    """A KernelInstance whose pod is not in the cache yet would get a second one."""
    Sweeper().sweep(cluster)
    assert [resource for _, resource in cluster.requests] == [
        "pods",
        "services",
        "leases",
        "kernelpools",
        "kernelinstances",
    ]


def test_a_second_one_finds_nothing(cluster: FakeCluster) -> None:
    sweeper = Sweeper()
    sweeper.sweep(cluster)
    assert sweeper.sweep(cluster) == []


def test_what_vanished_without_a_word_is_found(cluster: FakeCluster) -> None:
    sweeper = Sweeper()
    sweeper.sweep(cluster)
    cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    cluster.remove(f"{INSTANCES}/other/kernelinstances/k2")
    assert sweeper.sweep(cluster) == [("instance", ("other", "k2")), ("pod", ("ns", "k1"))]
    assert (sweeper.cache.instances.keys(), sweeper.cache.pods.keys()) == ([("ns", "k1")], [])


def test_what_changed_without_a_word_is_found(cluster: FakeCluster) -> None:
    sweeper = Sweeper()
    sweeper.sweep(cluster)
    cluster.put(f"{INSTANCES}/ns/kernelinstances/k1", cr(restartGeneration=1))
    assert sweeper.sweep(cluster) == [("instance", ("ns", "k1"))]


def test_only_the_namespaces_that_are_watched(cluster: FakeCluster) -> None:
    sweeper = Sweeper()
    assert sweeper.sweep(cluster, "other") == [("instance", ("other", "k2"))]
    assert sweeper.sweep(cluster, "other", "ns") == [
        ("lease", ("ns", "server-1")),
        ("instance", ("ns", "k1")),
        ("pod", ("ns", "k1")),
    ]


@pytest.mark.parametrize("resource", ["pods", "leases", "kernelinstances"])
def test_a_list_that_fails_is_no_empty_list(cluster: FakeCluster, resource: str) -> None:
    sweeper = Sweeper()
    sweeper.sweep(cluster)
    cluster.fault = lambda request: "lost" if request == ("list", resource) else ""
    with pytest.raises(ApiUnavailableError):
        sweeper.sweep(cluster)
    assert sweeper.news == []
    assert sweeper.sizes() == (2, 1, 1)


def test_no_more_than_a_page_is_held(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The raw objects of 10,000 kernels are a gigabyte."""
    for number in range(20):
        cluster.put(f"/api/v1/namespaces/ns/pods/k{number}-1", pod(name=f"k{number}", owner=f"uid {number}"))
    held: list[int] = []
    alive: weakref.WeakSet[Page] = weakref.WeakSet()
    pages = cluster.pages

    async def counted(path: str, selectors: dict[str, str], **options: Any) -> AsyncIterator[Listing]:
        async for page in pages(path, selectors, **options):
            items = Page(page.items)
            alive.add(items)
            held.append(len(alive))
            listing = Listing(items, page.version)
            del items
            yield listing

    monkeypatch.setattr(cluster, "pages", counted)
    Sweeper().sweep(cluster)
    assert len(held) > 10
    assert max(held) <= 2


def test_without_the_crd_of_pools_there_are_none(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = cluster.pages

    def without(path: str, selectors: dict[str, str], **options: Any) -> AsyncIterator[Listing]:
        if path.endswith("kernelpools"):
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return pages(path, selectors, **options)

    monkeypatch.setattr(cluster, "pages", without)
    sweeper = Sweeper()
    sweeper.sweep(cluster)
    assert sweeper.sizes() == (2, 1, 1)
