"""A kernel that runs is paused, and goes on: what to write, and when it is so."""

from __future__ import annotations

import time

from kubernel_cluster.errors import ApiError
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelDeletedError, KernelFailedError, OperatorNotRunningError
from kubernel_provisioner.ownership import patch_own, server_of, taken_over

from .launching import Held
from .resizing import Json, Look, watching
from .subject import Subject
from .verdict import is_current, is_finished


async def suspend_held(cluster: Cluster, held: Held, kubectl: str, suspend: bool, seconds: float) -> None:
    """Pauses a kernel of this process, or lets it go on; returns when it is so.

    Args:
        cluster: where it is.
        held: the KernelInstance.
        kubectl: with the flags for that cluster.
        suspend: whether it is to stand still.
        seconds: for how long that is waited for.

    Raises:
        KubernelError: it may not be changed, has ended, or no operator does it.
    """
    subject = Subject(held.name, cluster.api.namespace, kubectl)
    try:
        written = await patch_own(cluster.api, held.name, held.uid, None, held.server, spec_of(suspend))
    except ApiError as error:
        raise cluster.api.explain(error, f"{verb(suspend)} the kernel") from error
    if written is not None and server_of(written) != held.server:
        raise taken_over()
    if written is not None:
        cluster.view.offer(written)
    await until_suspended(watching(cluster, held.name), subject, written, suspend, seconds)


def spec_of(suspend: bool) -> Json:
    """The patch."""
    return {"spec": {"suspend": suspend}}


def verb(suspend: bool) -> str:
    """What is done, in a word."""
    return "pause" if suspend else "resume"


async def until_suspended(look: Look, subject: Subject, written: Json | None, suspend: bool, seconds: float) -> None:
    """Returns as soon as a kernel's pod has done what was written.

    Raises:
        KernelDeletedError: it was deleted.
        KernelFailedError: it has ended.
        OperatorNotRunningError: nothing came of it in that time.
    """
    deadline, instance = time.monotonic() + seconds, written
    generation = written["metadata"]["generation"] if written is not None else 0
    while True:
        if instance is None or "deletionTimestamp" in instance["metadata"]:
            raise KernelDeletedError(
                f"Somebody deleted the kernel: it cannot be {verb(suspend)}d.", "", "", subject.kubernel("events")
            )
        status = instance.get("status") or {}
        if is_finished(status):
            message = str(status.get("message") or "")
            raise KernelFailedError(f"The kernel cannot be {verb(suspend)}d: it has ended.", message)
        if is_current(status, generation):
            return
        if time.monotonic() >= deadline:
            raise OperatorNotRunningError(
                f"The kernel is not {verb(suspend)}d after {seconds:.0f} s.",
                "No kubernel operator has done it; is one running, and has the kernel's image Python?",
                subject.describe,
            )
        instance = await look()
