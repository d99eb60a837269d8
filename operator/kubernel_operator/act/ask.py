"""What pods are asked over the network, and what is remembered of their answers. Nothing here waits inside a pass."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kubernel_api.names import member_subject
from kubernel_operator.build.member import binding_of
from kubernel_operator.build.secret import qualified_secret_name
from kubernel_operator.decide.actions import Bind, Configure, Probe, ProbeReplaced, Question, Restart
from kubernel_operator.observe.observed import Memory
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.report import PAUSED, Report, after_probe, from_control_status
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.settings import Settings
from kubernel_wire.callback import MalformedReportError, token
from kubernel_wire.control import ControlError, ControlUnreachableError, bind_request

from .pod_network import PodNetwork

logger = logging.getLogger(__name__)

CONTROL_ATTEMPTS = 2


class Asker:
    """Asks one pod at a time; what it learns goes to ``Memory``. A pod that does not answer is no error."""

    def __init__(
        self, operator_key: bytes, network: PodNetwork, clock: Callable[[], float], *, leads: Callable[[], bool]
    ) -> None:
        """``leads`` is asked before a member is told whose it is: it does not wait for a write that a fence refuses."""
        self._operator_key, self._leads = operator_key, leads
        self._network = network
        self._clock = clock

    async def ask(self, cr: dict[str, Any], memory: Memory, question: Question) -> None:
        """One question; it may take some seconds."""
        log = {"namespace": cr["metadata"]["namespace"], "kernel_instance": cr["metadata"]["name"]}
        level = logging.INFO if isinstance(question, Restart | Configure | Bind) else logging.DEBUG
        logger.log(level, "%s/%s: %s", *log.values(), describe(question), extra=log)
        match question:
            case Restart():
                await self._restart(cr, memory, question)
            case Configure():
                await self._configure(cr, memory, question)
            case Probe():
                await self._probe(cr, memory, question)
            case ProbeReplaced(pods=pods):
                for pod in pods:
                    if pod.ip is None or not await self._network.accepts(pod.ip):
                        memory.silent_pods.add(pod.name)

    async def bind(
        self,
        cr: dict[str, Any],
        memory: Memory,
        question: Bind,
        settings: Settings,
        template: TemplateFacts | None,
    ) -> None:
        """Tells a member whose it is."""
        keys, uid = memory.keys, question.pod_uid
        if keys is None or uid in memory.lost_members or not self._leads():
            return
        pods_token = token(self._operator_key, member_subject(cr["metadata"]["namespace"], question.pod))
        request = bind_request(pods_token.encode(), cr["metadata"]["uid"], keys, binding_of(cr, settings, template))
        before, memory.told = memory.reports.get(question.pod), uid
        for attempt in range(CONTROL_ATTEMPTS):
            try:
                answer = await self._network.ask(question.ip, request, pods_token)
            except ControlError as error:
                logger.warning("%s: %s (attempt %d)", cr["metadata"]["name"], error, attempt + 1)
            else:
                if memory.told == uid:  # else it turned out that the Secret has another key
                    memory.bound = uid
                self._learn(memory, question.pod, before, answer)
                return
        memory.bind_failed = uid

    def _learn(self, memory: Memory, pod: str, before: Report | None, answer: dict[str, Any]) -> None:
        """What a supervisor has answered, unless a callback arrived meanwhile, which knows better."""
        try:
            report = from_control_status(answer, self._clock())
        except MalformedReportError:
            return
        if memory.reports.get(pod) is before:
            memory.reports[pod] = after_probe(before, report)

    async def _restart(self, cr: dict[str, Any], memory: Memory, question: Restart) -> None:
        env = {variable["name"]: variable.get("value", "") for variable in cr["spec"].get("env") or []}
        request = {"op": "restart", "generation": question.generation, "env": env}
        for attempt in range(CONTROL_ATTEMPTS):
            try:
                await self._control(cr, memory, question.ip, request)
            except ControlError as error:
                logger.warning("%s: %s (attempt %d)", cr["metadata"]["name"], error, attempt + 1)
            else:
                memory.control_sent = question.generation
                return
        memory.control_failed = question.generation

    async def _configure(self, cr: dict[str, Any], memory: Memory, question: Configure) -> None:
        incarnation, seconds, suspend = memory.incarnation_seen, question.idle_timeout_seconds, question.suspend
        request = {"op": "configure", "idleTimeoutSeconds": seconds, "suspend": suspend}
        try:
            answer = await self._control(cr, memory, question.ip, request)
        except ControlError as error:
            logger.warning("%s: %s", cr["metadata"]["name"], error)
            return
        paused = bool(answer.get("suspended", suspend))  # a process that starts just now cannot be yet
        memory.configured = incarnation, seconds, paused
        # Its own report says so, too, but need not arrive.
        pod = memory.pod.name if memory.pod is not None else ""
        if (report := memory.reports.get(pod)) is not None:
            frozen = report.frozen - {PAUSED} | ({PAUSED} if paused else set())
            memory.reports[pod] = replace(report, idle_timeout_seconds=seconds, frozen=frozen)

    async def _probe(self, cr: dict[str, Any], memory: Memory, question: Probe) -> None:
        pod = memory.pod.name if memory.pod is not None else ""
        before = memory.reports.get(pod)
        try:
            answer = await self._control(cr, memory, question.ip, {"op": "status"})
            report = from_control_status(answer, self._clock())
        except (ControlError, MalformedReportError) as error:
            if not question.ports_tell or not await self._network.accepts(question.ip):
                return
            # Who refuses is there, and takes the requests of clients: only the operator's key is another one by now, or
            # another operator looks after this namespace, too.
            refused = not isinstance(error, ControlUnreachableError)
            if not refused and await self._network.is_supervised(question.ip):
                return  # the kernel was faster than its supervisor, which is about to say more than the ports do
            if refused:
                logger.warning("%s/%s: %s", cr["metadata"]["namespace"], cr["metadata"]["name"], error)
            generation, now = question.generation, self._clock()
            report = Report("", -1, generation, "running", now, ip=question.ip, supervised=refused)
        if memory.reports.get(pod) is before:  # else a callback arrived meanwhile; it knows better
            memory.reports[pod] = after_probe(before, report)

    async def _control(self, cr: dict[str, Any], memory: Memory, ip: str, request: dict[str, Any]) -> dict[str, Any]:
        return await self._network.ask(ip, request, self._token(cr, memory.pod))

    def _token(self, cr: dict[str, Any], pod: PodFacts | None) -> str:
        is_member = pod is not None and pod.is_member
        subject = member_subject(pod.namespace, pod.name) if pod and is_member else qualified_secret_name(cr)
        return token(self._operator_key, subject)


def describe(question: Question) -> str:
    """One line for the log."""
    match question:
        case Restart(why=why):
            return f"restart in place: {why}"
        case Bind(pod=pod, why=why):
            return f"bind pod {pod}: {why}"
        case Configure(why=why):
            return f"configure the supervisor: {why}"
        case Probe(why=why):
            return f"probe the pod: {why}"
        case ProbeReplaced(pods=pods, why=why):
            return f"probe {', '.join(pod.name for pod in pods)}: {why}"
