"""What this process knows of its KernelInstances: kept in memory, fed by one watch, read from any thread.

Written only in the background loop; an entry is replaced and never changed, so a reader in another thread always sees
a whole one. A deleted KernelInstance leaves an entry that says so until ``forget``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A KernelInstance as last seen.

    Args:
        instance: metadata, of spec what was asked for of resources, time and a pause, and status; the rest is dropped
            to keep 1,000 of them small.
        gone: whether it was deleted, as far as this server is concerned.
        taken: whether it lives on with another server.
    """

    instance: dict[str, Any]
    gone: bool = False
    taken: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.instance["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Tells an object from a later one of the same name."""
        return str(self.instance["metadata"]["uid"])

    @property
    def version(self) -> int:
        """Its resourceVersion. They are comparable numbers: KEP-5504, and in practice since etcd 3."""
        return int(self.instance["metadata"]["resourceVersion"])

    @property
    def status(self) -> dict[str, Any]:
        """``status``, empty when there is none."""
        return self.instance.get("status") or {}


def slim(instance: dict[str, Any]) -> dict[str, Any]:
    """The parts of a KernelInstance that anybody here reads."""
    metadata, spec = instance["metadata"], instance.get("spec") or {}
    asked = {key: spec[key] for key in ("resources", "lifecycle") if key in spec}
    asked |= {"suspend": True} if spec.get("suspend") else {}
    kept = ("name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp")
    return {
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"restartGeneration": spec.get("restartGeneration", 0), **asked},
        "status": instance.get("status") or {},
    }


class View:
    """Entries by name, and wake-up calls for those who wait for one."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._bells: dict[str, set[asyncio.Event]] = {}

    def get(self, name: str) -> Seen | None:
        """The last known entry; from any thread, without waiting."""
        return self._seen.get(name)

    def living(self) -> list[Seen]:
        """All that were not deleted."""
        return [seen for seen in self._seen.values() if not seen.gone]

    def __len__(self) -> int:
        return len(self.living())

    def offer(self, instance: dict[str, Any]) -> None:
        """Takes what the API server answered to a write, unless the watch already knows something newer."""
        self._put(Seen(slim(instance)))

    def apply(self, event: str, instance: dict[str, Any]) -> None:
        """Takes one event of the watch: ADDED, MODIFIED or DELETED."""
        self._put(Seen(slim(instance), gone=event == "DELETED"))

    def lose(self, seen: Seen, *, taken: bool) -> None:
        """Takes it that one is gone, or another server's by now."""
        self._put(replace(seen, gone=True, taken=taken))

    def replace(
        self,
        instances: list[dict[str, Any]],
        version: int,
        *,
        restored: bool = False,
        missing: Callable[[Seen], None] | None = None,
    ) -> None:
        """Takes a complete list. What it lacks was deleted while nobody watched, unless it is younger than the list.

        Args:
            instances: all there are.
            version: resourceVersion of the list.
            restored: whether the cluster's etcd was, so that older versions are the truth now.
            missing: called with what it lacks, in place of taking that for deleted.
        """
        names = {instance["metadata"]["name"] for instance in instances}
        for instance in instances:
            if restored:
                self._set(instance["metadata"]["name"], Seen(slim(instance)))
            else:
                self._put(Seen(slim(instance)))
        for name, seen in list(self._seen.items()):
            if name not in names and not seen.gone and (restored or seen.version <= version):
                if missing is None:
                    self._set(name, replace(seen, gone=True))
                else:
                    missing(seen)

    def forget(self, name: str, uid: str) -> None:
        """Drops an entry that nobody will ask for any more."""
        seen = self._seen.get(name)
        if seen is not None and seen.uid == uid:
            del self._seen[name]
            self._ring(name)

    def _put(self, new: Seen) -> None:
        name = new.instance["metadata"]["name"]
        old = self._seen.get(name)
        if old is None and new.gone:  # forgotten already: its deletion is no news
            return
        if old is None or new.version > old.version or (new.gone and not old.gone and new.uid == old.uid):
            self._set(name, new)

    def _set(self, name: str, seen: Seen) -> None:
        self._seen[name] = seen
        self._ring(name)

    def _ring(self, name: str) -> None:
        for bell in self._bells.get(name, ()):
            bell.set()

    async def change(self, name: str, known: Seen | None, seconds: float | None) -> Seen | None:
        """The entry of that name as soon as it is another than ``known``; after so many seconds as it is.

        Only in the background loop.
        """
        bell = asyncio.Event()
        self._bells.setdefault(name, set()).add(bell)
        try:
            if self.get(name) is known:
                async with asyncio.timeout(seconds):
                    await bell.wait()
        except TimeoutError:
            pass
        finally:
            self._bells[name].discard(bell)
            if not self._bells[name]:
                del self._bells[name]
        return self.get(name)
