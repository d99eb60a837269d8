"""Builds the KernelInstance for a kernelspec, the launch's arguments and the provisioner's options. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from kubernel_api.constants import (
    ANNOTATION_JUPYTER,
    ANNOTATION_SESSION,
    API_VERSION,
    DEFAULT_ARGV,
    KIND,
    LABEL_KERNEL_ID,
    LABEL_OWNER,
    LABEL_SERVER,
)
from kubernel_api.names import label_value
from kubernel_provisioner.errors import ConfigurationError

#: First words of the argv that ``kubernel install`` writes for clients that ignore provisioners.
NOT_LOCAL_ARGV = ("kubernel", "not-a-local-kernel")

_RESOURCES = ("requests", "limits")
_PYTHON = re.compile(r"python(\d+(\.\d+)?)?(\.exe)?")
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_]+)\}")
# Folders of this machine: a pod has others, and guessing them would start something else or nothing.
_LOCAL_PLACEHOLDERS = {"resource_dir", "prefix"}

_SESSION_VARIABLE = "JPY_SESSION_NAME"
# Never passed on, whoever asks for it: they describe the server's machine or belong to Kubernetes. ``env`` may set any.
_NEVER_PASSED_ON = {"PATH", "HOME", "JPY_PARENT_PID", "PYTHONEXECUTABLE", "PYTHONHOME"}
_NEVER_PASSED_ON_PREFIX = "KUBERNETES_"
_PASSED_ON_PREFIX = "KERNEL_"
# What the API takes as an environment; see ``kubernel_api.spec``.
ENV_VARIABLES, ENV_BYTES, ENV_VALUE_LENGTH = 256, 65_536, 32_768
OWNER_LENGTH = 253
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)


@dataclass(frozen=True)
class PodOptions:
    """The options that shape the pod; names and meaning as in ``options.OptionTraits``."""

    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: Sequence[str] = ()
    argv: Sequence[str] = ()
    kernel_name: str | None = None
    language: str | None = None
    fork: str | None = None
    preload: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_allow: Sequence[str] = ()
    working_dir: str | None = None
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cpu: str | None = None
    cpu_request: str | None = None
    memory: str | None = None
    memory_request: str | None = None
    startup_cpu: str | None = None
    memory_max: str | None = None
    memory_when_full: str | None = None
    gpu: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    runtime_class_name: str | None = None
    priority_class_name: str | None = None
    volumes: Sequence[Mapping[str, Any]] = ()
    template_name: str | None = None
    service: str = "ClusterIP"
    key_from: str = "Client"
    start_deadline_seconds: int | None = None
    idle_timeout_seconds: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None


@dataclass(frozen=True)
class SpecFacts:
    """What is used of a kernelspec.

    Args:
        name: its name, when the kernel manager knows it.
        argv: its argv, placeholders and all.
    """

    name: str = ""
    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    language: str = ""
    interrupt_mode: str = ""


@dataclass(frozen=True)
class Identity:
    """Whose kernel it is.

    Args:
        kernel_id: Jupyter's, which may be any string.
        server: the random id of this process.
        lease: the Lease that this process renews.
        owner: who finds it again, under another server; empty for nobody.
        session: the notebook that it was started for, as its Jupyter server knows it.
    """

    kernel_id: str
    server: str
    lease: str
    owner: str = ""
    session: Mapping[str, Any] | None = None


def build_kernel_instance(
    name: str,
    identity: Identity,
    spec: SpecFacts,
    options: PodOptions,
    *,
    cmd: Sequence[str],
    env: Mapping[str, str],
    encryption: str,
) -> dict[str, Any]:
    """The KernelInstance as it is posted; what is unset is left out, so that the operator's defaults hold.

    Args:
        name: its name.
        identity: whose kernel it is.
        spec: the kernelspec.
        options: the provisioner's options.
        cmd: argv in the pod, from ``pod_argv``; empty for a kernelspec inside the image.
        env: environment of the kernel, from ``pod_env``.
        encryption: Auto, Curve or Disabled, from ``encryption.wanted_encryption``.
    """
    body = {
        "templateName": options.template_name,
        "owner": identity.owner,
        "image": options.image,
        "imagePullPolicy": options.image_pull_policy,
        "imagePullSecrets": [{"name": secret} for secret in options.image_pull_secrets],
        "kernel": _kernel(spec, options, cmd),
        "env": env_list(env),
        "workingDir": options.working_dir,
        "resources": build_resources(options),
        "startupCPU": options.startup_cpu,
        "memory": _memory(options),
        "nodeSelector": dict(options.node_selector),
        "tolerations": [dict(toleration) for toleration in options.tolerations],
        "runtimeClassName": options.runtime_class_name,
        "priorityClassName": options.priority_class_name,
        "volumes": [dict(volume) for volume in options.volumes],
        "connection": {
            "service": options.service,
            "encryption": encryption,
            "keyFrom": options.key_from,
        },
        "lifecycle": _without_unset(
            {
                "startDeadlineSeconds": options.start_deadline_seconds,
                "idleTimeoutSeconds": options.idle_timeout_seconds,
                "activeDeadlineSeconds": options.active_deadline_seconds,
                "ttlSecondsAfterFinished": options.ttl_seconds_after_finished,
                "leaseName": identity.lease,
            }
        ),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": _metadata(name, identity, spec, path=str(env.get(_SESSION_VARIABLE, ""))),
        "spec": _without_unset(body),
    }


def env_list(env: Mapping[str, str]) -> list[dict[str, str]]:
    """``spec.env``."""
    return [{"name": key, "value": str(env[key])} for key in sorted(env)]


def _metadata(name: str, identity: Identity, spec: SpecFacts, *, path: str) -> dict[str, Any]:
    labels = {LABEL_SERVER: identity.server, LABEL_KERNEL_ID: label_value(identity.kernel_id)}
    annotations = {ANNOTATION_SESSION: path}
    if identity.owner:
        labels[LABEL_OWNER] = label_value(identity.owner)
        annotations[ANNOTATION_JUPYTER] = describe_for_jupyter(identity.kernel_id, spec.name, identity.session)
    return _without_unset({"name": name, "labels": labels, "annotations": _without_unset(annotations)})


def fitting_owner(text: str) -> str:
    """An owner that a KernelInstance can have; of a longer one its beginning, and a hash of it all."""
    return text if len(text) <= OWNER_LENGTH else f"{text[: OWNER_LENGTH - 33]}-{label_value(text)}"


def describe_for_jupyter(kernel_id: str, kernel_name: str, session: Mapping[str, Any] | None) -> str:
    """The annotation by which a Jupyter server finds the kernel again."""
    return json.dumps({"kernel_id": kernel_id, "kernel_name": kernel_name, "session": dict(session or {}) or None})


def _kernel(spec: SpecFacts, options: PodOptions, cmd: Sequence[str]) -> dict[str, Any]:
    name = options.kernel_name or spec.name
    return _without_unset(
        {
            "argv": list(cmd),
            "name": name if re.fullmatch(r"[a-zA-Z0-9._-]+", name) else None,
            "language": (options.language or spec.language)[:63],
            "displayName": spec.display_name[:253],
            "interruptMode": spec.interrupt_mode,
            "fork": options.fork,
            "preload": list(options.preload),
        }
    )


def build_resources(options: PodOptions) -> dict[str, dict[str, Any]]:
    """``resources`` with the shortcuts worked in; what ``resources`` says itself wins.

    ``cpu`` and ``memory`` are request and limit at once, unless there is a request of its own.

    Raises:
        ConfigurationError: ``resources`` has other parts, or parts that are no mappings.
    """
    shortcuts = _without_unset({"cpu": options.cpu, "memory": options.memory})
    requests = _without_unset({"cpu": options.cpu_request, "memory": options.memory_request})
    gpus = _without_unset({"nvidia.com/gpu": options.gpu})
    given = options.resources
    wrong = [name for name, amounts in given.items() if name not in _RESOURCES or not isinstance(amounts, Mapping)]
    if wrong:
        raise ConfigurationError(
            f"The option resources is wrong: {wrong[0]!r} is {given[wrong[0]]!r}.",
            "It has requests and limits, each a mapping: {'requests': {'cpu': '1'}, 'limits': {'memory': '2Gi'}}.",
        )
    return _without_unset(
        {
            "requests": {**shortcuts, **requests, **_amounts(given.get("requests", {}))},
            "limits": {**shortcuts, **gpus, **_amounts(given.get("limits", {}))},
        }
    )


def _amounts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Amounts as a custom resource takes them: of a pod ``0.5`` is one, here it is a text."""
    return {name: str(amount) if isinstance(amount, float) else amount for name, amount in given.items()}


