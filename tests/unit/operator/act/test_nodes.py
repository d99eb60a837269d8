"""The CPUs of the nodes that kernels may get."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from kubernel_cluster.cluster import Listing
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError
from kubernel_operator.act.nodes import ENOUGH_CPUS, Nodes


class Pages:
    """An API server with nodes.

    Attributes:
        read: how many pages were asked for.
        queries: what was asked for.
        failure: raised instead of an answer.
    """

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.read = 0
        self.queries: list[Mapping[str, str]] = []
        self.failure: ClusterError | None = None
        self._pages = pages

    async def pages(self, path: str, selectors: Mapping[str, str], *, page_size: int) -> AsyncIterator[Listing]:
        assert path == "/api/v1/nodes"
        self.queries.append(selectors)
        if self.failure is not None:
            raise self.failure
        for page in self._pages:
            self.read += 1
            yield Listing(page, 1)


def node(cpu: str | None, *, ready: str = "True", **spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": cpu} if cpu else {}
    return {"spec": spec, "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]}}


def counted(cluster: Pages, selector: Mapping[str, str] | None = None) -> float | None:
    nodes = Nodes(cluster, selector or {})  # type: ignore[arg-type]
    asyncio.run(nodes.count())
    return nodes.cpus


def test_those_that_take_new_pods_are_counted() -> None:
    cordoned, lost, strange = node("8", unschedulable=True), node("8", ready="Unknown"), {"metadata": {"name": "n"}}
    cluster = Pages([node("1930m"), cordoned, lost], [node("4"), strange, node(None)])
    assert counted(cluster, {"kubernetes.io/os": "linux", "pool": "kernels"}) == pytest.approx(5.93)
    assert cluster.queries == [{"labelSelector": "kubernetes.io/os=linux,pool=kernels"}]


def test_nobody_counts_further_than_needed() -> None:
    cluster = Pages([node(str(ENOUGH_CPUS))], [node("1")])
    assert counted(cluster) is None
    assert cluster.read == 1


def test_no_node_is_no_cpu() -> None:
    assert counted(Pages([])) == 0.0


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ApiError(403, "Forbidden", "nodes is forbidden"), "any number of kernels may start at the same time"),
        (ApiUnavailableError("nobody answers"), "the last number of CPUs stays"),
    ],
)
def test_who_may_not_know_says_it_once(
    failure: ClusterError, words: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernel_operator.act.nodes.INTERVAL_SECONDS", 0.0)
    cluster = Pages()
    cluster.failure = failure
    nodes = Nodes(cluster, {})  # type: ignore[arg-type]

    async def for_a_while() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(nodes.run(), 0.05)

    with caplog.at_level(logging.INFO):
        asyncio.run(for_a_while())
    assert len(cluster.queries) > 1
    assert nodes.cpus is None
    assert [words in record.message for record in caplog.records] == [True]
