"""An operator's decisions with a cluster in memory and a clock that is set by hand."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import NOW, SETTINGS, cr
from kubernel_api.control import ControlUnreachableError
from kubernel_operator.apply import Applier, instance_path
from kubernel_operator.build_secret import ConnectionKeys
from kubernel_operator.cache import Store, key_of
from kubernel_operator.plan import Context
from kubernel_operator.reconcile import Reconciler

KEY = b"operator key"


class Supervisors:
    """The supervisors of all pods, as the operator reaches them.

    Attributes:
        status: what each address answers to ``status``; an address without one does not answer.
        listening: addresses whose five ports accept connections.
        asked: address and request, in order.
    """

    def __init__(self) -> None:
        self.status: dict[str, dict[str, Any]] = {}
        self.listening: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, ip: str, request: dict[str, Any], token: str) -> dict[str, Any]:
        """As the real one: a generation that is not higher starts nothing."""
        self.asked.append((ip, request))
        status = self.status.get(ip)
        if status is None:
            raise ControlUnreachableError(f"no supervisor answered at {ip}")
        if request["op"] == "status":
            return {"ok": True, **status}
        if request["generation"] > status["generation"]:
            status.update(generation=request["generation"], state="starting")
        return {"ok": True}

    async def accepts(self, ip: str) -> bool:
        return ip in self.listening


class World:
    """A cluster and the parts of an operator that decide and write.

    Attributes:
        now: Unix seconds, for all parts.
        keys: connection keys that were made, in order.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.keys: list[str] = []
        self.cluster = FakeCluster()
        self.supervisors = Supervisors()
        self.start_operator()

    def start_operator(self, *, late: str = "") -> None:
        """An operator that has forgotten everything, and has not heard of one kind of objects yet."""
        pods, leases = Store(), Store()
        context = Context(SETTINGS, KEY, "print()", "http://10.96.1.1:8443/v1/callback", self._new_keys)
        self.applier = Applier(self.cluster, pods, leases, KEY, self.supervisors, clock=lambda: self.now)  # type: ignore[arg-type]
        self.reconciler = Reconciler(self.applier, pods, leases, lambda: context, clock=lambda: self.now)
        self.watch(late)

    def _new_keys(self, encrypted: bool) -> ConnectionKeys:
        self.keys.append(f"key {len(self.keys)}")
        return ConnectionKeys(self.keys[-1])

    def apply(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Somebody writes a KernelInstance."""
        return self.cluster.put(instance_path(instance), instance)

    def watch(self, late: str = "") -> None:
        """The operator's cache becomes what the cluster holds, but for one kind."""
        for kind, store in (
            ("kernelinstances", self.reconciler.instances),
            ("pods", self.reconciler.pods),
            ("leases", self.reconciler.leases),
        ):
            if kind == late:
                continue
            there = {p: o for p, o in self.cluster.objects.items() if p.split("/")[-2] == kind}
            for obj in store.values():
                if obj["metadata"]["uid"] not in {o["metadata"]["uid"] for o in there.values()}:
                    store.remove(obj)
            for obj in there.values():
                store.put(copy.deepcopy(obj))

    def reconcile(self, key: tuple[str, str] = ("ns", "k1")) -> None:
        """One pass."""

        async def one_pass() -> None:
            await self.reconciler.reconcile(key)

        asyncio.run(one_pass())

    def instance(self, name: str = "k1") -> dict[str, Any]:
        """The KernelInstance as the cluster holds it."""
        return self.cluster.objects[instance_path(cr(name=name))]

    def pods(self) -> list[dict[str, Any]]:
        """The pods as the cluster holds them."""
        return [o for p, o in self.cluster.objects.items() if "/pods/" in p]

    def change_pod(self, pod: dict[str, Any], **status: Any) -> None:
        """The kubelet writes a pod's status."""
        self.cluster.put(f"/api/v1/namespaces/ns/pods/{key_of(pod)[1]}", {**pod, "status": status})


@pytest.fixture
def world() -> World:
    """A cluster without anything in it, and an operator."""
    return World()