def _memory(options: PodOptions) -> dict[str, Any]:
    """``memory``.

    Raises:
        ConfigurationError: it is said what to do when memory is full, and not how far it may grow.
    """
    if options.memory_when_full and not options.memory_max:
        raise ConfigurationError(
            "The option memory_when_full needs memory_max: how far memory may grow.", "For instance memory_max 8Gi."
        )
    return _without_unset({"max": options.memory_max, "whenFull": options.memory_when_full})


def is_installed(spec: SpecFacts) -> bool:
    """Whether ``kubernel install`` wrote the kernelspec, and can change it."""
    return tuple(spec.argv[: len(NOT_LOCAL_ARGV)]) == NOT_LOCAL_ARGV


def pod_argv(spec: SpecFacts, options: PodOptions, *, kernel_id: str, extra_arguments: Sequence[str] = ()) -> list[str]:
    """The kernel's command in the pod; empty when a kernelspec inside the image is to be started.

    ``{connection_file}`` stays: the path is the pod's. A kernelspec's local interpreter becomes the image's python3,
    another absolute program its name, to be found on the image's PATH.

    Raises:
        ConfigurationError: the kernelspec's argv points into folders of this machine.
    """
    if options.kernel_name and not options.argv:
        return []
    if options.argv:
        argv = list(options.argv)
    elif not spec.argv or is_installed(spec):
        argv = list(DEFAULT_ARGV)
    else:
        argv = [_program(spec.argv[0]), *spec.argv[1:]]
        _refuse_local_folders(argv, spec.name)
    return [argument.replace("{kernel_id}", kernel_id) for argument in [*argv, *extra_arguments]]


