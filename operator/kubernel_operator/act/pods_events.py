"""The Events of a pod, which explain what it does not say itself."""

from __future__ import annotations

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_operator.observe.cut import Fields, page_reader
from kubernel_operator.observe.facts import EventFacts, event_facts
from kubernel_operator.observe.kinds import NAME, SENTENCE, TIME, WORD
from kubernel_operator.observe.pod_facts import PodFacts

# Whoever may create Events can say as much as they like about any pod, a megabyte at a time: what is read of it is
# bounded, since the operator serves everybody. Kubernetes' own components add up what they repeat.
EVENTS_MAX = 200
_EVENT: Fields = {
    "reason": WORD,
    "message": SENTENCE,
    "firstTimestamp": TIME,
    "lastTimestamp": TIME,
    "eventTime": TIME,
    "series": {"lastObservedTime": TIME},
    "involvedObject": {"fieldPath": NAME},
    "source": {"component": NAME},
    "reportingComponent": NAME,
}
_READ = page_reader(_EVENT)


async def events_of(cluster: Cluster, pod: PodFacts) -> list[EventFacts]:
    """What was said of a pod, in the order of the Events' names.

    Raises:
        ClusterError: it is not known.
    """
    found: list[EventFacts] = []
    selectors = {"fieldSelector": f"involvedObject.uid={pod.uid}"}
    async for page in cluster.pages(paths.core("events", pod.namespace), selectors, read=_READ):
        found += map(event_facts, page.items)
        if len(found) >= EVENTS_MAX:
            break
    return found[:EVENTS_MAX]
