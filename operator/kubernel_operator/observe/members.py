"""The pods that wait in pools: which of them are ready, and which KernelInstance each is for.

Whoever asks for one has it from then on: nothing is awaited between the choice and the note of it, so no two
KernelInstances get the same. What other operators do meanwhile, the API server's word on the claim tells.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from kubernel_api.constants import POOL_KIND
from kubernel_wire.callback import Callback

from .cache import Cache, Key
from .kinds import pool_link
from .pod_facts import PodFacts, pod_facts
from .pool_facts import Shape
from .report import Report, merged


@dataclass(frozen=True)
class Member:
    """A pod that waits, for the KernelInstance that asked.

    Attributes:
        pool_uid: of the KernelPool that it is in.
        report: its supervisor's last word.
    """

    pod: PodFacts
    pool_uid: str
    report: Report


class Members:
    """What is known of them beside the cache. Losing it costs questions to pods, no state."""

    def __init__(self, cache: Cache) -> None:
        """None is known to be ready yet."""
        self._cache = cache
        self._reports: dict[Key, Report] = {}
        self._waiting: dict[tuple[str, str], dict[str, None]] = {}  # by namespace and shape: names, in their order
        self._chosen: dict[str, Key] = {}  # by uid of a KernelInstance
        self._taken: dict[Key, str] = {}  # the other way round
        self.shapes: dict[Key, Shape] = {}  # of each pool's members from now on

    def clear(self) -> None:
        """Nothing is known: another operator has led since."""
        for known in (self._reports, self._waiting, self._chosen, self._taken, self.shapes):
            known.clear()

    def has_pools(self, namespace: str) -> bool:
        """Whether there is a KernelPool in that namespace."""
        return any(key[0] == namespace for key in self._cache.pools.keys())  # noqa: SIM118 - a Store is no dict

    def shapes_in(self, namespace: str) -> dict[str, Shape]:
        """By name of each pool there that can make members, what they are made from."""
        return {key[1]: shape for key, shape in self.shapes.items() if key[0] == namespace and shape.digest}

    def report(self, key: Key) -> Report | None:
        """What the supervisor of that pod said last."""
        return self._reports.get(key)

    def take_callback(self, key: Key, callback: Callback, now: float) -> None:
        """A genuine report of a pod that nobody has claimed."""
        report = merged(self._reports.get(key), callback, now)
        if report is not None:
            self.learn(key, report)

    def learn(self, key: Key, report: Report) -> None:
        """What a pod's supervisor says."""
        self._reports[key] = report
        pod = self._pod(key)
        if pod is not None and report.state == "waiting" and key not in self._taken:
            self._waiting.setdefault((key[0], pod.shape), {})[key[1]] = None

    def forget(self, key: Key) -> None:
        """A pod is gone, or no pool's any more."""
        self._reports.pop(key, None)
        if (uid := self._taken.pop(key, None)) is not None:
            self._chosen.pop(uid, None)

    def is_ready(self, pod: PodFacts) -> bool:
        """Whether it waits, and nobody has chosen it."""
        key = pod.namespace, pod.name
        report = self._reports.get(key)
        return report is not None and report.state == "waiting" and key not in self._taken

    def chosen(self, key: Key) -> bool:
        """Whether a KernelInstance is about to claim it."""
        return key in self._taken

    def choose(self, namespace: str, shape: str, uid: str, *, without: Container[str] = frozenset()) -> Member | None:
        """A member for a KernelInstance, the same one as long as it is there; None when none waits.

        Args:
            namespace: of both.
            shape: hash of what it must have been made from.
            uid: of the KernelInstance.
            without: uids of pods that it cannot get.
        """
        key = self._chosen.get(uid)
        if key is not None:
            if (member := self._member(key, shape, uid)) is not None and member.pod.uid not in without:
                return member
            self.release(uid)
        waiting = self._waiting.get((namespace, shape), {})
        while waiting:
            name = next(iter(waiting))
            del waiting[name]
            key = namespace, name
            if key not in self._taken and (member := self._member(key, shape, uid)) is not None:
                self._chosen[uid], self._taken[key] = key, uid
                return member
        self._waiting.pop((namespace, shape), None)
        return None

    def release(self, uid: str) -> None:
        """A KernelInstance has its pod."""
        key = self._chosen.pop(uid, None)
        if key is not None:
            self._taken.pop(key, None)

    def doubt(self, uid: str) -> None:
        """A KernelInstance cannot get the one that was chosen for it, which may know of it already.

        It waits for another one when it has said so itself.
        """
        key = self._chosen.get(uid)
        if key is not None:
            self.forget(key)

    def _member(self, key: Key, shape: str, uid: str) -> Member | None:
        """The pod, if it still waits in a pool, as far as is known, or was told that it is this KernelInstance's."""
        obj, report = self._cache.pods.get(key), self._reports.get(key)
        if obj is None or report is None or (report.state != "waiting" and report.claim != uid):
            return None
        pod = pod_facts(obj)
        owner = (obj["metadata"].get("ownerReferences") or [{}])[0]
        is_well = pod.kernel_may_run and not pod.may_be_gone_soon
        is_free = owner.get("kind") == POOL_KIND and is_well and pod.shape == shape
        return Member(pod, str(owner["uid"]), report) if is_free else None

    def _pod(self, key: Key) -> PodFacts | None:
        obj = self._cache.pods.get(key)
        return pod_facts(obj) if obj is not None else None

    def of_pool(self, namespace: str, pool: str, uid: str) -> tuple[PodFacts, ...]:
        """All pods that wait, or are to wait, in a pool."""
        found = map(pod_facts, self._cache.pods.linked(namespace, pool_link(pool)))
        return tuple(pod for pod in found if pod.owner_uid == uid)