def _program(path: str) -> str:
    """The program as the image's PATH knows it."""
    name = (PureWindowsPath if "\\" in path else PurePosixPath)(path).name
    return "python3" if _PYTHON.fullmatch(name) else name if path.startswith("/") or "\\" in path else path


def _refuse_local_folders(argv: Sequence[str], name: str) -> None:
    found = sorted({match for argument in argv for match in _PLACEHOLDER.findall(argument)} & _LOCAL_PLACEHOLDERS)
    if found:
        raise ConfigurationError(
            f"Kernelspec {name!r} cannot run in a pod: its argv uses {{{found[0]}}}, a folder of this machine.",
            "Set argv or kernel_name in its kernel_provisioner config, or install one for the cluster.",
            "kubernel install --name NAME --image IMAGE --argv ...",
        )


def pod_env(
    given: Mapping[str, str],
    spec: SpecFacts,
    options: PodOptions,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """The environment of the kernel: an allow-list, since ``given`` is the whole environment of a notebook server.

    A KERNEL_* variable that a KernelInstance cannot have is left out: nobody asked for it by name.

    Args:
        given: the environment of the launch, with the kernelspec's variables already substituted in it.
        spec: its ``env`` names variables that may pass.
        options: ``env_allow`` names more; ``env`` is set whatever ``given`` holds, and unset where it says null.
        warn: takes a sentence for the log.
    """
    names = set(spec.env) | set(options.env_allow) | {_SESSION_VARIABLE}
    named = {key: value for key, value in given.items() if key in names and _may_pass(key)}
    # A kernel.json may say 4 where "4" is meant.
    env = {key: str(value) for key, value in {**named, **options.env}.items() if value is not None}
    room = ENV_BYTES - sum(_bytes(key) + _bytes(value) for key, value in env.items())
    unfit = []
    for key in sorted(key for key in given if key.startswith(_PASSED_ON_PREFIX) and key not in {*env, *options.env}):
        size = _bytes(key) + _bytes(given[key])
        if _is_possible(key, given[key]) and size <= room and len(env) < ENV_VARIABLES:
            env[key], room = given[key], room - size
        else:
            unfit.append(key)
    if unfit:
        warn(f"Not passed on to the kernel, for their names or sizes: {', '.join(map(repr, unfit))[:500]}")
    return env


def _is_possible(name: str, value: str) -> bool:
    is_text = not any("\ud800" <= character <= "\udfff" for character in value)
    return is_text and len(value) <= ENV_VALUE_LENGTH and len(name) <= 253 and bool(_VARIABLE.fullmatch(name))


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _may_pass(name: str) -> bool:
    return name not in _NEVER_PASSED_ON and not name.startswith(_NEVER_PASSED_ON_PREFIX)


def _without_unset(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Without None and empty values, but with 0 and False."""
    return {key: value for key, value in mapping.items() if value is not None and value not in ("", [], {})}
