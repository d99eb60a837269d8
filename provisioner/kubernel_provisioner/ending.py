"""How a kernel ended, for people."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import KubernelError
from .launch.kernel_resource import SpecFacts, is_installed
from .launch.remote_kernel import RemoteKernel

if TYPE_CHECKING:
    from .launch.explaining import Explanation

T = TypeVar("T")


class Ending:
    """The part of a provisioner that says why its kernel is no more.

    Attributes:
        _failure: of the last restart, if that failed.
    """

    _failure: KubernelError | None = None

    @property
    def _kernel(self) -> RemoteKernel:
        raise NotImplementedError

    @property
    def is_over(self) -> bool:
        """See ``LastSeen``."""
        raise NotImplementedError

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError

    def _spec_facts(self) -> SpecFacts:
        raise NotImplementedError

    def describe_end(self) -> str:
        """How the kernel ended, or why its restart failed, in the words of its status, and what helps; a few lines."""
        return str(self._explain_end())

    def hear_last_output(self) -> Coroutine[Any, Any, str]:
        """What ``describe_end`` says now, and what the kernel had printed: for its cell, and no log, event or status.

        What is known now is gone after a restart; the output can be asked for during and after it.
        """
        kernel, end = self._kernel, self._explain_end()
        held = kernel.held if kernel.has_crashed else None

        async def ask() -> str:
            if held is None or isinstance(end, KubernelError):
                return str(end)
            return str(end.and_it_printed(await self._do(kernel.last_output(held))))

        return ask()

    def _explain_end(self) -> Explanation | KubernelError:
        if self._failure is not None:
            return self._failure
        spec = self._spec_facts()
        return self._kernel.explain_end(spec.name if is_installed(spec) else "", is_over=self.is_over)
