"""Configuration of the operator: command line and environment become one frozen object. The only reader of both."""

from __future__ import annotations

import argparse
import copy
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from kubernel_api.template import Bounds as BoundsModel
from kubernel_operator.observe.template_facts import UNBOUNDED, Bounds, bounds_of

AUTO = "Auto"
ENV_PREFIX = "KUBERNEL_OPERATOR_"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

# What Pod Security "restricted" asks for. No runAsUser: images say who they are, and OpenShift chooses for itself.
POD_SECURITY_CONTEXT: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
SECURITY_CONTEXT: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class SettingsError(ValueError):
    """An option has no usable value; the message names the option."""


def _option(default: Any, help_: str) -> Any:
    """A field whose default is made anew for each object, with its help text."""
    return field(default_factory=lambda: copy.deepcopy(default), metadata={"help": help_})


@dataclass(frozen=True)
class Settings:
    """All that an administrator can choose. Each field is an option ``--like-this`` and a variable
    ``KUBERNEL_OPERATOR_LIKE_THIS``; tuples are comma-separated, dicts and bounds are JSON.
    """  # noqa: D205 - the sentence does not fit in one line

    watch_namespaces: tuple[str, ...] = _option((), "namespaces to watch, comma-separated; empty: all of them")
    ignore_namespaces: tuple[str, ...] = _option((), "namespaces to leave alone, comma-separated globs")
    default_image: str = _option("", "image of a KernelInstance that names none")
    image_pull_policy: str = _option("IfNotPresent", "pull policy of a KernelInstance that names none")
    image_pull_secrets: tuple[str, ...] = _option((), "pull Secrets added to every kernel pod, comma-separated")
    default_resources: dict[str, Any] = _option(
        {}, "resources of kernels, for each one that a KernelInstance does not name, JSON"
    )
    startup_cpu: str = _option("", "CPU limit with which a kernel starts whose own is lower; empty: its own")
    memory_max: str = _option("", "how far memory grows by itself of a kernel that does not say; empty: not at all")
    node_selector: dict[str, str] = _option({}, "node selector of all kernel pods, beside their own, JSON")
    tolerations: list[dict[str, Any]] = _option([], "tolerations of all kernel pods, beside their own, JSON")
    runtime_class_name: str = _option("", "RuntimeClass of a KernelInstance that names none")
    priority_class_name: str = _option("", "PriorityClass of a KernelInstance that names none")
    kernel_bounds: Bounds = _option(UNBOUNDED, "bounds of KernelInstances without a KernelTemplate, JSON")
    fork: str = _option(AUTO, "whether a restart forks a kernel that does not say: Auto or Never")
    preload: tuple[str, ...] = _option((), "modules for forks of a kernel that names none, comma-separated")
    read_keys: str = _option("Never", "whether to read keys that clients made, for pools' pods: Always or Never")
    max_starting: str = _option(
        AUTO, "kernels that start at the same time; 0: any number; Auto: by the CPUs, where it watches all namespaces"
    )
    max_orphan_seconds: int = _option(0, "longest that a kernel outlives its server's last renewal; 0: as it asks for")
    pod_security_context: dict[str, Any] = _option(POD_SECURITY_CONTEXT, "securityContext of kernel pods, JSON")
    security_context: dict[str, Any] = _option(SECURITY_CONTEXT, "securityContext of kernel containers, JSON")
    callback_url: str = _option("", "where kernel pods reach this operator; empty: this machine's own address")
    callback_port: int = _option(8443, "port for callbacks of kernel pods")
    health_port: int = _option(8081, "port of /healthz and /readyz")
    metrics_port: int = _option(8080, "port of /metrics")
    operator_namespace: str = _option("", "namespace of the operator's own Secret and Lease; empty: the one it runs in")
    operator_secret_name: str = _option("kubernel-operator", "Secret that holds the operator's own key")
    lease_name: str = _option("kubernel-operator", "Lease that the leader of several operators holds")
    identity: str = _option("", "name of this operator among those of one Lease; empty: a fresh one")
    callback_service: str = _option("", "Service without selector whose EndpointSlices the leader writes; empty: none")
    pod_ips: tuple[str, ...] = _option((), "addresses of this pod, comma-separated, for those EndpointSlices")
    workers: int = _option(64, "KernelInstances that are worked on at the same time")
    sweep_interval_seconds: int = _option(300, "seconds between two comparisons of everything with the API server")
    log_format: str = _option("plain", "plain or json")
    log_level: str = _option("INFO", "DEBUG, INFO, WARNING or ERROR")


