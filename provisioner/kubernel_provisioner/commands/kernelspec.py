"""Kernelspecs of kernels on the cluster: what ``kubernel install``, ``list`` and ``remove`` do.

A kernelspec is one kernel.json. The command in the pod stands in the provisioner's config; the top-level argv is run
only by programs that ignore provisioners, and tells them so instead of starting a local kernel under a wrong name.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.launch.kernel_resource import (
    NOT_LOCAL_ARGV,
    Identity,
    PodOptions,
    SpecFacts,
    build_kernel_instance,
)

PROVISIONER_NAME = "kubernel"

# What the kernels of a language are started with when an image says nothing else; python's is the operator's default.
_ARGV_BY_LANGUAGE: Mapping[str, Sequence[str]] = {
    "python": (),
    "r": ("R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"),
}
_NAME = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True)
class KernelspecOptions:
    """What ``kubernel install`` is told.

    Args:
        argv: command in the pod; empty for the language's usual one.
        kernel_name: instead of argv, a kernelspec inside the image.
        config: further options of the provisioner, by name; None is unset.
    """

    name: str
    display_name: str = ""
    language: str = "python"
    interrupt_mode: str = ""
    argv: Sequence[str] = ()
    kernel_name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Installed:
    """A kernelspec that starts kernels on the cluster."""

    name: str
    display_name: str
    image: str
    folder: str


def build_kernel_json(options: KernelspecOptions) -> dict[str, Any]:
    """The content of kernel.json.

    Raises:
        ConfigurationError: the language's usual command is not known.
    """
    is_python = options.language.lower() == "python"
    metadata: dict[str, Any] = {
        "kernel_provisioner": {"provisioner_name": PROVISIONER_NAME, "config": _config(options)},
    }
    if is_python:
        metadata |= {"debugger": True, "supported_encryption": ["curve"]}
    return {
        "argv": [*NOT_LOCAL_ARGV, "{connection_file}"],
        "display_name": options.display_name or options.name,
        "language": options.language,
        # Interrupts by message need neither the API server nor a signal; kernels other than ipykernel rarely know them.
        "interrupt_mode": options.interrupt_mode or ("message" if is_python else "signal"),
        "metadata": metadata,
    }


def _config(options: KernelspecOptions) -> dict[str, Any]:
    config = {key: value for key, value in options.config.items() if value is not None and value != {}}
    if options.kernel_name:
        config["kernel_name"] = options.kernel_name
    elif argv := list(options.argv) or _usual_argv(options):
        config["argv"] = argv
    return config


def _usual_argv(options: KernelspecOptions) -> list[str]:
    argv = _ARGV_BY_LANGUAGE.get(options.language.lower())
    if argv is None:
        raise ConfigurationError(
            f"There is no usual command for kernels of language {options.language!r}.",
            "Give the one in the image with --argv, or a kernelspec inside the image with --kernel-name.",
            f"kubernel install --name {options.name} ... --argv PROGRAM ... {{connection_file}}",
        )
    return list(argv)


def kernels_folder(*, user: bool = False, prefix: str | None = None) -> Path:
    """Where kernelspecs are installed: for the user, under a prefix, or in this Python's environment."""
    if user:
        return Path(jupyter_data_dir()) / "kernels"
    return Path(prefix or sys.prefix) / "share" / "jupyter" / "kernels"


def install(options: KernelspecOptions, folder: Path, *, replace: bool = False) -> Path:
    """Writes the kernelspec and returns its folder.

    Raises:
        ConfigurationError: the name is no kernel name, is taken, or the folder cannot be written.
    """
    if not _NAME.fullmatch(options.name):
        raise ConfigurationError(
            f"{options.name!r} cannot be the name of a kernelspec.", "It may have letters, digits, '.', '_' and '-'."
        )
    target = folder / options.name.lower()
    if target.exists() and not replace:
        raise ConfigurationError(
            f"There is a kernelspec {options.name!r} already, in {target}.", "", "the same with --replace"
        )
    _refuse_what_the_api_refuses(options)
    text = json.dumps(build_kernel_json(options), indent=1, ensure_ascii=False) + "\n"
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / "kernel.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The kernelspec cannot be written to {target}.", str(error.strerror), "the same with --user or --prefix"
        ) from error
    return target


def _refuse_what_the_api_refuses(options: KernelspecOptions) -> None:
    """Else the first kernel of this kernelspec would fail, and in front of somebody else.

    Raises:
        ConfigurationError: with the API server's own sentence.
    """
    from pydantic import ValidationError

    from kubernel_api.spec import KernelInstanceSpec

    known = {field.name for field in dataclasses.fields(PodOptions)}
    pod = PodOptions(**{name: value for name, value in _config(options).items() if name in known})
    identity = Identity("", "", "l")
    body = build_kernel_instance("k", identity, SpecFacts(), pod, cmd=pod.argv, env=pod.env, encryption="Auto")
    try:
        KernelInstanceSpec.model_validate(body["spec"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"Kernelspec {options.name!r} could start no kernel.",
            f"spec.{where}: {first['msg']}; it is {first['input']!r}.",
        ) from error


def list_installed(manager: KernelSpecManager | None = None) -> list[Installed]:
    """The kernelspecs whose kernels run on the cluster, by name."""
    specs = (manager or KernelSpecManager()).get_all_specs()
    return [
        Installed(name, found["spec"]["display_name"], _config_of(found).get("image") or "", found["resource_dir"])
        for name, found in sorted(specs.items())
        if _is_ours(found)
    ]


def remove(name: str, manager: KernelSpecManager | None = None) -> str:
    """Removes a kernelspec of ours and returns the folder it was in.

    Raises:
        ConfigurationError: there is none of that name, or it is not ours.
    """
    found = (manager or KernelSpecManager()).get_all_specs().get(name.lower())
    if found is None or not _is_ours(found):
        what = "There is no kernelspec" if found is None else "kubernel did not install the kernelspec"
        command = "kubernel list" if found is None else f"jupyter kernelspec remove {name}"
        raise ConfigurationError(f"{what} {name!r}.", "", command)
    shutil.rmtree(found["resource_dir"])
    return str(found["resource_dir"])


def _is_ours(found: Mapping[str, Any]) -> bool:
    stanza = found["spec"].get("metadata", {}).get("kernel_provisioner") or {}
    return bool(stanza.get("provisioner_name") == PROVISIONER_NAME)


def _config_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    config: Mapping[str, Any] = found["spec"]["metadata"]["kernel_provisioner"].get("config") or {}
    return config
