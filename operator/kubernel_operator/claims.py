"""Which KernelInstances get a pod out of a pool, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from kubernel_api.names import service_name
from kubernel_wire.callback import Callback
from kubernel_wire.sealed_keys import keys_sealed_in

from .build.fit import shape_of, why_none
from .decide.binding import cannot_be_bound
from .decide.plan import Context
from .decide.situation import Situation
from .observe.cache import Cache, Key
from .observe.facts import ServiceFacts, service_facts
from .observe.kernel_facts import KernelFacts
from .observe.members import Member, Members
from .observe.observed import CLAIM_REFUSED, Cold, Memory, Observed
from .observe.pod_facts import PodFacts


class PoolsToTell(Protocol):
    """What the pools are told."""

    def take_callback(self, key: Key, pool: Key, callback: Callback) -> bool:
        """A report of a pod that waits in a pool; whether it is genuine."""

    def loses_a_member(self, pool: Key) -> None:
        """A KernelInstance is about to claim one of its pods."""


class Claims:
    """Chooses; what comes of it is ``decide.plan``'s business."""

    def __init__(self, cache: Cache, members: Members, context: Callable[[], Context]) -> None:
        """Chooses nothing yet. ``context``: what pods are made from."""
        self._cache, self._members, self._context = cache, members, context

    def with_member(self, kernel: KernelFacts, found: Situation, observed: Observed, memory: Memory) -> Observed:
        """What is observed, with a pool's pod for it, or why there is none, in a namespace with pools.

        Args:
            kernel: the KernelInstance, whole, which needs a pod.
            found: where it stands.
            observed: what is known of it.
            memory: remembers why it gets none.
        """
        if found.objection is not None or not self._members.has_pools(kernel.namespace):
            return observed
        chosen = self._choose(kernel, found, observed, memory)
        if isinstance(chosen, Cold):
            memory.cold = chosen
            return replace(observed, cold=chosen)
        service = self.service_of(kernel, chosen.pod)
        return replace(
            observed,
            member=chosen,
            member_service=service,
            service=observed.service or service is not None,
            keys=memory.keys,
        )

    def _choose(self, kernel: KernelFacts, found: Situation, observed: Observed, memory: Memory) -> Member | Cold:
        """The pod, or why it gets none."""
        context = self._context()
        if found.incarnation > 0:
            return Cold("MemberFailed" if cannot_be_bound(kernel, found.pod, observed) else "Replaced")
        if memory.cold is not None and memory.cold.reason == CLAIM_REFUSED:
            return memory.cold  # so would the next one be
        if kernel.keys_by_client and memory.keys is None:
            memory.keys = keys_sealed_in(context.operator_key, kernel.raw)
            if memory.keys is None and context.settings.read_keys != "Always":
                return Cold("KeyFromClient")
        if observed.secret and memory.keys is None:
            return Cold("MemberFailed")  # an operator that wanted to claim one was killed, and took the key with it
        shape = shape_of(kernel.raw["spec"], context.settings, observed.template, context.supervisor_map)
        lost = memory.lost_members
        member = self._members.choose(kernel.namespace, shape.digest, kernel.uid, without=lost)
        return member or why_none(self._members.shapes_in(kernel.namespace), shape)

    def service_of(self, kernel: KernelFacts, pod: PodFacts | None) -> ServiceFacts | None:
        """The Service that was made for a pool's pod, as long as it belongs to that pod and is such as the kernel's."""
        if pod is None or not pod.is_member or not kernel.by_service:
            return None
        obj = self._cache.services.get((pod.namespace, service_name(pod.name)))
        found = service_facts(obj) if obj is not None else None
        if found is None or found.owner_uid != pod.uid or found.is_headless != kernel.by_headless_service:
            return None
        return found
