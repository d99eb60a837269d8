"""The kernel provisioner: what jupyter_client calls, each method a few lines.

A KernelManager calls it from any loop and thread, several methods at once; all work is done in the background thread.
Nothing here imports kubernetes or aiohttp, so a notebook server starts as fast as without it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_client.connect import KernelConnectionInfo

from kubernel_cluster.login import ClusterKey, found_kubeconfig, in_cluster

from .cluster.background import background
from .cluster.lease import IN_A_POD_SECONDS, OUTSIDE_SECONDS
from .connection_file import hand_over
from .encryption import forget_keys, hand_out_bytes, policy_of, wanted_encryption
from .ending import Ending
from .errors import KernelDeletedError, KubernelError
from .last_seen import LastSeen
from .launch.kernel_resource import PodOptions, SpecFacts, fitting_owner, pod_argv, pod_env
from .launch.launching import Held, LaunchRequest
from .launch.remote_kernel import RemoteKernel
from .launch.waiting import Patience
from .options import ProvisionerOptions
from .path_map import mapped
from .reach.socket_options import prepare, use_ipv6
from .running import Running

if TYPE_CHECKING:
    from .launch.claiming import Left

T = TypeVar("T")

# A kernel without supervisor is seen to end by the kubelet's relist, a second apart, and by a watch after that.
UNSUPERVISED_SHUTDOWN_SECONDS = 5.0
# An ipykernel ends within 0.15 s; one that does not at all is killed by its manager so much later, of 5 s.
ENDS_WITHIN_SECONDS = 0.3


class KubernetesProvisioner(LastSeen, Ending, Running, ProvisionerOptions):
    """Starts kernels as KernelInstances; see ``options.ProvisionerOptions`` for its options.

    A restart keeps address, ports and key. It also keeps the working directory and arguments of the first start: they
    shape the pod and are immutable.

    Attributes:
        launches: starts and restarts that went well.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # ``km.provisioner = KubernetesProvisioner(parent=km)`` is documented use.
        if self.kernel_spec is None:
            self.kernel_spec = getattr(self.parent, "kernel_spec", None)
        if not self.kernel_id:
            self.kernel_id = getattr(self.parent, "kernel_id", None) or str(uuid.uuid4())
        hand_out_bytes(self.parent)
        self.connection_info: KernelConnectionInfo = {}
        self._remote: RemoteKernel | None = None
        self._kubeconfig: str | None = None
        self._has_process = False
        self._expects_end = False
        self._warned: set[str] = set()
        self._session: dict[str, Any] | None = None
        self.launches = 0

    @property
    def has_process(self) -> bool:
        """True from a launch until ``wait`` or ``cleanup``. Called all over the KernelManager."""
        return self._has_process

    @property
    def _kernel(self) -> RemoteKernel:
        mine = background()
        if self._remote is None:
            self._remote = RemoteKernel(self.place, mine, self.log)
        elif self._remote.background is not mine:
            self._remote = self._remote.in_this_process(mine)
        return self._remote

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._kernel.background.run(work)

    # Starting.

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Arguments for ``launch_kernel``: argv in the pod, and the environment that may pass.

        Our server extension adds ``kubernel_session``, what it knows of the notebook, and ``kubernel_left``, a kernel
        to take over instead of starting one.
        """
        self._restore_address()
        self._session = kwargs.pop("kubernel_session", None)
        extra_arguments = kwargs.pop("extra_arguments", None) or []
        kwargs = await super().pre_launch(**kwargs)
        spec, options = self._spec_facts(), self._pod_options()
        kwargs["cmd"] = pod_argv(spec, options, kernel_id=str(self.kernel_id), extra_arguments=extra_arguments)
        kwargs["env"] = pod_env(kwargs["env"], spec, options, self._warn_once)
        return kwargs

    def _restore_address(self) -> None:
        """Gives the manager of a kernel that restarts its ports back, if it has forgotten them.

        A restarter does so for "new random ports" when a kernel died young. A client made meanwhile would connect to
        port 0 and wait for ever, although the address is known and stays.
        """
        manager: Any = self.parent
        if self._kernel.held is not None and self.connection_info and getattr(manager, "shell_port", None) == 0:
            manager.load_connection_info(self.connection_info)
            manager.write_connection_file()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Starts or restarts the kernel and returns its connection info once it answers.

        What a failed or cancelled launch made is deleted; a restart that failed deletes no kernel that may live.

        Raises:
            KubernelError: two or three lines that say what, why, and the command that shows more.
        """
        prepare(self.parent)
        if any(kwargs.get(name) is not None for name in ("stdout", "stderr")):
            self._warn_once("what it prints does not go to stdout or stderr of this start: see `kubernel logs`")
        kernel, left = self._kernel, kwargs.pop("kubernel_left", None)
        if left is not None and kernel.held is None and left.is_ready:
            return await self._take_up(left)
        ticket = kernel.new_ticket()
        self._has_process, self._expects_end, self._failure = True, False, None
        try:
            info = await self._do(kernel.launch(self._launch_request(cmd, kwargs, left), ticket))
            self._take(info, is_known=left is not None)
        except BaseException as error:
            if kernel.is_newest(ticket):
                self._has_process = kernel.outlives(ticket)
            # The launch may have succeeded, and nobody would know.
            kernel.background.loop.call_soon_threadsafe(kernel.abandon, ticket)
            if not isinstance(error, asyncio.CancelledError | GeneratorExit) and not kernel.is_starting:
                self._failure = error if isinstance(error, KubernelError) else None
                self._tell_manager(is_dead=kernel.held is None)
            raise
        self.launches += 1
        return self.connection_info

    def _take(self, info: dict[str, Any], *, is_known: bool) -> None:
        """``is_known``: an earlier server's clients have the address."""
        self.connection_info = cast("KernelConnectionInfo", info)
        if is_known:
            self._tell_address()
        forget_keys(self.parent, info)
        use_ipv6(getattr(self.parent, "context", None), info["ip"])
        hand_over(self.parent, info)

    def _tell_address(self) -> None:
        """The manager would not take the address by itself, where an older server's connection file is."""
        manager: Any = self.parent
        manager.load_connection_info(self.connection_info)

    def _tell_manager(self, *, is_dead: bool) -> None:
        """After a restart that failed: the kernel is gone, as at the restarter's limit, or is to be watched again.

        Else a server would list the kernel as starting for ever.
        """
        manager: Any = self.parent
        if self._restarter is not None and is_dead:
            self._restarter._fire_callbacks("dead")
        elif self._restarter is not None and self._has_process:
            manager.start_restarter()  # the shutdown that a restart begins with has stopped it

    @property
    def _restarter(self) -> Any:
        """The manager's, which there is when the kernel was started once; None in managers without any."""
        return getattr(self.parent, "_restarter", None)

    def _launch_request(self, cmd: list[str], kwargs: dict[str, Any], left: Left | None = None) -> LaunchRequest:
        return LaunchRequest(
            kernel_id=str(self.kernel_id),
            spec=self._spec_facts(),
            options=self._with_folder(self._pod_options(), kwargs.get("cwd")),
            cmd=list(cmd),
            env=dict(kwargs.get("env") or {}),
            encryption=wanted_encryption(self.encryption, policy_of(self.parent)),
            access=self.access,
            patience=Patience(operator=self.operator_timeout, start=self.start_deadline_seconds),
            orphan_after=self._orphan_after,
            # A server cannot follow; and a kernel that was ended for being idle must not come back by itself.
            may_move=self._restarter is None,
            owner=self.whose or "",
            session=self._session,
            left=None if left is None else left.instance,
        )

    @property
    def _orphan_after(self) -> int:
        default = IN_A_POD_SECONDS if in_cluster() else OUTSIDE_SECONDS
        return self.orphan_after_seconds or default

    def _spec_facts(self) -> SpecFacts:
        spec = self.kernel_spec
        if spec is None:
            return SpecFacts()
        return SpecFacts(
            name=getattr(self.parent, "kernel_name", "") or "",
            argv=tuple(spec.argv),
            env=dict(spec.env),
            display_name=spec.display_name,
            language=spec.language,
            interrupt_mode=spec.interrupt_mode,
        )

    def _pod_options(self) -> PodOptions:
        return PodOptions(**{option.name: getattr(self, option.name) for option in dataclasses.fields(PodOptions)})

    def _with_folder(self, options: PodOptions, cwd: Any) -> PodOptions:
        """The kernel starts in its notebook's folder, where ``path_map`` knows it; the first start decides."""
        is_asked = bool(cwd) and options.working_dir is None
        folder = None
        with suppress(FileNotFoundError):  # what it is relative to was deleted
            # nbconvert's and nbclient's is relative, mostly.
            folder = self.resolve_path(os.path.abspath(str(cwd))) if is_asked else None  # noqa: PTH100 - keeps links
        is_usable = folder is not None and PurePosixPath(folder).is_absolute()
        return dataclasses.replace(options, working_dir=folder) if is_usable else options

    def _finalize_env(self, env: dict[str, str]) -> None:
        """Called by the base's ``pre_launch``, which does not expect to have no kernelspec."""
        if self.kernel_spec is not None:
            super()._finalize_env(env)

    # While it runs.

    async def poll(self) -> int | None:
        """None while the kernel runs or starts, else its exit code (-n for signal n). Never awaits."""
        code = self._kernel.poll()
        if code is not None and self._has_process and not self._expects_end:
            self._expects_end = True
            self.log.warning("Kernel %s ended with %d: %s", self.kernel_id, code, self._explain_end().sentence)
        return code

    async def wait(self) -> int | None:
        """The exit code, once the kernel has ended; not its pod. Called when ``poll`` saw an end."""
        code = await self._do(self._kernel.wait())
        self._has_process = False
        return code

    async def send_signal(self, signum: int) -> None:
        """Sends a signal to the kernel's process group. Never raises: there may be no kernel, or not yet."""
        settled = await self._do(self._kernel.signal(signum))
        # Every shutdown and restart begins with a SIGINT that nobody asked for.
        if not settled and not self._kernel.is_supervised and not getattr(self.parent, "shutting_down", False):
            self._warn_once(
                "it cannot be interrupted or sent signals: its image has no Python for the supervisor. "
                "Restart the kernel to end a cell, or add python3 to the image."
            )

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.log.warning("Kernel %s: %s", self.kernel_id, text)

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002
        """SIGTERM. ``restart`` is always False here, whatever follows."""
        self._expects_end = True
        await self._do(self._kernel.terminate())

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002
        """SIGKILL, or the end of the pod where there is no supervisor. ``restart`` cannot be relied on."""
        self._expects_end = True
        await self._do(self._kernel.kill())

    async def shutdown_requested(self, restart: bool = False) -> None:
        """The kernel was asked to end; its end is no news, and most are over in less time than this waits for it.

        Right after this, managers poll every 0.1 s: who ends a moment after their first look costs a restart as much.
        """
        self._expects_end = True
        await self._do(self._kernel.expect_end(ENDS_WITHIN_SECONDS, restarts=restart))

    async def cleanup(self, restart: bool = False) -> None:
        """Deletes the KernelInstance, or keeps all for a restart. Idempotent; does not wait for the pod's end."""
        self._has_process = False
        if not restart:
            await self._do(self._kernel.delete())

    # Kernels that outlive their server.

    @property
    def whose(self) -> str | None:
        """Whose kernels these are; None when nobody says so."""
        user, server = os.environ.get("JUPYTERHUB_USER"), os.environ.get("JUPYTERHUB_SERVER_NAME")
        return self.owner or (fitting_owner(f"{user}/{server or 'default'}") if user else None)

    @property
    def place(self) -> ClusterKey:
        """Where its kernels are: the same place for as long as this lives, whatever becomes of KUBECONFIG meanwhile."""
        if self._kubeconfig is None:
            self._kubeconfig = found_kubeconfig(ClusterKey(self.kubeconfig, self.context))
        return ClusterKey(self.kubeconfig, self.context, self.namespace, self._kubeconfig)

    @property
    def notebook(self) -> str | None:
        """Path of the notebook that it is for, as our server extension says; None: not known."""
        return (self._session or {}).get("path")

    async def find_left(self) -> list[Left]:
        """The living kernels of its owner, in the place where it starts kernels.

        Raises:
            KubernelError: the API server cannot be used, or does not allow it.
        """
        from .launch.claiming import find_left

        return await background().run(find_left(self.place, self.whose)) if self.whose else []

    async def _take_up(self, left: Left) -> KernelConnectionInfo:
        from .launch.claiming import way_to

        way = way_to(self.place, self._kernel.background, left, self.access, self._orphan_after)
        held, route = await self._do(way)
        version = left.instance["metadata"]["resourceVersion"]
        info = await self._do(self._kernel.adopt(held, self._orphan_after, route, version))
        self._has_process, self._expects_end = True, False
        if self._kernel.held is None:
            raise KernelDeletedError("Somebody deleted the kernel meanwhile.")
        self._take(info, is_known=True)
        return self.connection_info

    def note_session(self, session: dict[str, Any]) -> bool:
        """Its notebook was renamed, or another one uses it; a failure costs no more than the name.

        Returns:
            False when there is no KernelInstance yet; then it has to be said again.
        """
        from .launch.claiming import describe

        self._session, held = session, self._kernel.held
        if held is not None and self.whose:
            name = getattr(self.parent, "kernel_name", "") or ""
            work = describe(self.place, self._kernel.background, held, str(self.kernel_id), name, session)
            self._kernel.background.submit(work)
        return held is not None

    # Properties of this kind of kernel.

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """Seconds for a shutdown; half of it before SIGTERM, half before SIGKILL."""
        return recommended if self._kernel.is_supervised else recommended + UNSUPERVISED_SHUTDOWN_SECONDS

    def resolve_path(self, path: str) -> str | None:
        """A path as the kernel sees it, if ``path_map`` says where the pod has that folder, or one around it."""
        return mapped(path, self.path_map)

    async def get_provisioner_info(self) -> dict[str, Any]:
        """What another process needs to take over the kernel; can be written as JSON, and holds its key.

        Reading it changes nothing: see ``release``.
        """
        info = await super().get_provisioner_info()
        connection = dict(info["connection_info"])
        if isinstance(connection.get("key"), bytes):
            connection["key"] = connection["key"].decode()
        held = self._kernel.held
        instance = dataclasses.asdict(dataclasses.replace(held, info={}, secret=None)) if held else None
        return {**info, "connection_info": connection, "namespace": self._kernel.namespace, "instance": instance}

    def release(self) -> None:
        """Lets the kernel outlive this process, until its Lease ends or another process takes the kernel over."""
        self._kernel.give_out()

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Takes over the kernel of another process: its watch and its Lease become this process's."""
        await super().load_provisioner_info(provisioner_info)
        connection = dict(provisioner_info["connection_info"])
        if isinstance(connection.get("key"), str):
            connection["key"] = connection["key"].encode()
        self.connection_info = cast("KernelConnectionInfo", connection)
        self.namespace = provisioner_info["namespace"] or self.namespace
        self._remote = None
        prepare(self.parent)
        if provisioner_info["instance"] is not None:
            held = Held(**{**provisioner_info["instance"], "info": connection})
            self.connection_info = cast(
                "KernelConnectionInfo", await self._do(self._kernel.adopt(held, self._orphan_after))
            )
            self._has_process = True
