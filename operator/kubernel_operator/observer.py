"""What is known of one KernelInstance at the moment of a pass: from the cache, and from what passes before it saw."""

from __future__ import annotations

from dataclasses import replace

from .claims import Claims
from .decide.binding import waits_for_binding
from .decide.refused_containers import refused_container
from .decide.situation import Situation, current_pod
from .observe.cache import Cache
from .observe.facts import service_facts
from .observe.kernel_facts import KernelFacts
from .observe.members import Members
from .observe.observed import DELETION_OF, Memory, Observed
from .observe.pod_facts import pod_facts
from .observe.templates import Templates
from .server_leases import ServerLeases


class Observer:
    """Sends no requests: it reads the caches."""

    def __init__(
        self, cache: Cache, members: Members, claims: Claims, server_leases: ServerLeases, templates: Templates
    ) -> None:
        self._cache, self._members, self._claims = cache, members, claims
        self._server_leases, self._templates = server_leases, templates

    def observe(self, kernel: KernelFacts, memory: Memory, supervisor_map: str, now: float) -> Observed:
        """Everything that a pass needs, and what the next one must know of it.

        Args:
            kernel: the KernelInstance.
            memory: what is remembered of it.
            supervisor_map: name of the ConfigMap that pods get their supervisor from by now.
            now: Unix seconds.
        """
        address = kernel.status.address
        if kernel.wanted > max(memory.restart_wanted, kernel.status.generation or 0):
            memory.restart_wanted, memory.restart_since = kernel.wanted, now
            memory.callbacks.clear()  # what was asked for is told at once
        linked = map(pod_facts, self._cache.pods.linked(kernel.namespace, kernel.name))
        pods = tuple(
            replace(pod, incarnation=0) if pod.uid in memory.taken_back else pod
            for pod in linked
            if pod.owner_uid == kernel.uid
        )
        current = current_pod(pods, max(kernel.status.incarnation, memory.incarnation_seen))
        if current is not None:
            memory.incarnation_seen = current.incarnation
        memory.pod = current
        memory.deleting_since = {p.name: memory.deleting_since.get(p.name, now) for p in pods if p.deleting}
        refused = [p.name for p in pods if refused_container(p) is not None]
        memory.refused_since = {name: memory.refused_since.get(name, now) for name in refused}
        report = memory.reports.get(current.name) if current else None
        if report is not None and report.generation > kernel.wanted:
            # Its server asked the supervisor itself, and the spec will say so in a moment; or the pod tells tales.
            report = replace(report, generation=kernel.wanted)
        services = map(service_facts, self._cache.services.linked(kernel.namespace, kernel.name))
        member_service = self._claims.service_of(kernel, current)
        service = next((each for each in services if each.owner_uid == kernel.uid), member_service)
        lease = kernel.lifecycle.lease_name
        if current is not None:
            self._members.release(kernel.uid)
        supervisor_found = self._cache.supervisors.get(kernel.namespace)
        if supervisor_found is not None:  # perhaps by another kernel's pass
            memory.refusals.pop("supervisor", None)
        gone = {name for name in memory.refusals if name.startswith(DELETION_OF)} - {DELETION_OF + p.name for p in pods}
        memory.refusals = {name: refusal for name, refusal in memory.refusals.items() if name not in gone}
        is_warm = current is not None and current.is_member
        observed = Observed(
            pods=pods,
            report=report,
            # A connection in the status says that the Secrets were created.
            secret=memory.secret or address is not None,
            # One that came from a pool has none before its first pod is replaced.
            pod_secret=memory.pod_secret or (address is not None and not kernel.status.was_warm),
            pod_secret_made=memory.pod_secret,
            supervisor_found=supervisor_found,
            supervisor_map=supervisor_map,
            service=service is not None,
            service_ip=(service.address if service else None) or (address.ip if address else None),
            refusal=next(iter(memory.refusals.values()), None),
            pending=memory.pending,
            hint=memory.hint,
            killed=memory.killed,
            explained_at=memory.explained_at,
            secret_posted=memory.secret_posted,
            incarnation_seen=memory.incarnation_seen,
            taken_back=max(memory.taken_back.values(), default=0),
            next_pod_at=memory.next_pod_at,
            restart_since=memory.restart_since,
            first_seen=memory.first_seen,
            control_sent=memory.control_sent,
            control_failed=memory.control_failed,
            silent_pods=frozenset(memory.silent_pods),
            deleting_since=memory.deleting_since,
            refused_since=memory.refused_since,
            woken=memory.woken,
            ends=dict(memory.ends),
            last_seen=memory.last_seen,
            configured=memory.configured,
            resizes=dict(memory.resizes),
            orphaned=lease is not None
            and self._server_leases.has_expired((kernel.namespace, lease), memory.first_seen),
            template=self._templates.get(kernel.template) if kernel.template else None,
            no_template=self._templates.why_missing(kernel.template) if kernel.template else "",
            member_service=member_service,
            service_member=service.member if service is not None else "",
            cold=memory.cold if not is_warm else None,
            keys=memory.keys,
            told=memory.told,
            bound=memory.bound,
            bind_failed=memory.bind_failed,
            turn_began=memory.turn_began,
        )
        is_secret_made = observed.secret or kernel.keys_by_client
        if current is not None and is_secret_made and not waits_for_binding(kernel, current, observed):
            memory.keys = None
        return observed


def remember(memory: Memory, found: Situation) -> None:
    """What the next pass must know of what this one saw: durations count from here."""
    memory.ends = {process: at for process, at in memory.ends.items() if process[1] >= found.wanted}
    if (ending := found.ending or found.replaces) is not None:
        memory.ends.setdefault((found.incarnation, ending.generation), found.ended_at)
    if found.pod is not None:
        may_be_lost = not found.pod.may_run or found.pod.node_is_silent
        memory.last_seen = found.pod if may_be_lost else None
