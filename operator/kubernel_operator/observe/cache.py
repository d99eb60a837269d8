"""The operator's view of the cluster, fed by watches, lists and the answers to its own writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from .facts import controller_uid

Key = tuple[str, str]  # namespace, name


def key_of(obj: dict[str, Any]) -> Key:
    """Namespace and name: the one place where a key is made."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def slim(obj: dict[str, Any]) -> dict[str, Any]:
    """The object without managedFields and without what the operator never reads; most of its size."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    metadata["annotations"] = {
        k: v
        for k, v in (metadata.get("annotations") or {}).items()
        if k != "kubectl.kubernetes.io/last-applied-configuration"
    }
    slimmed = {**obj, "metadata": metadata}
    if obj.get("kind") == "Pod" or "containers" in (obj.get("spec") or {}):
        slimmed["spec"] = {k: obj["spec"][k] for k in ("nodeName", "schedulingGates") if k in obj["spec"]}
        if inits := obj["spec"].get("initContainers"):
            slimmed["spec"]["initContainers"] = [{k: c.get(k) for k in ("name", "restartPolicy")} for c in inits]
    return slimmed


def _version(obj: dict[str, Any]) -> int:
    """ResourceVersion as a number.

    Comparable by size since KEP-5504 says so (Kubernetes 1.35); every API server on etcd behaved so before.
    """
    try:
        return int(obj["metadata"].get("resourceVersion") or 0)
    except ValueError:
        return 0


class Store:
    """Objects of one kind by namespace and name. Never goes back to an older version of the same object."""

    def __init__(self) -> None:
        self._objects: dict[Key, dict[str, Any]] = {}
        self._by_owner: dict[str, set[Key]] = defaultdict(set)
        # An object that was deleted must not be brought back by an event or answer that was on its way.
        self._deleted: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> dict[str, Any] | None:
        """The object, or None."""
        return self._objects.get(key)

    def keys(self) -> list[Key]:
        """All keys."""
        return list(self._objects)

    def values(self) -> list[dict[str, Any]]:
        """All objects."""
        return list(self._objects.values())

    def owned_by(self, uid: str) -> tuple[dict[str, Any], ...]:
        """All objects whose controller has that uid."""
        return tuple(self._objects[k] for k in self._by_owner.get(uid, ()))

    def put(self, obj: dict[str, Any]) -> bool:
        """Take an object; whether it is news."""
        key = key_of(obj)
        if obj["metadata"].get("uid") in self._deleted:
            return False
        old = self._objects.get(key)
        if old is not None and _version(obj) <= _version(old):
            return False
        if old is not None:
            self._unindex(key, old)
        self._objects[key] = slim(obj)
        if owner := controller_uid(obj):
            self._by_owner[owner].add(key)
        return True

    def remove(self, obj: dict[str, Any]) -> None:
        """Forget an object that was deleted."""
        uid = obj["metadata"].get("uid")
        if uid:
            self._deleted[uid] = None
            while len(self._deleted) > 10_000:
                self._deleted.pop(next(iter(self._deleted)))
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and old["metadata"].get("uid") == uid:
            self._unindex(key, old)
            del self._objects[key]

    def replace(self, objects: Iterable[dict[str, Any]], version: int, namespace: str | None) -> list[dict[str, Any]]:
        """Take a full LIST; returns what changed: the objects that are news, and those that vanished unannounced.

        kopf 1.45 never says DELETED for what vanished between two watches, so a LIST is the only witness.

        Args:
            objects: all there are, at ``version``.
            version: resourceVersion of the collection; what is newer than it in here was created after the LIST.
            namespace: the namespace that was listed; None for all.
        """
        listed = list(objects)
        uids = {o["metadata"]["uid"] for o in listed}
        vanished = [
            old
            for old in self.values()
            if (namespace is None or key_of(old)[0] == namespace)
            and old["metadata"]["uid"] not in uids
            and _version(old) <= version
        ]
        for old in vanished:
            self.remove(old)
        return vanished + [o for o in listed if self.put(o)]

    def _unindex(self, key: Key, obj: dict[str, Any]) -> None:
        if owner := controller_uid(obj):
            self._by_owner[owner].discard(key)
            if not self._by_owner[owner]:
                del self._by_owner[owner]
