"""What can go wrong, in words for the person in front of the notebook.

    KubernelError (RuntimeError)
    ├── ConfigurationError          an option, a kernelspec or a kubeconfig is wrong
    ├── ClusterError                the API server cannot be used for this
    │   ├── ClusterUnreachableError     nobody answers
    │   ├── ClusterBusyError            429 or 5xx: it answers, and carries nothing out
    │   ├── NotPermittedError           401 or 403: credentials or rights are missing
    │   ├── CRDMissingError             the API server does not know KernelInstances
    │   ├── NamespaceMissingError
    │   └── RefusedError                any other answer that is no success
    ├── OperatorNotRunningError     nobody works on the KernelInstance
    ├── ResizeError                 a kernel that runs did not get other amounts of cpu and memory; it runs on
    └── LaunchError                 the kernel did not start
        ├── KernelFailedError           the operator says why
        │   └── ProgramNotFoundError        a FileNotFoundError, too: its program is not in the image
        ├── KernelDeletedError          somebody deleted it meanwhile
        └── KernelUnreachableError      it runs, but does not answer at its address

JupyterLab prints ``str(error)`` in its dialog and jupyter_server sends it as the ``message`` of a 500, so the text is
a few short lines: the cause first, what is known beside it, the command that mends it, the one that shows more. The
exception behind it is kept with ``from``.
"""

from __future__ import annotations

from .words import command_lines, one_line, without_ids, wrapped


class KubernelError(RuntimeError):
    """An error with a few lines for people; they fit where nothing breaks them.

    Args:
        what: the cause; ids of kernels are cut short in it.
        why: what is known beside it.
        command: a shell command that mends it, or shows more.
        more: a shell command that shows more.
    """

    def __init__(self, what: str, why: str = "", command: str = "", more: str = "") -> None:
        self.what, self.why, self.command, self.more = without_ids(what), why, command, more
        super().__init__("\n".join(lines_of(self.what, why, command, more)))

    @property
    def sentence(self) -> str:
        """The cause and what is known beside it, in one line for a log."""
        return one_line(f"{self.what} {self.why}")


def lines_of(what: str, why: str = "", command: str = "", more: str = "") -> list[str]:
    """The lines that people read; see ``KubernelError``."""
    lines = [*wrapped(what), *wrapped(why)]
    for label, text in (("Try", command), ("More", more)):
        lines += command_lines(label, text) if text else []
    return lines


class ConfigurationError(KubernelError):
    """An option, a kernelspec or a kubeconfig is wrong."""


class ClusterError(KubernelError):
    """The API server cannot be used for this."""


class ClusterUnreachableError(ClusterError):
    """No API server answers."""


class ClusterBusyError(ClusterError):
    """The API server answers, and carries nothing out: overloaded, or something behind it is down."""


class NotPermittedError(ClusterError):
    """The credentials or the rights do not suffice."""


class CRDMissingError(ClusterError):
    """The API server does not know KernelInstances."""


class NamespaceMissingError(ClusterError):
    """The namespace does not exist."""


class RefusedError(ClusterError):
    """The API server understood and said no."""


class OperatorNotRunningError(KubernelError):
    """No operator works on the KernelInstance."""


class ResizeError(KubernelError):
    """A kernel that runs did not get other amounts of cpu and memory; it runs on with those that it has.

    Args:
        reason: the word in the condition Resizing.
    """

    def __init__(self, what: str, why: str = "", command: str = "", more: str = "", *, reason: str = "") -> None:
        self.reason = reason
        super().__init__(what, why, command, more)


class LaunchError(KubernelError):
    """The kernel did not start."""


class KernelFailedError(LaunchError):
    """The operator gave up on the kernel, or it ended while it started.

    Args:
        reason: the word in the KernelInstance's status.
    """

    def __init__(self, what: str, why: str = "", command: str = "", more: str = "", *, reason: str = "") -> None:
        self.reason = reason
        super().__init__(what, why, command, more)


class ProgramNotFoundError(KernelFailedError, FileNotFoundError):
    """The image has no such program or kernelspec; for a local kernel this is a FileNotFoundError."""


class KernelDeletedError(LaunchError):
    """Somebody deleted the KernelInstance, while it started or before a restart."""


class KernelUnreachableError(LaunchError):
    """The kernel runs but does not answer at the address that clients would use."""
