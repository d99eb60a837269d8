"""The server's kernel manager: kernels of ours start while nobody waits for them, all others as ever."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets import Bool, default

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import KernelDeletedError

from .buffering import BufferingKernelManager, go_on
from .control import close_dead_control
from .events import Announcer
from .occupied import find_out_state, let_pages_wait
from .pages import WaitingPage, all_told
from .sessions import starting_for
from .unseen import UnseenDeaths

if TYPE_CHECKING:
    from kubernel_provisioner.launch.claiming import Left

# How often a kernel that starts is looked at, for news.
NEWS_SECONDS = 1.0
# And one that is ended while it restarts.
ENDING_SECONDS = 0.1

#: The kernel that a start takes up instead of starting one.
taking_up: ContextVar[Left | None] = ContextVar("kubernel_taking_up", default=None)
_nobody_waits: ContextVar[bool] = ContextVar("kubernel_nobody_waits", default=False)


class StartCancelledError(KernelDeletedError):
    """Somebody shut the kernel down while it started."""


class _PerKernel(Bool[bool, bool]):
    """``use_pending_kernels``, and true while a kernel of ours is being started, whatever holds for the others."""

    def get(self, obj: Any, cls: Any = None) -> bool:
        return _nobody_waits.get() or bool(super().get(obj, cls))


class KubernelKernelManager(BufferingKernelManager):
    """Starts a kernel of ours at once as "starting"; it can be used, restarted and shut down from then on.

    One that does not start is "dead", with its ``reason``, until it is shut down; a restart tries again.
    """

    use_pending_kernels = _PerKernel(
        False, help="Whether kernels of other provisioners start while nobody waits for them, too."
    ).tag(config=True)

    keep_kernels_on_shutdown = Bool(
        False,
        help="Whether kernels outlive a server that is stopped in order, for orphan_after_seconds; the next server of "
        "the same owner takes them up. Default: whether KUBERNEL_KEEP_KERNELS is 1.",
    ).tag(config=True)

    @default("keep_kernels_on_shutdown")
    def _keep_kernels_default(self) -> bool:
        return os.environ.get("KUBERNEL_KEEP_KERNELS") == "1"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ours: dict[str, float] = {}  # by kernel id: monotonic seconds when its start began
        self._amounts: dict[str, dict[str, Any]] = {}  # by kernel id: cpu and memory that were in force last
        self._over: set[str] = set()  # ids of kernels that have died and do not come back
        self._watching: asyncio.Task[None] | None = None
        self._taking_up: set[str] = set()
        self._taken_up = 0
        self._renamed: dict[str, dict[str, Any]] = {}  # by kernel id: sessions that are not written yet
        #: By kernel id: the connections of pages that wait for it.
        self.waiting_pages: dict[str, set[WaitingPage]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        #: For kernels of an earlier server, where the cluster did not answer at the start.
        self.searches: set[asyncio.Task[None]] = set()
        #: Deaths that no page has seen.
        self.unseen = UnseenDeaths()

    def is_ours(self, kernel_id: str) -> bool:
        """Whether a kernel runs, or will run, in a pod."""
        return kernel_id in self._ours

    def is_pending(self, kernel_id: str) -> bool:
        """Whether a kernel of ours starts or restarts just now, or did not start."""
        return self.is_ours(kernel_id) and kernel_id in self and not self._is_ready(kernel_id)

    def _is_ready(self, kernel_id: str) -> bool:
        ready = self.get_kernel(kernel_id).ready
        return bool(ready.done() and not ready.cancelled() and ready.exception() is None)

    def seconds_since_start(self, kernel_id: str) -> float:
        """How long ago the start, or the restart, of a kernel of ours began."""
        return time.monotonic() - self._ours.get(kernel_id, time.monotonic())

    @property
    def taken_up(self) -> int | None:
        """How many kernels of an earlier server have been taken up; None while that is not settled."""
        return None if self._taking_up else self._taken_up

    def provisioner_of(self, kernel_id: str) -> KubernetesProvisioner | None:
        """The provisioner of a kernel of ours, once it has one."""
        found = getattr(self._kernels.get(kernel_id), "provisioner", None)
        return found if isinstance(found, KubernetesProvisioner) else None

    # Starting.

    async def _async_start_kernel(self, *, kernel_id: str | None = None, path: Any = None, **kwargs: Any) -> str:
        left = taking_up.get()
        kernel_id = left.kernel_id if left is not None else kernel_id
        if (kernel_id is not None and kernel_id in self) or not self._will_be_ours(kwargs.get("kernel_name")):
            return str(await super()._async_start_kernel(kernel_id=kernel_id, path=path, **kwargs))
        kernel_id = self.new_kernel_id(**kwargs) if kernel_id is None else kernel_id
        self._ours[kernel_id] = time.monotonic()
        self.unseen.started(kernel_id, (starting_for.get() or {}).get("path"))
        if left is not None and left.is_ready:
            self._taking_up.add(kernel_id)
        extras = {"kubernel_session": starting_for.get(), "kubernel_left": left}
        kwargs |= {name: extra for name, extra in extras.items() if extra is not None}
        token = _nobody_waits.set(True)
        try:
            kernel_id = str(await super()._async_start_kernel(kernel_id=kernel_id, path=path, **kwargs))
            if kernel_id in self._taking_up:
                let_pages_wait(self.get_kernel(kernel_id))
            return kernel_id
        except BaseException:
            self._ours.pop(kernel_id, None)
            self._taking_up.discard(kernel_id)
            raise
        finally:
            _nobody_waits.reset(token)

    start_kernel = _async_start_kernel

    def _will_be_ours(self, kernel_name: str | None) -> bool:
        return self.make_provisioner(kernel_name or self.default_kernel_name) is not None

    def make_provisioner(self, kernel_name: str) -> KubernetesProvisioner | None:
        """A provisioner for a kernelspec that asks for ours, or for none where ours is the default; else None."""
        with suppress(Exception):  # no such kernelspec, or a wrong one: its start says so
            factory = KernelProvisionerFactory.instance(parent=self)
            spec = self.kernel_spec_manager.get_kernel_spec(kernel_name)
            wanted = spec.metadata.get("kernel_provisioner") or {}
            found = factory.provisioners[wanted.get("provisioner_name") or factory.default_provisioner_name].load()
            if issubclass(found, KubernetesProvisioner):
                ours: KubernetesProvisioner = found(
                    kernel_id="", kernel_spec=spec, **wanted.get("config", {}), parent=self
                )
                return ours
        return None

    async def _finish_kernel_start(self, kernel_id: str) -> None:
        if not self.is_ours(kernel_id):
            await super()._finish_kernel_start(kernel_id)
            return
        kernel, news = self.get_kernel(kernel_id), self._announcer(kernel_id)
        while not kernel.ready.done():  # not awaited itself: whoever cancels this must not cancel that
            await asyncio.wait({kernel.ready}, timeout=NEWS_SECONDS)
            self._tell_session(kernel_id)
            provisioner = self.provisioner_of(kernel_id)
            if provisioner is not None and not kernel.ready.done():
                news.waiting(*provisioner.why_waiting, self.seconds_since_start(kernel_id))
        error, left = kernel.ready.exception(), (kernel._launch_args or {}).pop("kubernel_left", None)
        if error is None:
            self.add_restart_callback(kernel_id, lambda: self._note_death(kernel_id))
            # Before the base's, which forgets the kernel.
            self.add_restart_callback(kernel_id, lambda: self._note_end(kernel_id), "dead")
            await super()._finish_kernel_start(kernel_id)
            if self.keep_kernels_on_shutdown:
                self._release(kernel_id)
            if left is None or not left.is_ready:
                news.ready(self.seconds_since_start(kernel_id))
            else:
                news.reattached()
                self._taken_up += 1
                find_out_state(kernel)
            self._taking_up.discard(kernel_id)
            self._look_at_amounts(kernel_id)
            if self._watching is None or self._watching.done():
                self._watching = asyncio.create_task(self._watch_amounts())
        elif left is not None and (left.is_ready or isinstance(error, KernelDeletedError)):
            # Another server was faster, or it cannot be reached: it is not this server's to end.
            self.log.warning("Kernel %s was not taken up: %s", kernel_id, error)
            self.remove_kernel(kernel_id)
        elif kernel_id in self and not isinstance(error, StartCancelledError):
            news.failed(str(error))
            kernel.execution_state, kernel.reason = "dead", str(error)

    async def _watch_amounts(self) -> None:
        """Says when a kernel has got other amounts of cpu or memory, whoever asked for them."""
        while self._ours:
            await asyncio.sleep(NEWS_SECONDS)
            for kernel_id in [each for each in self._ours if not self.is_pending(each)]:
                self._look_at_amounts(kernel_id)

    def _look_at_amounts(self, kernel_id: str) -> None:
        provisioner = self.provisioner_of(kernel_id)
        amounts = provisioner.amounts if provisioner is not None else None
        if amounts and amounts != self._amounts.setdefault(kernel_id, amounts):
            self._amounts[kernel_id] = amounts
            self._announcer(kernel_id).resized(amounts)

    def note_session(self, kernel_id: str, session: dict[str, Any]) -> None:
        """The notebook of a kernel has another name, or the kernel another notebook.

        JupyterLab says the notebook's true name a moment after it has asked for the kernel, which may not be made yet.
        """
        if self.is_ours(kernel_id):
            self.unseen.started(kernel_id, session["path"])
            self._renamed[kernel_id] = session
            self._tell_session(kernel_id)

    def _tell_session(self, kernel_id: str) -> None:
        session, provisioner = self._renamed.get(kernel_id), self.provisioner_of(kernel_id)
        if session is not None and provisioner is not None and provisioner.note_session(session):
            del self._renamed[kernel_id]
            # A restart takes the arguments of the start.
            self.get_kernel(kernel_id)._launch_args["kubernel_session"] = session

    def _announcer(self, kernel_id: str) -> Announcer:
        kernel = self.get_kernel(kernel_id)
        return Announcer(kernel_id, kernel.kernel_name, kernel.emit)

    def _note_death(self, kernel_id: str) -> None:
        """Called when the kernel has died, before pages are told that it restarts."""
        self._ours[kernel_id] = time.monotonic()
        provisioner = self.provisioner_of(kernel_id)
        if provisioner is not None:
            kernel = self.get_kernel(kernel_id)
            kernel.reason, kernel.execution_state = provisioner.describe_end(), "starting"
            if provisioner.is_over:
                self._over.add(kernel_id)
            self._tell_death(kernel_id, provisioner, is_over=provisioner.is_over)

    def _note_end(self, kernel_id: str) -> None:
        """Called when a restart has failed for good; of a kernel that was over before it everybody has heard."""
        provisioner = self.provisioner_of(kernel_id)
        if provisioner is not None and kernel_id not in self._over:
            self._tell_death(kernel_id, provisioner, is_over=True)
            go_on(self._endings, self._let_go(provisioner))

    async def _let_go(self, provisioner: KubernetesProvisioner) -> None:
        """Deletes what is left of a kernel that has died too often: nobody would restart it any more."""
        await provisioner.hear_last_output()  # as its pages do in this moment, and afterwards nobody can
        await provisioner.cleanup()

    def _tell_death(self, kernel_id: str, provisioner: KubernetesProvisioner, *, is_over: bool) -> None:
        why = provisioner.describe_end()
        self._announcer(kernel_id).died(why, is_over=is_over)
        if self._kernel_connections.get(kernel_id):
            return  # the pages tell it
        if is_over:
            self.unseen.ended(kernel_id, why, provisioner.notebook)
        else:
            self.unseen.died(kernel_id, why)

    # Ending.

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """Ends a kernel that nobody uses. One that starts nobody can use yet; it has a deadline of its own."""
        if not (self.is_ours(kernel_id) and self._is_starting(kernel_id)):
            await super().cull_kernel_if_idle(kernel_id)

    async def _async_shutdown_kernel(self, kernel_id: str, now: bool = False, restart: bool = False) -> None:
        self._check_kernel_id(kernel_id)
        if not self.is_ours(kernel_id):
            await super()._async_shutdown_kernel(kernel_id, now=now, restart=restart)
            return
        if self._is_starting(kernel_id):
            await self._cancel_start(kernel_id)
        else:
            await self._end_restart(kernel_id)
        if kernel_id in self:
            close_dead_control(self.get_kernel(kernel_id))
            await super()._async_shutdown_kernel(kernel_id, now=now, restart=restart)

    shutdown_kernel = _async_shutdown_kernel

    async def _async_shutdown_all(self, now: bool = False) -> None:
        for task in self.searches:
            task.cancel()
        if self.keep_kernels_on_shutdown:
            for kernel_id in list(self._ours):
                self._leave(kernel_id)
        # One that never started stays there, too, and the base would find no such kernel and end no other one.
        for kernel_id in [each for each, start in self._pending_kernels.items() if start.done() and each not in self]:
            del self._pending_kernels[kernel_id]
        await super()._async_shutdown_all(now=now)
        await asyncio.gather(*self._endings, return_exceptions=True)

    shutdown_all = _async_shutdown_all

    def _release(self, kernel_id: str) -> bool:
        """Lets a kernel outlive this process, if somebody can find it again; whether it does.

        At once, and not when the server is stopped: one that is interrupted, as JupyterHub does it, shuts nothing down.
        """
        provisioner = self.provisioner_of(kernel_id)
        if provisioner is None or not provisioner.whose or self.is_pending(kernel_id):
            return False
        provisioner.release()
        return True

    def _leave(self, kernel_id: str) -> None:
        """Forgets a kernel that outlives this server."""
        if not self._release(kernel_id):
            return
        self.get_kernel(kernel_id).stop_restarter()
        self.stop_watching_activity(kernel_id)
        self.stop_buffering(kernel_id)
        self.remove_kernel(kernel_id)

    def remove_kernel(self, kernel_id: str) -> Any:
        """Forgets a kernel."""
        self._ours.pop(kernel_id, None)
        self._amounts.pop(kernel_id, None)
        self._over.discard(kernel_id)
        self._taking_up.discard(kernel_id)
        self._renamed.pop(kernel_id, None)
        self.unseen.taken(kernel_id)
        self.waiting_pages.pop(kernel_id, None)
        self._pending_kernels.pop(kernel_id, None)  # a start that failed stays there, for shutdown_all to find
        return super().remove_kernel(kernel_id)

    def _is_starting(self, kernel_id: str) -> bool:
        start = self._pending_kernels.get(kernel_id)
        return start is not None and not start.done()

    async def _cancel_start(self, kernel_id: str) -> None:
        """Ends a start that nobody wants any more; what it has made on the cluster is deleted."""
        kernel, start = self.get_kernel(kernel_id), self._pending_kernels[kernel_id]
        pages = list(self.waiting_pages.get(kernel_id, ()))
        start.cancel()
        await asyncio.wait({start})
        if not kernel.ready.done():  # a cancelled start tells nobody
            kernel.ready.set_exception(StartCancelledError("The kernel was shut down while it started."))
        # Before whoever shuts it down has the answer: with that, JupyterLab drops what is on its way to the page, and a
        # cell would say for ever that its kernel is starting.
        await all_told(pages)

    async def _end_restart(self, kernel_id: str) -> None:
        """Ends a restart, if one is under way, and with it the kernel: the base fails in the middle of one."""
        kernel, provisioner = self.get_kernel(kernel_id), self.provisioner_of(kernel_id)
        while provisioner is not None and not kernel.ready.done():  # the future is another one for each half of it
            await provisioner.cleanup()
            await asyncio.wait({kernel.ready}, timeout=ENDING_SECONDS)

    def interrupt_kernel(self, kernel_id: str) -> Any:
        """Interrupts a kernel; of one that starts, or did not start, the cells that wait for it are taken back."""
        if not self.is_pending(kernel_id):
            if self.is_ours(kernel_id):
                close_dead_control(self.get_kernel(kernel_id))
            return super().interrupt_kernel(kernel_id)
        for page in list(self.waiting_pages.get(kernel_id, ())):
            page.interrupt()
        return None

    async def _async_restart_kernel(self, kernel_id: str, now: bool = False) -> Any:
        """Restarts a kernel; one that did not start is started anew, and one that starts goes on."""
        self._check_kernel_id(kernel_id)
        if self._is_starting(kernel_id) and self.is_ours(kernel_id):
            return None
        if self.try_again(kernel_id):
            return None
        if self.is_ours(kernel_id):
            self._ours[kernel_id] = time.monotonic()
            close_dead_control(self.get_kernel(kernel_id))
        answer, kernel = await super()._async_restart_kernel(kernel_id, now=now), self.get_kernel(kernel_id)
        if self.is_ours(kernel_id) and kernel.execution_state == "busy":  # its cell is gone, and it may not be heard
            kernel.execution_state = "starting"
        return answer

    restart_kernel = _async_restart_kernel

    def try_again(self, kernel_id: str) -> bool:
        """Starts a kernel of ours that did not start once more.

        Returns:
            False when there is nothing to try: it is ready, or on its way.
        """
        if not self.is_pending(kernel_id) or self._is_starting(kernel_id):
            return False
        kernel = self.get_kernel(kernel_id)
        self._ours[kernel_id] = time.monotonic()
        kernel.execution_state, kernel.reason = "starting", ""
        # The failed start's future goes, and the new start must not replace the one that waits for it from now on.
        kernel._attempted_start, kernel._ready = False, asyncio.get_running_loop().create_future()
        start = kernel.start_kernel(**kernel._launch_args)
        self._pending_kernels[kernel_id] = asyncio.create_task(self._add_kernel_when_ready(kernel_id, kernel, start))
        self._pending_kernel_tasks[kernel_id] = asyncio.create_task(self._finish_kernel_start(kernel_id))
        return True
