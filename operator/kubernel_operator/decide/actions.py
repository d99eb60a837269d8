"""What can be done for a KernelInstance. ``plan`` chooses, ``act`` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kubernel_api.conditions import Reason
from kubernel_operator.observe.facts import ServiceFacts
from kubernel_operator.observe.members import Member
from kubernel_operator.observe.observed import Purpose
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.sizes import Sizes


@dataclass(frozen=True)
class Create:
    """Create a child, or what the kernels of its namespace share.

    Attributes:
        kind: "secret" is its clients', "pod secret" its pod's own; "supervisor" is the shared ConfigMap.
    """

    kind: Literal["secret", "pod secret", "supervisor", "pod", "service"]
    body: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Claim:
    """Make a pool's pod the KernelInstance's own.

    Attributes:
        patch: a JSON patch that does nothing when somebody else was faster.
    """

    member: Member
    patch: list[dict[str, Any]]
    why: str


@dataclass(frozen=True)
class ReadKeys:
    """Read the Secret that the KernelInstance's client makes."""

    name: str
    why: str


@dataclass(frozen=True)
class ClaimService:
    """Make the Service of a pool's pod the KernelInstance's own.

    Attributes:
        patch: a JSON patch that does nothing when somebody else was faster.
    """

    service: ServiceFacts
    patch: list[dict[str, Any]]
    why: str


@dataclass(frozen=True)
class DeletePod:
    """Delete a pod of ours."""

    pod: PodFacts
    why: str


@dataclass(frozen=True)
class DeleteInstance:
    """Delete the KernelInstance; its children follow by owner reference.

    Attributes:
        reason: for an Event, where the status had no chance to say it.
    """

    why: str
    reason: Reason | None = None


@dataclass(frozen=True)
class Restart:
    """Ask the supervisor for a new kernel process."""

    ip: str
    generation: int
    why: str


@dataclass(frozen=True)
class Bind:
    """Tell a member whose it is: keys, variables, working directory. Its kernel starts then.

    Attributes:
        pod: its name.
        pod_uid: its uid.
    """

    ip: str
    pod: str
    pod_uid: str
    generation: int
    why: str


@dataclass(frozen=True)
class Probe:
    """Ask a pod whose callbacks do not arrive.

    Attributes:
        generation: the one that runs when an image without a supervisor accepts connections.
        ports_tell: whether open ports prove that this generation runs: not while an older process may hold them.
    """

    ip: str
    generation: int
    ports_tell: bool
    why: str


@dataclass(frozen=True)
class ProbeReplaced:
    """Ask whether replaced pods still accept connections.

    They are those that have no supervisor, or one that does not answer: nobody there can be told to stop.
    """

    pods: tuple[PodFacts, ...]
    why: str


@dataclass(frozen=True)
class Configure:
    """Tell a supervisor what the spec says by now.

    Attributes:
        idle_timeout_seconds: None: no timeout.
        suspend: whether the kernel is to stand still.
    """

    ip: str
    idle_timeout_seconds: float | None
    suspend: bool
    why: str


@dataclass(frozen=True)
class Resize:
    """Give the kernel's container other amounts of cpu and memory while it runs.

    Attributes:
        restart: restartGeneration that is wanted.
    """

    pod: PodFacts
    to: Sizes
    why: str
    purpose: Purpose = Purpose.SPEC
    restart: int = 0


@dataclass(frozen=True)
class Wake:
    """Have the kubelet try again to make a container, which it does as soon as its pod changes.

    Attributes:
        times: how often that was done before.
    """

    pod: PodFacts
    times: int
    why: str


@dataclass(frozen=True)
class Explain:
    """Read a pod's Events."""

    pod: PodFacts
    why: str


#: Asked of a pod over the network; a plan has at most one.
Question = Restart | Bind | Probe | ProbeReplaced | Configure
#: Sent to the API server; those of a plan may run at the same time.
Request = Create | Claim | ReadKeys | ClaimService | DeletePod | DeleteInstance | Resize | Wake | Explain
Action = Request | Question
