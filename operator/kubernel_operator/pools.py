"""KernelPools: one pass over one pool. Beside the KernelInstances, and behind them: nobody waits for a member."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kubernel_api.constants import POOL_KIND
from kubernel_api.names import member_subject
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError
from kubernel_wire.callback import Callback, MalformedReportError, token
from kubernel_wire.control import ControlError

from . import metrics
from .act.pod_network import PodNetwork
from .act.pool_writes import PoolWrites
from .build.event import MEMBER_FAILED
from .build.fit import shape_of
from .decide.bounds import objection
from .decide.plan import Context
from .decide.pool_plan import REFILL_SECONDS, MemberState, plan_pool, pool_status
from .decide.reasons import misses
from .decide.refused_containers import refused_container
from .decide.status import status_patch
from .observe.cache import Cache, Key
from .observe.members import Members
from .observe.observed import Memory, Observed, Refusal, Woken
from .observe.pod_facts import PodFacts
from .observe.pool_facts import PoolFacts, Shape, pool_facts
from .observe.report import from_control_status
from .observe.templates import Templates
from .work_queue import WorkQueue

logger = logging.getLogger(__name__)

# Pools that are worked on at the same time; each makes one member after the other.
WORKERS = 2
STATUS_SECONDS = 1.0
# A member that waits is asked this often whether it still does, and given up after so many questions in vain.
ASK_SECONDS, ASK_TIMES = 60.0, 3
# One of which nothing was heard, since the operator is new or its callbacks do not arrive.
ASK_UNHEARD_SECONDS = 1.0
ASKED_AT_ONCE = 8
# After members that died young, and after a refusal: 1, 2, 4 ... seconds, until one has lived for long enough.
PAUSE_MAX_SECONDS = 60.0
YOUNG_SECONDS = 60.0


@dataclass
class PoolMemory:
    """What this process remembers of a pool. Losing it costs requests, no state."""

    uid: str
    refusal: Refusal | None = None
    failed_times: int = 0  # in a row: members that died young, and refusals
    not_before: float = 0.0
    said_at: float = 0.0
    told: str = ""
    claims: list[float] = field(default_factory=list)  # Unix seconds, of the last REFILL_SECONDS
    kept: Memory = field(default_factory=lambda: Memory("", 0.0))


@dataclass
class _Asked:
    since: float  # Unix seconds when the pod was first seen
    placed: float | None = None  # and with a node
    at: float = 0.0
    times: int = 0  # in vain
    woken: Woken | None = None
    refused_since: float | None = None


class Pools:
    """Makes, replaces and ends the members of all pools.

    Attributes:
        questions: to members, that have not been answered yet.
    """

    def __init__(
        self,
        writes: PoolWrites,
        network: PodNetwork,
        cache: Cache,
        members: Members,
        templates: Templates,
        context: Callable[[], Context],
        clock: Callable[[], float],
        *,
        starts: Callable[[str], int],
    ) -> None:
        """All that a pass needs; nothing is done yet. ``starts``: how many kernels of a namespace are on their way."""
        self._writes, self._network = writes, network
        self._cache, self._members, self._templates = cache, members, templates
        self._context, self._clock, self._starts = context, clock, starts
        self.queue: WorkQueue[Key] = WorkQueue(self.reconcile, _log_failure)
        self._memory: dict[Key, PoolMemory] = {}
        self._asked: dict[Key, _Asked] = {}
        self.questions: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(ASKED_AT_ONCE)

    def forget(self) -> None:
        """Another operator has led since."""
        self._memory.clear()
        self._asked.clear()

    def take_callback(self, key: Key, pool: Key, callback: Callback) -> bool:
        """A report of a pod that waits in a pool; whether it is genuine."""
        if callback.secret != member_subject(*key):
            return False
        self._members.take_callback(key, callback, self._clock())
        self.queue.add(pool)
        return True

    def loses_a_member(self, pool: Key) -> None:
        """A KernelInstance is about to claim one of its pods."""
        if (memory := self._memory.get(pool)) is not None:
            memory.claims.append(self._clock())
        self.lost_a_member(pool)

    def lost_a_member(self, pool: Key) -> None:
        """One of its pods is a KernelInstance's by now. That is no reason to do anything at once."""
        self.queue.add_after(pool, REFILL_SECONDS)

    def template_changed(self, name: str) -> None:
        """A KernelTemplate came, changed or went."""
        for obj in self._cache.pools.values():
            if (obj["spec"].get("templateName") or "") == name:
                self.queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    async def reconcile(self, key: Key) -> None:
        """One pass over one pool."""
        obj = self._cache.pools.get(key)
        if obj is None:
            self._memory.pop(key, None)
            self._members.shapes.pop(key, None)
            self.queue.forget(key)
            metrics.forget_pool(*key)
            return
        pool, context, now = pool_facts(obj), self._context(), self._clock()
        memory = self._memory.get(key)
        if memory is None or memory.uid != pool.uid:
            memory = self._memory[key] = PoolMemory(pool.uid)
        template = self._templates.get(pool.template) if pool.template else None
        missing = self._templates.why_missing(pool.template) if pool.template else ""
        observed = Observed(template=template, no_template=missing)
        refusal = objection(pool.kernel_spec, observed, context.settings)
        made_from = Shape()
        if not refusal:
            made_from = shape_of(pool.kernel_spec, context.settings, template, context.supervisor_map)
        self._members.shapes[key], shape = made_from, made_from.digest
        states = self._states(pool, now)
        memory.claims = [at for at in memory.claims if now < at + REFILL_SECONDS]
        plan = plan_pool(
            pool,
            states,
            shape,
            refusal,
            now,
            not_before=memory.not_before,
            claims=memory.claims,
            starts=self._starts(pool.namespace),
        )
        failures = [await self._delete(pool, memory, pod, why) for pod, why in plan.delete]
        for pod, times in plan.wake:
            self._asked[pod.namespace, pod.name].woken = Woken(pod.uid, times + 1, now)
            failures.append(await _failure_of(self._writes.wake_kubelet(pod)))
        if any(misses(state.pod, context.supervisor_map) for state in states):  # somebody deleted it
            memory.refusal = await self._writes.create_supervisor(pool, memory.kept, context) or memory.refusal
        for _ in range(plan.create):
            if not await self._create(pool, memory, context):
                break  # so would the next one be
        if any(state.ready and now >= state.since + YOUNG_SECONDS for state in states):
            memory.failed_times = 0
        states = self._states(pool, now)
        await self._report(pool, memory, states, shape, refusal or memory.refusal, now)
        metrics.observe_pool(*key, ready=sum(s.ready for s in states), members=len(states))
        if plan.again_at is not None:
            self.queue.add_after(key, plan.again_at - now)
        self._ask(key, states, now)
        if (failure := next((error for error in failures if error is not None), None)) is not None:
            raise failure
        if plan.create or plan.delete:
            self.queue.add_after(key, STATUS_SECONDS)

    def _states(self, pool: PoolFacts, now: float) -> tuple[MemberState, ...]:
        return tuple(self._state(pod, now) for pod in self._members.of_pool(pool.namespace, pool.name, pool.uid))

    def _state(self, pod: PodFacts, now: float) -> MemberState:
        key = pod.namespace, pod.name
        report, asked = self._members.report(key), self._asked.setdefault(key, _Asked(now))
        if asked.placed is None and pod.node is not None:
            asked.placed = now
        asked.refused_since = None if refused_container(pod) is None else asked.refused_since or now
        return MemberState(
            pod,
            ready=pod.kernel_may_run and self._members.is_ready(pod),
            chosen=self._members.chosen(key),
            strayed=report is not None and bool(report.claim),
            silent=report is not None and asked.times >= ASK_TIMES,
            since=asked.since,
            placed=asked.placed,
            woken=asked.woken,
            refused_since=asked.refused_since,
        )

    async def _create(self, pool: PoolFacts, memory: PoolMemory, context: Context) -> bool:
        """Whether a member was made; what was in the way is remembered."""
        refusal: Refusal | None = None
        if self._cache.supervisors.get(pool.namespace) is None:
            refusal = await self._writes.create_supervisor(pool, memory.kept, context)
        if refusal is None:
            template = self._templates.get(pool.template) if pool.template else None
            refusal = await self._writes.create_member(pool, context, template)
        memory.refusal = refusal
        if refusal is None:
            memory.told = ""
            return True
        self._pause(memory)
        await self._tell(pool, memory, refusal.reason, refusal.message)
        return False

    async def _delete(self, pool: PoolFacts, memory: PoolMemory, pod: PodFacts, why: str) -> ClusterError | None:
        """Why it could not be deleted."""
        if (failure := await _failure_of(self._writes.delete_member(pod, why))) is not None:
            return failure
        if pod.has_ended or not pod.kernel_may_run:
            if self._clock() < self._asked[pod.namespace, pod.name].since + YOUNG_SECONDS:
                self._pause(memory)
            message = f"Pod {pod.name}: {why}; another is made."
            await self._writes.post_event(pool, MEMBER_FAILED, message)
        return None

    def _pause(self, memory: PoolMemory) -> None:
        seconds = min(PAUSE_MAX_SECONDS, 2.0 ** min(memory.failed_times, 10))
        memory.failed_times += 1
        memory.not_before = self._clock() + seconds * random.uniform(0.75, 1.0)  # noqa: S311 - jitter

    async def _tell(self, pool: PoolFacts, memory: PoolMemory, reason: str, message: str) -> None:
        if memory.told != reason:
            memory.told = reason
            await self._writes.post_event(pool, reason, message)

    async def _report(
        self,
        pool: PoolFacts,
        memory: PoolMemory,
        states: tuple[MemberState, ...],
        shape: str,
        refusal: Refusal | None,
        now: float,
    ) -> None:
        """Writes the status if it is news, and not within a second of the last time."""
        public_key = self._context().public_key
        patch = status_patch(pool.status, pool_status(pool, states, shape, refusal, now, public_key=public_key))
        if not patch:
            return
        if now < memory.said_at + STATUS_SECONDS:
            self.queue.add_after((pool.namespace, pool.name), memory.said_at + STATUS_SECONDS - now)
            return
        memory.said_at = now
        await self._writes.patch_status(pool, patch)

    # Questions to members.

    def _ask(self, key: Key, states: tuple[MemberState, ...], now: float) -> None:
        """Asks those of which nothing was heard for long; a pass does not wait for their answers."""
        there = {(s.pod.namespace, s.pod.name) for s in states}
        for name in [k for k in self._asked if k[0] == key[0] and k not in there and self._is_gone(k)]:
            del self._asked[name]
            self._members.forget(name)
        for state in states:
            name, pod = (state.pod.namespace, state.pod.name), state.pod
            if not (pod.kernel_runs and pod.may_run and pod.ip):
                continue
            asked = self._asked[name]
            pause = ASK_UNHEARD_SECONDS if self._members.report(name) is None or asked.times else ASK_SECONDS
            if now >= asked.at + pause:
                asked.at = now
                task = asyncio.create_task(self._question(key, name, pod.ip))
                self.questions.add(task)
                task.add_done_callback(self.questions.discard)
            self.queue.add_after(key, max(0.1, asked.at + pause - now))

    def _is_gone(self, key: Key) -> bool:
        obj = self._cache.pods.get(key)
        return obj is None or not any(o.get("kind") == POOL_KIND for o in obj["metadata"].get("ownerReferences") or [])

    async def _question(self, pool: Key, member: Key, ip: str) -> None:
        asked = self._asked.get(member)
        if asked is None:
            return
        async with self._slots:
            try:
                answer = await self._network.ask(
                    ip, {"op": "status"}, token(self._context().operator_key, member_subject(*member))
                )
                report = from_control_status(answer, self._clock())
            except (ControlError, MalformedReportError):
                asked.times += 1
            else:
                asked.times = 0
                if not self._is_gone(member):
                    self._members.learn(member, report)
        self.queue.add(pool)


def _log_failure(key: Key, error: Exception) -> None:
    level = logging.INFO if isinstance(error, ApiUnavailableError) else logging.WARNING
    logger.log(level, "KernelPool %s/%s: will be tried again: %s", *key, str(error) or type(error).__name__)


async def _failure_of(writing: Awaitable[None]) -> ClusterError | None:
    """Why a member could not be changed: that keeps nobody from making and counting the others."""
    try:
        await writing
    except (ApiError, ApiUnavailableError) as error:
        return error
    return None
