"""The kernel that words are about, and the commands that show more of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """What is waited for, in words.

    Args:
        name: of the KernelInstance.
        namespace: of the KernelInstance.
        kubectl: kubectl with the flags for that cluster.
        kernelspec: the one that ``kubernel install`` wrote and that it was started from; empty for another one.
    """

    name: str
    namespace: str
    kubectl: str
    kernelspec: str = ""

    def __str__(self) -> str:
        return f"Kernel {self.namespace}/{self.name}"

    @property
    def describe(self) -> str:
        """The command that shows more of one that is there."""
        return f"{self.kubectl} describe kernel {self.name} -n {self.namespace}"

    def kubernel(self, command: str, rest: str = "") -> str:
        """One of our own commands for this kernel; ``events`` finds something when it is gone, too."""
        flags = self.kubectl.removeprefix("kubectl")
        return f"kubernel {command} {self.name} -n {self.namespace}{flags} {rest}".rstrip()
