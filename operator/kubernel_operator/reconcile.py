"""One pass over one KernelInstance: observe, decide, report, apply. Every trigger runs the same pass."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_wire.callback import Callback

from . import metrics
from .act.apply import Applier
from .act.ask import Asker
from .act.fence import NotLeadingError
from .build.event import is_news
from .build.member import token_subject
from .claims import Claims, PoolsToTell
from .decide.actions import Action, Bind, Claim, Create, Explain, Question, ReadKeys, Request, Resize, Wake
from .decide.bounds import objection
from .decide.pace import may_write_at, news_at, progress
from .decide.plan import Context, plan
from .decide.resources.resizing import condition_news
from .decide.resources.sizing import with_sizes
from .decide.situation import Situation, Stage, situation
from .decide.status import build_status, status_patch
from .observe.bucket import Bucket
from .observe.cache import Cache, Key, key_of
from .observe.kernel_facts import kernel_facts
from .observe.kinds import PODS, is_partial, pool_of
from .observe.members import Members
from .observe.observed import Memory
from .observe.pod_facts import PodFacts
from .observe.report import merged
from .observe.templates import Templates
from .observer import Observer, remember
from .questions import Questions
from .server_leases import ServerLeases
from .turns import Turns
from .verdict import Verdict
from .work_queue import WorkQueue

logger = logging.getLogger(__name__)

# A refusal (quota, Pod Security) is tried again after 1, 2, 4 ... seconds, and when a pod goes: nobody else tells.
REFUSAL_RETRY_MAX_SECONDS = 60.0
# A KernelInstance that the API server does not find gets nothing made: it is gone, and the watch will say so; or its
# CRD is being replaced, and it is looked at again after this time.
GONE_SECONDS = 2.0
# How many KernelInstances of one namespace are worked on at a time: what they have under way, the API server serves
# before what others ask for. A pass takes some ten milliseconds, so this is hundreds of starts a second.
WORKERS_OF_NAMESPACE = 8
# A pass that has read Events or made a missing object is followed by another one this soon, which reports it.
LEARNED_SECONDS = 0.1
# Callbacks of one pod: a start and a restart are two each, everything else is less than one a minute.
CALLBACKS_AT_ONCE = 5
CALLBACKS_PER_SECOND = 1


class Reconciler:
    """Holds the cache and the memory, and brings each KernelInstance to where it should be."""

    def __init__(
        self,
        applier: Applier,
        asker: Asker,
        cache: Cache,
        server_leases: ServerLeases,
        templates: Templates,
        context: Callable[[], Context],
        clock: Callable[[], float],
        *,
        members: Members,
    ):
        self.cache = cache
        self.members = members
        self._claims = Claims(cache, members, context)
        self._observer = Observer(cache, members, self._claims, server_leases, templates)
        self._templates = templates
        self.queue: WorkQueue[Key] = WorkQueue(
            self.reconcile, log_failure, share=WORKERS_OF_NAMESPACE, is_new=lambda key: key not in self._memory
        )
        self.pools: PoolsToTell | None = None
        self.questions = Questions(self._ask, self.queue.add)
        self.turns = Turns(lambda: context().starts_at_once, self.queue.add)
        self.counts = metrics.KernelCounts()
        self._applier = applier
        self._asker = asker
        self._context = context
        self._clock = clock
        self._memory: dict[Key, Memory] = {}
        self._refused: dict[str, dict[Key, None]] = {}  # by namespace; who tried last is the last
        self._held_up: dict[str, set[Key]] = {}  # by name of the template that keeps them from getting a pod

    async def reconcile(self, key: Key) -> None:
        """One pass."""
        with metrics.RECONCILE_SECONDS.time():
            cr = self.cache.instances.get(key)
            if cr is None:
                if (memory := self._memory.pop(key, None)) is not None:
                    self.members.doubt(memory.uid)
                self.counts.put(key, None)
                self.queue.forget(key)
                self._refused.get(key[0], {}).pop(key, None)
                self._hold_up(key, "")
                self.questions.put(key, None)
                self.turns.keep(key, 0.0)
                return
            await self._pass(key, cr)

    def forget(self) -> None:
        """Forgets what was remembered of all KernelInstances: another operator has looked after them since."""
        self._memory.clear()
        self.cache.supervisors.clear()
        self.members.clear()
        self.counts.clear()
        self.turns.clear()

    def take_callback(self, callback: Callback) -> Verdict:
        """A supervisor's report. What runs in the pod may send any, as often as it likes."""
        namespace, _ = callback.secret.split("/")
        pod = self.cache.pods.get((namespace, callback.pod))
        cr = self._owner_of(pod) if pod else None
        if pod is not None and cr is None and self.pools is not None:
            pool = pool_of(PODS.link(pod) or "")
            if pool is not None:
                is_genuine = self.pools.take_callback((namespace, callback.pod), (namespace, pool), callback)
                return Verdict.TAKEN if is_genuine else Verdict.FOREIGN
        if pod is None or cr is None:
            return Verdict.UNKNOWN
        if callback.secret != token_subject(cr, pod):
            return Verdict.FOREIGN
        key = (namespace, cr["metadata"]["name"])
        memory, now = self._memory_of(key, cr), self._clock()
        bucket = memory.callbacks.setdefault(callback.pod, Bucket(CALLBACKS_AT_ONCE, CALLBACKS_PER_SECOND))
        if not bucket.take(now):
            return Verdict.TOO_MANY
        report = merged(memory.reports.get(callback.pod), callback, now)
        logger.debug("%s/%s: callback %d: %s", *key, callback.sequence, callback.state)
        if report is not None:
            memory.reports[callback.pod] = report
            self.queue.add(key)
        return Verdict.TAKEN

    async def _pass(self, key: Key, cr: dict[str, Any]) -> None:
        memory = self._memory_of(key, cr)
        kernel = kernel_facts(cr)
        now = self._clock()
        context = self._context()
        observed = self._observer.observe(kernel, memory, context.supervisor_map, now)
        found = situation(kernel, observed, now)
        logger.debug("%s/%s: %s", *key, found.stage)
        remember(memory, found)
        unread: ApiUnavailableError | None = None
        whole = cr
        if found.stage is Stage.NEEDS_POD:
            try:
                whole = await self._applier.read_instance(cr) if is_partial(cr) else cr
            except ApiUnavailableError as error:
                unread = error
            else:
                found = replace(found, objection=objection(whole["spec"], observed, context.settings))
                observed = self._claims.with_member(kernel_facts(whole), found, observed, memory)
                observed = self.turns.with_turn(key, memory, found, observed, now)
        found = with_sizes(kernel, found, observed, context.settings, now)
        self._hold_up(key, kernel.template if found.objection is not None else "")
        status = build_status(kernel, found, observed, context.settings, now, public_key=context.public_key)
        said, untold = await self._report(cr, memory, found, status, now)
        if isinstance(untold, ApiError):
            self.queue.add_after(key, GONE_SECONDS)
            return
        self.counts.put(key, said.get("status") or {})
        # With the status as it is now: deadlines count from the times that it says, and an own write wakes nobody.
        if said is not cr or is_partial(cr):
            cr = {**said, "spec": whole["spec"]} if is_partial(said) else said
            kernel = kernel_facts(cr)
        steps = plan(kernel, found, observed, context, now)
        refused = memory.refused_times
        actions = steps.actions
        if untold is not None:  # nothing is taken away before it was said why; and whose kernel it is goes with a claim
            actions = tuple(a for a in actions if isinstance(a, Create | Question) and not isinstance(a, Bind))
        self._expect(key, memory, actions)
        self.questions.put(key, next((a for a in actions if isinstance(a, Question)), None))
        failure = await self._apply_all(cr, memory, () if unread else actions) or untold or unread
        self.turns.passed(key, memory, found, observed)
        if any(isinstance(a, Claim) and a.member.pod.uid in memory.lost_members for a in actions):
            self.members.doubt(memory.uid)
        # Whatever failed: deadlines and Leases are looked at in time.
        if steps.again_at is not None:
            self.queue.add_after(key, steps.again_at - self._clock())
        if failure is not None:
            raise failure
        if memory.refused_times > refused:
            self._again_after_refusal(key, memory)
            return
        if key in self._refused.get(key[0], {}):
            del self._refused[key[0]][key]
            self.pod_went(key[0])  # there may be room for one more
        self._follow_up(key, actions, found)

    def _expect(self, key: Key, memory: Memory, actions: tuple[Action, ...]) -> None:
        """What must be remembered of a claim before anything of it is sent."""
        for action in actions:
            if isinstance(action, Create) and action.kind == "secret":
                memory.keys = action.body["stringData"]
            if isinstance(action, Claim):
                memory.reports[action.member.pod.name] = action.member.report
                if self.pools is not None:
                    self.pools.loses_a_member((key[0], action.member.pod.pool))

    def _follow_up(self, key: Key, actions: tuple[Action, ...], found: Situation) -> None:
        """What is done, or looked at, because of what was done."""
        lost = self._memory[key].lost_members
        is_asked = any(isinstance(a, Bind) for a in actions)  # its answer has another pass follow anyway
        if any(
            isinstance(a, Resize | Wake)
            or (isinstance(a, Create) and a.kind == "supervisor")
            or (isinstance(a, Claim) and (not is_asked or a.member.pod.uid in lost))
            for a in actions
        ):
            self.queue.add(key)  # to say what came of it, or to do what waited for it
        if any(isinstance(a, ReadKeys) for a in actions):
            waited = self._clock() - self._memory[key].first_seen
            self.queue.add_after(key, min(1.0, max(0.01, waited / 4)))  # nobody tells when the client has made it
        if any(isinstance(a, Explain) or (isinstance(a, Create) and found.stage is Stage.RUNNING) for a in actions):
            self.queue.add_after(key, LEARNED_SECONDS)

    def pod_went(self, namespace: str) -> None:
        """A pod ended or was deleted, so one that was refused may fit now; one at a time, since most will not."""
        if waiting := self._refused.get(namespace):
            self.queue.add(next(iter(waiting)))
        else:
            self._refused.pop(namespace, None)

    def pod_is_gone(self, key: Key, pod: PodFacts) -> None:
        """Remember the last of a pod, which may have been deleted between two passes, and only it says by whom.

        All else of it is forgotten: a kernel may have any number of pods, one after the other.

        Args:
            key: of its KernelInstance.
            pod: as the API server deleted it.
        """
        memory = self._memory.get(key)
        if memory is None:
            return
        if memory.last_seen is None or memory.last_seen.incarnation <= pod.incarnation:
            memory.last_seen = pod
        memory.reports.pop(pod.name, None)
        memory.callbacks.pop(pod.name, None)
        memory.silent_pods.discard(pod.name)

    def template_changed(self, name: str) -> None:
        """A KernelTemplate came, changed or went: for those that it kept from getting a pod."""
        for key in self._held_up.get(name, ()):
            self.queue.add(key)

    def _hold_up(self, key: Key, template: str) -> None:
        """Remembers which template keeps a KernelInstance from getting a pod; "" for none."""
        for name in [name for name, keys in self._held_up.items() if key in keys and name != template]:
            self._held_up[name].discard(key)
            if not self._held_up[name]:
                del self._held_up[name]
        if template:
            self._held_up.setdefault(template, set()).add(key)

    def _again_after_refusal(self, key: Key, memory: Memory) -> None:
        waiting = self._refused.setdefault(key[0], {})
        waiting.pop(key, None)
        waiting[key] = None
        if memory.refused_times == 1:
            self.queue.add(key)  # to say so
        else:
            seconds = min(REFUSAL_RETRY_MAX_SECONDS, 2.0 ** min(memory.refused_times, 10) / 4)
            # Jitter keeps those that were refused together from coming back together.
            self.queue.add_after(key, seconds * random.uniform(0.5, 1.0))  # noqa: S311

    async def _ask(self, key: Key, question: Question) -> None:
        cr = self.cache.instances.get(key)
        if cr is None:
            return
        if is_partial(cr):  # a restart brings the environment
            cr = await self._applier.read_instance(cr)
        if isinstance(question, Bind):
            kernel, settings = kernel_facts(cr), self._context().settings
            template = self._templates.get(kernel.template) if kernel.template else None
            await self._asker.bind(cr, self._memory_of(key, cr), question, settings, template)
            return
        await self._asker.ask(cr, self._memory_of(key, cr), question)

    async def _apply_all(self, cr: dict[str, Any], memory: Memory, actions: tuple[Action, ...]) -> BaseException | None:
        """All at once; a failure of one, which is returned, does not keep what the others learned from being kept."""
        requests = [self._applier.apply(cr, memory, a) for a in actions if isinstance(a, Request)]
        if not requests:
            return None
        results = await asyncio.gather(*requests, return_exceptions=True)
        return next((result for result in results if isinstance(result, BaseException)), None)

    async def _report(
        self, cr: dict[str, Any], memory: Memory, found: Situation, status: dict[str, Any], now: float
    ) -> tuple[dict[str, Any], ApiError | ApiUnavailableError | None]:
        """Writes the status if it is news; returns the KernelInstance as it is then, and why it could not be written.

        Raises:
            ConflictError: the KernelInstance has changed; what was decided is of yesterday.
        """
        old = cr.get("status") or {}
        patch = status_patch(old, status)
        if not patch:
            return cr, None
        new = progress(found.wanted, status.get("phase", ""))
        when = max(
            may_write_at(now, memory.said, memory.last_said, memory.last_said_at, new),
            news_at(found, status.get("reason", ""), memory.last_said_at),
        )
        if when > now:
            self.queue.add_after(key_of(cr), when - now)
            return cr, None
        try:
            written = await self._applier.patch_status(cr, patch)
        except ConflictError:
            raise
        except ApiUnavailableError as error:
            return cr, error
        except ApiError as error:
            if error.status == 404:
                return cr, error
            logger.warning("%s/%s: its status was refused: %s", *key_of(cr), error)
            return cr, None
        memory.said, memory.last_said, memory.last_said_at = max(memory.said, new), new, now
        self.cache.instances.put(written)
        metrics.observe_status(old, status)
        if status.get("start") and status.get("times") and not old.get("times"):
            metrics.observe_start(status["start"], now - memory.first_seen)
        reason = status.get("reason", "")
        if is_news(reason, memory.event_reason):
            memory.event_reason = reason
            await self._applier.post_event(cr, reason, status.get("message", ""))
        for news in condition_news(old, status):
            logger.info("%s/%s: %s: %s", *key_of(cr), *news)
            await self._applier.post_event(cr, *news)
        return written, None

    def _memory_of(self, key: Key, cr: dict[str, Any]) -> Memory:
        memory = self._memory.get(key)
        if memory is None or memory.uid != cr["metadata"]["uid"]:
            memory = self._memory[key] = Memory(cr["metadata"]["uid"], self._clock())
        return memory

    def _owner_of(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        for owner in pod["metadata"].get("ownerReferences") or []:
            cr = self.cache.instances.get((pod["metadata"]["namespace"], owner["name"]))
            if cr is not None and cr["metadata"]["uid"] == owner["uid"]:
                return cr
        return None


def log_failure(key: Key, error: Exception) -> None:
    """Tells of a pass that failed; the work queue comes back to it."""
    if isinstance(error, ConflictError):
        logger.debug("%s/%s: it has changed meanwhile, and is looked at again: %s", *key, error)
        return
    if isinstance(error, NotLeadingError):  # the election has said so once
        logger.debug("%s/%s: %s", *key, error)
        return
    metrics.RECONCILE_ERRORS.inc()
    logger.warning("%s/%s: will be tried again: %s", *key, str(error) or type(error).__name__)