def load_settings(argv: Sequence[str], environ: dict[str, str] | None = None) -> Settings:
    """Settings from a command line and an environment; the command line wins.

    Raises:
        SettingsError: a value cannot be used; the message names the option.
    """
    environ = dict(os.environ) if environ is None else environ
    parser = argparse.ArgumentParser(prog="python -m kubernel_operator", description="The kubernel operator.")
    for f in fields(Settings):
        parser.add_argument(f"--{f.name.replace('_', '-')}", metavar="VALUE", help=f.metadata["help"])
    options = vars(parser.parse_args(argv))
    given = {
        f.name: options[f.name] if options[f.name] is not None else environ.get(ENV_PREFIX + f.name.upper())
        for f in fields(Settings)
    }
    default = Settings()
    values = {name: _parse(name, text, getattr(default, name)) for name, text in given.items() if text is not None}
    return _checked(Settings(**values))


def own_namespace() -> str:
    """The namespace this pod runs in, or "default" outside a cluster."""
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError:
        return "default"


def _parse(name: str, text: str, default: Any) -> Any:
    option = f"--{name.replace('_', '-')}"
    try:
        match default:
            case tuple():
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case dict() | list():
                value = json.loads(text or ("{}" if isinstance(default, dict) else "[]"))
                if type(value) is not type(default):
                    raise SettingsError(f"{option} must be a JSON {type(default).__name__}, not {text!r}")
                return value
            case Bounds():
                bounds = BoundsModel.model_validate_json(text or "{}", strict=True)
                return bounds_of(bounds.model_dump(by_alias=True, exclude_none=True))
            case int():
                return int(text)
            case _:
                return text
    except ValueError as error:
        if isinstance(error, SettingsError):
            raise
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise SettingsError(f"{option}: {where}: {first['msg']}") from error
        raise SettingsError(f"{option}: {text!r} is not valid ({error})") from error


def _checked(settings: Settings) -> Settings:
    for name, allowed in (
        ("log_format", ("plain", "json")),
        ("log_level", ("DEBUG", "INFO", "WARNING", "ERROR")),
        ("image_pull_policy", ("Always", "IfNotPresent", "Never")),
        ("fork", (AUTO, "Never")),
        ("read_keys", ("Always", "Never")),
    ):
        if getattr(settings, name) not in allowed:
            raise SettingsError(f"--{name.replace('_', '-')} must be one of {', '.join(allowed)}")
    if settings.max_starting != AUTO and not settings.max_starting.isdecimal():
        raise SettingsError(f"--max-starting must be Auto or a number, 0 or more, not {settings.max_starting!r}")
    if settings.callback_url:
        _check_url("--callback-url", settings.callback_url)
    for name, least in (("workers", 1), ("sweep_interval_seconds", 1), ("max_orphan_seconds", 0)):
        if getattr(settings, name) < least:
            raise SettingsError(f"--{name.replace('_', '-')} must be at least {least}")
    return settings


def _check_url(option: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "http" and parts.hostname and parts.port != 0 and parts.path.strip("/")
    except ValueError:  # e.g. a port that is no number
        fits = False
    if not fits:
        raise SettingsError(f"{option} must look like http://HOST:8443/v1/callback, not {url!r}")
