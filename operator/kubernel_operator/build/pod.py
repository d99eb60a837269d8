"""The pod of a KernelInstance. Pure: returns a new object each time."""

from __future__ import annotations

import copy
from typing import Any

from kubernel_api.children import child_metadata, pod_labels
from kubernel_api.constants import (
    ANNOTATION_GENERATION,
    ANNOTATION_IDLE_TIMEOUT,
    ANNOTATION_INCARNATION,
    ANNOTATION_RESTART_GENERATION,
    ANNOTATION_STARTUP_CPU,
    ANNOTATION_SUPERVISOR,
    CONFIG_MAP_SUPERVISOR,
    CONNECTION_FILE,
    CONTROL_PORT,
    DEFAULT_ARGV,
    KERNEL_CONTAINER,
    KEY_VARIABLES,
    PORTS,
    RESTART_GRACE_SECONDS,
    SECRET_KEY,
)
from kubernel_api.names import member_subject, pod_name, secret_name
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.settings import Settings
from kubernel_supervisor.bootstrap import bootstrap_args

from .overlay import overlaid
from .shape import bounds_for, growing_memory, implied_idle_timeout, shaped, startup_cpu
from .shell_names import pack_variables

# A kernel's memory is its user's work: it is not moved for fewer nodes or a better use of them. Annotations of the
# cluster-autoscaler, of Karpenter and of the descheduler.
STAYS = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
    "descheduler.alpha.kubernetes.io/prefer-no-eviction": "true",
}
# Enough for a kernel that handles SIGTERM; longer only delays the end of one that does not.
TERMINATION_GRACE_SECONDS = 5


