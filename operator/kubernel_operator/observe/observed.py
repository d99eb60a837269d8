"""What is known about one KernelInstance's children. Values only; who fills them is ``observer``.

A cache that was never listed, a request that failed: those are "unknown" and never "absent". So ``pods`` is only
built from a synchronised cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kubernel_api.conditions import Reason

from .bucket import Bucket
from .facts import ServiceFacts
from .members import Member
from .pod_facts import PodFacts
from .report import Report
from .sizes import Sizes
from .template_facts import TemplateFacts

# Begins the name by which it is remembered that a pod cannot be deleted.
DELETION_OF = "deletion of "
# Why a start is cold: the API server did not let the operator claim a pool's pod.
CLAIM_REFUSED = "ClaimRefused"


@dataclass(frozen=True)
class Refusal:
    """Why the API server refused a child."""

    reason: Reason
    message: str


class Purpose(StrEnum):
    """Why a pod is resized. Each has its own last answer, so that what is refused for one does not hold up another."""

    SPEC = "spec"  # somebody asks for other amounts
    GROWTH = "growth"  # its kernel stands still short of its memory limit
    STARTUP = "startup"  # a start has more CPU


@dataclass(frozen=True)
class ResizeAnswer:
    """What became of the last request to resize a pod.

    Attributes:
        pod_uid: of which pod.
        asked: cpu and memory that were asked for.
        at: Unix seconds when it was answered.
        refusal: the API server's words when it said no; "" when it took it.
        hopeless: whether asking again is of no use.
        restart: restartGeneration that was wanted then.
        failed: whether it did not answer, or could not say; then ``refusal`` has what is known of that.
    """

    pod_uid: str
    asked: Sizes
    at: float
    refusal: str = ""
    hopeless: bool = False
    restart: int = 0
    failed: bool = False


@dataclass(frozen=True)
class Woken:
    """That a kubelet was made to try again.

    Attributes:
        pod_uid: for which pod.
        times: how often.
        at: Unix seconds when it was last.
    """

    pod_uid: str
    times: int
    at: float


@dataclass(frozen=True)
class Cold:
    """Why a KernelInstance in a namespace with pools gets a pod of its own.

    Attributes:
        reason: a word of ``status.start.reason``.
        message: a sentence; "" when the word says it all.
    """

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Observed:
    """Everything a decision about one KernelInstance needs, beside the object itself.

    Attributes:
        pods: all pods that it controls, of any incarnation.
        report: newest report from the supervisor of the newest pod.
        secret: True when the Secret is known to exist; False: not known to.
        pod_secret: the same for the own Secret of the newest pod.
        pod_secret_made: True when that of the next pod is known to exist: an operator of another version names another.
        supervisor_found: Unix seconds when the ConfigMap with the supervisor was last made in this namespace, or found
            to be there; None: not known to be there.
        supervisor_map: name of the ConfigMap that pods get their supervisor from by now; "": not known.
        service: whether a Service exists that leads to it, its own or that of its pool's pod.
        service_ip: the cluster IP that it has, or had before it was deleted; None before it was ever known.
        refusal: why the API server last refused a child.
        pending: what the pod's Events say about why it is pending.
        hint: what else they say that helps.
        killed: why a kubelet ended the kernel's container alone, as they say; "" for no reason.
        explained_at: Unix seconds when they were read.
        secret_posted: Unix seconds when the Secret was created last, or found to be there.
        incarnation_seen: highest number of a pod of ours that existed in this process's time; 0 for none.
        taken_back: highest number of a pod that was made in vain and deleted at once; 0 for none.
        next_pod_at: Unix seconds before which no other one is made after it.
        restart_since: Unix seconds when this process first saw the restart that is now wanted.
        first_seen: Unix seconds when this process first saw the KernelInstance.
        control_sent: restartGeneration that the supervisor was told to start.
        control_failed: restartGeneration for which the supervisor could not be reached.
        silent_pods: names of replaced pods that no longer accept connections.
        ends: by incarnation and restartGeneration, Unix seconds when this process first saw that process's end.
        last_seen: the newest pod as it was last seen, when it was about to end or its node was silent: it may be gone.
        deleting_since: by pod name, Unix seconds when this process first saw that the pod is being deleted.
        refused_since: by pod name, Unix seconds when this process first saw that a container of it is refused.
        woken: that the kubelet was made to try again for a pod.
        configured: incarnation of a pod, and the idle timeout and suspension that its supervisor was told last.
        orphaned: whether the server that created it is gone, by its Lease.
        template: the KernelTemplate that it names, if it is known.
        no_template: why that is not known.
        resizes: what became of the last request to resize a pod, for each purpose.
        member: a pool's pod that was chosen for it; None: there is none, or it has a pod already.
        member_service: the Service that was made for its pool's pod and is not its own yet.
        service_member: name of the pool's pod that its Service was made for; "" for none.
        cold: why it gets no pool's pod, or got none; None when that is not known, or is no question.
        keys: of its connection, by the names that they have in the Secret, to be told to a pool's pod; None: not known.
        told: uid of the pool's pod that this process has told keys that are those of the Secret, or is about to.
        bound: uid of the pool's pod that has answered to that.
        bind_failed: uid of the pool's pod that could not be told.
        turn_began: Unix seconds when it was its turn to get a pod, the last time; 0.0: not in this process's time.
        waits_for_turn: as many kernels as this start at the moment, and may, so it waits; 0: it does not.
    """

    pods: tuple[PodFacts, ...] = ()
    report: Report | None = None
    secret: bool = False
    pod_secret: bool = False
    pod_secret_made: bool = False
    supervisor_found: float | None = None
    supervisor_map: str = ""
    service: bool = False
    service_ip: str | None = None
    refusal: Refusal | None = None
    pending: tuple[Reason, str] | None = None
    hint: str = ""
    killed: str = ""
    explained_at: float = 0.0
    secret_posted: float = 0.0
    incarnation_seen: int = 0
    taken_back: int = 0
    next_pod_at: float = 0.0
    restart_since: float | None = None
    first_seen: float = 0.0
    control_sent: int = -1
    control_failed: int = -1
    silent_pods: frozenset[str] = frozenset()
    ends: Mapping[tuple[int, int], float] = field(default_factory=dict)
    last_seen: PodFacts | None = None
    deleting_since: Mapping[str, float] = field(default_factory=dict)
    refused_since: Mapping[str, float] = field(default_factory=dict)
    woken: Woken | None = None
    configured: tuple[int, float | None, bool] | None = None
    orphaned: bool = False
    template: TemplateFacts | None = None
    no_template: str = ""
    resizes: Mapping[Purpose, ResizeAnswer] = field(default_factory=dict)
    member: Member | None = None
    member_service: ServiceFacts | None = None
    service_member: str = ""
    cold: Cold | None = None
    keys: Mapping[str, str] | None = field(default=None, repr=False)
    told: str = ""
    bound: str = ""
    bind_failed: str = ""
    turn_began: float = 0.0
    waits_for_turn: int = 0


@dataclass(slots=True)
class Memory:
    """What this process remembers of one KernelInstance between two passes. Losing it costs requests, no state."""

    uid: str
    first_seen: float
    secret: bool = False
    pod_secret: bool = False
    refusals: dict[str, Refusal] = field(default_factory=dict)  # by kind of child, or what else was asked for
    refused_times: int = 0
    failed_times: dict[str, int] = field(default_factory=dict)  # by kind: in a row, without an answer of the server
    pending: tuple[Reason, str] | None = None
    hint: str = ""
    killed: str = ""
    explained_at: float = 0.0
    secret_posted: float = 0.0
    incarnation_seen: int = 0
    taken_back: dict[str, int] = field(default_factory=dict)  # by uid, numbers of pods that were made in vain
    next_pod_at: float = 0.0
    restart_wanted: int = 0
    restart_since: float | None = None
    control_sent: int = -1
    control_failed: int = -1
    silent_pods: set[str] = field(default_factory=set)
    deleting_since: dict[str, float] = field(default_factory=dict)  # by pod name
    refused_since: dict[str, float] = field(default_factory=dict)  # by pod name
    woken: Woken | None = None
    ends: dict[tuple[int, int], float] = field(default_factory=dict)
    last_seen: PodFacts | None = None
    configured: tuple[int, float | None, bool] | None = None
    event_reason: str = ""
    resizes: dict[Purpose, ResizeAnswer] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)  # by pod name
    said: tuple[int, int] = (-1, 0)  # the furthest that a status of this process said
    last_said: tuple[int, int] = (-1, 0)  # and the last one
    last_said_at: float = 0.0
    pod: PodFacts | None = None  # the newest one
    keys: Mapping[str, str] | None = field(default=None, repr=False)  # of a Secret that this process makes, or opened
    lost_members: set[str] = field(default_factory=set)  # uids of pools' pods that somebody else was faster to claim
    cold: Cold | None = None
    told: str = ""
    bound: str = ""
    bind_failed: str = ""
    turn_began: float = 0.0
    callbacks: dict[str, Bucket] = field(default_factory=dict)  # by pod name: how many more are taken
