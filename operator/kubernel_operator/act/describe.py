"""What was done, for the log."""

from __future__ import annotations

from kubernel_operator.decide.actions import (
    Claim,
    ClaimService,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    ReadKeys,
    Request,
    Resize,
    Wake,
)


def describe(action: Request) -> str:
    """One line for the log, written when it is done; never a body, which may hold a key."""
    match action:
        case Create(kind=kind, body=body, why=why):
            return f"create {kind} {body['metadata']['name']}: {why}"
        case DeletePod(pod=pod, why=why):
            return f"delete pod {pod.name}: {why}"
        case DeleteInstance(why=why):
            return f"delete the KernelInstance: {why}"
        case Claim(member=member, why=why):
            return f"claim pod {member.pod.name} of pool {member.pod.pool}: {why}"
        case ReadKeys(name=name, why=why):
            return f"read the keys in secret {name}: {why}"
        case ClaimService(service=service, why=why):
            return f"claim service {service.name}: {why}"
        case Resize(pod=pod, to=to, why=why):
            return f"resize pod {pod.name} to {to}: {why}"
        case Wake(pod=pod, why=why):
            return f"have the kubelet look at pod {pod.name} again: {why}"
        case Explain(why=why):
            return f"read the pod's Events: {why}"
