"""What is read of a pod's Events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from fixtures.objects import pod
from kubernel_cluster.cluster import Listing
from kubernel_operator.act.pods_events import EVENTS_MAX, events_of
from kubernel_operator.observe.facts import EventFacts
from kubernel_operator.observe.pod_facts import pod_facts

PAGE = 100


def event(number: int, message: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"k1-1.{number}", "annotations": {"noise": "x" * 1000}},
        "involvedObject": {"kind": "Pod", "uid": "pod-k1-1", "fieldPath": "spec.containers{kernel}"},
        "reason": "Pulling",
        "message": message,
        "source": {"component": "kubelet", "host": "node1"},
        "firstTimestamp": "2027-01-15T08:00:00Z",
        "lastTimestamp": "2027-01-15T08:00:09Z",
        "eventTime": None,
        "count": 3,
    }


class Talkative:
    """An API server that has more Events of a pod than anybody wants to hear."""

    def __init__(self, number: int, message: str) -> None:
        self.events = [event(each, message) for each in range(number)]
        self.pages_read = 0

    async def pages(
        self, path: str, selectors: Mapping[str, str], *, read: Callable[[bytes], Any]
    ) -> AsyncIterator[Listing]:
        assert (path, dict(selectors)) == ("/api/v1/namespaces/ns/events", {"fieldSelector": "involvedObject.uid=u"})
        for start in range(0, len(self.events), PAGE):
            self.pages_read += 1
            yield Listing(read(json.dumps({"items": self.events[start : start + PAGE]}).encode())["items"], 1)


def read(cluster: Any) -> list[EventFacts]:
    made = pod()
    made["metadata"]["uid"] = "u"
    return asyncio.run(events_of(cluster, pod_facts(made)))


def test_what_explains_a_pod_is_read() -> None:
    (found,) = read(Talkative(1, "Pulling image"))
    assert found == EventFacts("Pulling", "Pulling image", "2027-01-15T08:00:09Z", "kernel", "kubelet")


def test_a_tenant_cannot_fill_the_operators_memory() -> None:
    hostile = Talkative(1000, "x" * 5000)
    found = read(hostile)
    assert len(found) == EVENTS_MAX
    assert {len(each.message) for each in found} == {1024}
    assert hostile.pages_read == EVENTS_MAX // PAGE, "no more is asked for"