def build_pod(
    cr: dict[str, Any],
    settings: Settings,
    *,
    incarnation: int,
    callback_url: str | None,
    pod_secret: str,
    supervisor_map: str,
    template: TemplateFacts | None = None,
    member: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The pod for one incarnation.

    Args:
        cr: the KernelInstance.
        settings: the operator's defaults.
        incarnation: number of the pod, part of its name.
        callback_url: where the supervisor reports, or None.
        pod_secret: name of the pod's own Secret.
        supervisor_map: name of the ConfigMap with the supervisor.
        template: the KernelTemplate; its word stands over the KernelInstance's.
        member: metadata of a pool's pod, which waits for its KernelInstance; None for a KernelInstance's own.
    """
    spec = shaped(cr["spec"], settings, template)
    idle_timeout = implied_idle_timeout(settings, template)
    metadata = {"annotations": {}, **(member or _metadata(cr, incarnation))}
    metadata["annotations"] = {
        ANNOTATION_INCARNATION: str(incarnation),
        ANNOTATION_RESTART_GENERATION: str(spec.get("restartGeneration") or 0),
        ANNOTATION_GENERATION: str(cr["metadata"].get("generation") or 1),
        ANNOTATION_SUPERVISOR: supervisor_map,
        **({} if member else STAYS),
        **({ANNOTATION_IDLE_TIMEOUT: str(idle_timeout)} if idle_timeout else {}),
        **metadata["annotations"],
    }
    lifecycle = spec.get("lifecycle") or {}
    spec["lifecycle"] = {**lifecycle, "idleTimeoutSeconds": lifecycle.get("idleTimeoutSeconds") or idle_timeout}
    spec["memory"] = growing_memory(cr["spec"], settings, template)
    # What an earlier pod's kernel has shown: clients have its keys, or none.
    shown = ((cr.get("status") or {}).get("connection") or {}).get("encryption")
    if shown and spec["connection"]["encryption"] == "Auto":
        spec["connection"]["encryption"] = shown
    own = {variable["name"] for variable in cr["spec"].get("env") or []}
    spec["ownVariables"] = [variable["name"] for variable in spec["env"] if variable["name"] in own]
    # Nobody waits for a pool's pod, and its kernel is not imported anew.
    if member is None and (boost := startup_cpu(spec, settings, template)) is not None:
        start, after = boost
        metadata["annotations"][ANNOTATION_STARTUP_CPU] = f"{start} {after}"
        requests, limits = (spec["resources"].get(part) or {} for part in ("requests", "limits"))
        spec["resources"] = {"requests": {"cpu": after, **requests}, "limits": {**limits, "cpu": start}}
    effective = {**cr, "spec": spec}
    pod_spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        # Nobody can raise it any more. A pool's pod gets it with its kernel.
        "activeDeadlineSeconds": None if member else bounds_for(settings, template).max_active_deadline_seconds,
        "securityContext": settings.pod_security_context,
        "containers": [
            _container(
                effective,
                settings,
                pod_secret,
                [
                    *_own_env(effective, metadata["name"], callback_url, is_member=bool(member)),
                    *([] if member else _clients_keys(effective)),
                    _from("configMap", supervisor_map, CONFIG_MAP_SUPERVISOR, "KUBERNEL_SUPERVISOR"),
                ],
            )
        ],
        "imagePullSecrets": _pull_secrets(spec, settings),
        "nodeSelector": spec["nodeSelector"],
        "tolerations": spec["tolerations"],
        "runtimeClassName": spec["runtimeClassName"],
        "priorityClassName": spec["priorityClassName"],
        "volumes": [_volume(v) for v in spec["volumes"]],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _without_empty(pod_spec)}
    pod = overlaid(pod, template.pod) if template else pod
    pack_variables(pod)
    return pod


def without_startup_cpu(pod: dict[str, Any]) -> dict[str, Any] | None:
    """A pod as ``build_pod`` makes it, with its own CPU limit from the start; None where it has no other."""
    annotations = dict(pod["metadata"].get("annotations") or {})
    limits = annotations.pop(ANNOTATION_STARTUP_CPU, None)
    if limits is None:
        return None
    plain, kernel = _copied(pod)
    plain["metadata"]["annotations"] = annotations
    kernel["resources"]["limits"]["cpu"] = limits.split()[1]
    return plain


def with_own_keys(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod as ``build_pod`` makes it, which finds the connection's keys in its own Secret, beside the token."""
    changed, kernel = _copied(pod)
    kernel["env"] = [each for each in kernel["env"] if each["name"] not in KEY_VARIABLES.values()]
    return changed


def _copied(pod: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy of a pod as ``build_pod`` makes it, and the kernel's container in that."""
    copied = copy.deepcopy(pod)
    (kernel,) = (each for each in copied["spec"]["containers"] if each["name"] == KERNEL_CONTAINER)
    return copied, kernel


def literal(text: str) -> str:
    """``text`` such that Kubernetes leaves it alone: it would put $(KUBERNEL_TOKEN) in, and reads $$ as $.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return text.replace("$", "$$")


def _metadata(cr: dict[str, Any], incarnation: int) -> dict[str, Any]:
    metadata = child_metadata(cr, pod_name(cr["metadata"]["name"], incarnation))
    return {**metadata, "labels": metadata["labels"] | pod_labels(cr)}


def _container(
    cr: dict[str, Any], settings: Settings, pod_secret: str, own_env: list[dict[str, Any]]
) -> dict[str, Any]:
    spec = cr["spec"]
    container: dict[str, Any] = {
        "name": KERNEL_CONTAINER,
        "image": spec["image"],
        "imagePullPolicy": spec["imagePullPolicy"],
        # args, never command: the image's entrypoint (tini, conda activation) keeps working.
        "args": bootstrap_args([literal(word) for word in command_of(spec)]),
        # All of it at once: a reference for each variable would be 0.2 kB of etcd more.
        "envFrom": [{"secretRef": {"name": pod_secret}}],
        "env": [*own_env, *_users_env(spec)],
        "workingDir": spec.get("workingDir"),
        "resources": spec["resources"],
        "volumeMounts": [_mount(v) for v in spec.get("volumes") or []],
        "securityContext": settings.security_context,
        # The last output of a kernel that crashed, without a right to read pods' logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return _without_empty(container)


def command_of(spec: dict[str, Any]) -> list[str]:
    """The kernel's command; empty for a kernelspec inside the image."""
    kernel = spec.get("kernel") or {}
    if kernel.get("argv"):
        return list(kernel["argv"])
    return [] if kernel.get("name") else list(DEFAULT_ARGV)


def _users_env(spec: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": each["name"], "value": literal(each.get("value", ""))} for each in spec.get("env") or []]


def _own_env(cr: dict[str, Any], pod: str, callback_url: str | None, *, is_member: bool) -> list[dict[str, Any]]:
    metadata, spec, kernel = cr["metadata"], cr["spec"], cr["spec"]["kernel"]
    secret = secret_name(metadata["name"], metadata["uid"])
    config = {
        "secret": member_subject(metadata["namespace"], pod) if is_member else f"{metadata['namespace']}/{secret}",
        "pod": pod,
        "callbackURL": callback_url or "",
        "kernelName": kernel.get("name") or "",
        "ports": " ".join(map(str, PORTS.values())),
        "controlPort": CONTROL_PORT,
        "connectionFile": CONNECTION_FILE,
        "restartGraceSeconds": RESTART_GRACE_SECONDS,
        "idleTimeoutSeconds": (spec.get("lifecycle") or {}).get("idleTimeoutSeconds") or "",
        "restartGeneration": int(spec.get("restartGeneration") or 0),
        "env": " ".join(spec["ownVariables"]),
        "encryption": spec["connection"]["encryption"],
        "fork": kernel["fork"],
        "preload": " ".join(kernel["preload"]),
        "memoryGuard": (spec["memory"] or {}).get("whenFull", ""),
        **({"member": 1} if is_member else {}),
    }
    return [
        {"name": "KUBERNEL_CONFIG", "value": "".join(f"{name}={value}\n" for name, value in config.items())},
        {"name": "KUBERNEL_POD_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
    ]


def _clients_keys(cr: dict[str, Any]) -> list[dict[str, Any]]:
    """The connection's keys, from the Secret that the clients have."""
    metadata, encryption = cr["metadata"], cr["spec"]["connection"]["encryption"]
    secret = secret_name(metadata["name"], metadata["uid"])
    wanted = [SECRET_KEY] if encryption == "Disabled" else list(KEY_VARIABLES)
    return [_from("secret", secret, key, KEY_VARIABLES[key]) for key in wanted]


def _from(kind: str, name: str, key: str, variable: str) -> dict[str, Any]:
    """A variable with what a Secret ("secret") or a ConfigMap ("configMap") has under a key."""
    return {"name": variable, "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key}}}


def _pull_secrets(spec: dict[str, Any], settings: Settings) -> list[dict[str, str]]:
    names = [s["name"] for s in spec.get("imagePullSecrets") or []]
    return [{"name": n} for n in dict.fromkeys([*names, *settings.image_pull_secrets])]


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {k: volume[k] for k in ("persistentVolumeClaim", "emptyDir") if k in volume}
    if "persistentVolumeClaim" in source and volume.get("readOnly"):
        source["persistentVolumeClaim"] = {**source["persistentVolumeClaim"], "readOnly": True}
    return {"name": volume["name"], **source}


def _mount(volume: dict[str, Any]) -> dict[str, Any]:
    return {k: volume[k] for k in ("name", "mountPath", "subPath", "readOnly") if volume.get(k)}


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """The API server fills in what is left out; an empty value would say something else."""
    return {k: v for k, v in fields.items() if v is not None and v not in ("", [], {})}
