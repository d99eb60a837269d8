"""Kernelspecs of kernels on the cluster: what ``kubernel install``, ``list`` and ``remove`` do.

A kernelspec is one kernel.json, and logos. The command in the pod stands in the provisioner's config; the top-level
argv is run only by programs that ignore provisioners, and tells them so instead of starting a local kernel under a
wrong name.
"""

from __future__ import annotations

import dataclasses
import json
import re
import reprlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from kubernel_api.quantity import amount, memory
from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.launch.explaining import as_options
from kubernel_provisioner.launch.kernel_resource import (
    NOT_LOCAL_ARGV,
    Identity,
    PodOptions,
    SpecFacts,
    build_kernel_instance,
)
from kubernel_provisioner.options import SECRETIVE

from .logos import find_logos, given_logos
from .logos import read as _read_logos

PROVISIONER_NAME = "kubernel"

# What the kernels of a language are started with when an image says nothing else; python's is the operator's default.
_ARGV_BY_LANGUAGE: Mapping[str, Sequence[str]] = {
    "python": (),
    "r": ("R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"),
}
_NAME = re.compile(r"[a-zA-Z0-9._-]+")
# What is reserved of an amount when nobody says so: notebooks mostly wait, and others find room meanwhile.
_RESERVED = {"cpu": Decimal("0.25"), "memory": Decimal("0.5")}


@dataclass(frozen=True)
class KernelspecOptions:
    """What ``kubernel install`` is told.

    Args:
        argv: command in the pod; empty for the language's usual one.
        kernel_name: instead of argv, a kernelspec inside the image.
        config: further options of the provisioner, by name; None and empty values are unset.
        logos: folder with logos; None: those of the language.
    """

    name: str
    display_name: str = ""
    language: str = ""
    interrupt_mode: str = ""
    argv: Sequence[str] = ()
    kernel_name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    logos: Path | None = None

    @property
    def language_or_python(self) -> str:
        """The language; python when none was named."""
        return self.language or "python"


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
    language = options.language_or_python
    is_python = language.lower() == "python"
    metadata: dict[str, Any] = {
        "kernel_provisioner": {"provisioner_name": PROVISIONER_NAME, "config": _config(options)},
    }
    if is_python:
        metadata |= {"debugger": True, "supported_encryption": ["curve"]}
    return {
        "argv": [*NOT_LOCAL_ARGV, "{connection_file}"],
        "display_name": options.display_name or options.name,
        "language": language,
        # Interrupts by message need neither the API server nor a signal; kernels other than ipykernel rarely know them.
        "interrupt_mode": options.interrupt_mode or ("message" if is_python else "signal"),
        "metadata": metadata,
    }


def _config(options: KernelspecOptions) -> dict[str, Any]:
    config = _given(options.config)
    if options.kernel_name:
        config["kernel_name"] = options.kernel_name
    elif argv := list(options.argv) or _usual_argv(options):
        config["argv"] = argv
    for name, share in _RESERVED.items():
        if name in config and f"{name}_request" not in config and (part := _part(name, config[name], share)):
            config[f"{name}_request"] = part
    return config


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None and value not in ({}, [])}


def _part(name: str, quantity: str, share: Decimal) -> str:
    """A share of an amount of cpu or memory; empty when it is no amount, or too small a one."""
    size = amount(quantity) * share
    if name == "memory":
        return memory(size)
    return f"{int(size * 1000)}m" if size * 1000 >= 1 else ""


def _usual_argv(options: KernelspecOptions) -> list[str]:
    argv = _ARGV_BY_LANGUAGE.get(options.language_or_python.lower())
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
            f"There is a kernelspec {options.name!r} already, in {target}.",
            "",
            "the same with --replace, or with --update to change what is named and nothing else",
        )
    _refuse_what_the_api_refuses(options)
    logos = given_logos(options.logos) if options.logos else _language_logos(options.language_or_python)
    _write(target, build_kernel_json(options), logos)
    return target


def update(options: KernelspecOptions, folder: Path | None = None, manager: KernelSpecManager | None = None) -> Path:
    """Changes what is named of an installed kernelspec; returns its folder.

    Args:
        options: what is to be changed; empty and None leave things as they are.
        folder: of kernelspecs, to write the changed one to; None: where it was found.
        manager: finds it.

    Raises:
        ConfigurationError: there is none of that name, it is not ours, or an option is wrong.
    """
    found = _find(options.name, manager or KernelSpecManager())
    old = json.loads((Path(found["resource_dir"]) / "kernel.json").read_text(encoding="utf-8"))
    changed = _merged(options, old)
    _refuse_what_the_api_refuses(changed)
    new = build_kernel_json(changed)
    new["metadata"] = {**(old.get("metadata") or {}), **new["metadata"]}
    place = Path(found["resource_dir"])
    target = folder / place.name if folder else place
    logos = given_logos(options.logos) if options.logos else {}
    if target != place:
        logos = {**_read_logos(place), **logos}
    _write(target, {**old, **new}, logos)
    return target


def _merged(options: KernelspecOptions, old: Mapping[str, Any]) -> KernelspecOptions:
    """The kernelspec as it is, with what is named changed."""
    config = dict(_config_of({"spec": old}))
    argv, kernel_name = config.pop("argv", ()), config.pop("kernel_name", None)
    given = _given(options.config)
    for name in _RESERVED:
        if name in given:  # what was reserved of the old amount says nothing of the new one
            config.pop(f"{name}_request", None)
    is_another = bool(options.argv or options.kernel_name or options.language)
    return dataclasses.replace(
        options,
        display_name=options.display_name or old["display_name"],
        language=options.language or old["language"],
        interrupt_mode=options.interrupt_mode or ("" if options.language else old.get("interrupt_mode", "")),
        argv=options.argv if is_another else argv,
        kernel_name=options.kernel_name if is_another else kernel_name,
        config={**config, **{name: _joined(config.get(name), value) for name, value in given.items()}},
    )


def _joined(old: Any, new: Any) -> Any:
    """Of a mapping, such as ``env``, those keys that are not named stay, too."""
    return {**old, **new} if isinstance(old, Mapping) and isinstance(new, Mapping) else new


def _language_logos(language: str) -> dict[str, bytes]:
    specs = KernelSpecManager().get_all_specs()
    return find_logos(language, {name: found for name, found in specs.items() if not _is_ours(found)})


def _write(target: Path, kernel_json: Mapping[str, Any], logos: Mapping[str, bytes]) -> None:
    text = json.dumps(kernel_json, indent=1, ensure_ascii=False) + "\n"
    file, unfinished = target / "kernel.json", target / "kernel.json.new"
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            "The kernelspec cannot be written: one of its texts is not of this machine's encoding.",
            f"It begins with {text[max(0, error.start - 20) : error.start].splitlines()[-1]!r}.",
        ) from error
    try:
        target.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(file)  # at once: a full disk leaves the old one
        for name, content in logos.items():
            (target / name).write_bytes(content)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise ConfigurationError(
            f"The kernelspec cannot be written to {target}.", str(error.strerror), "the same with --user or --prefix"
        ) from error


def _refuse_what_the_api_refuses(options: KernelspecOptions) -> None:
    """Else the first kernel of this kernelspec would fail, and in front of somebody else.

    Raises:
        ConfigurationError: with the API server's own sentence.
    """
    from pydantic import ValidationError
    from traitlets import TraitError

    from kubernel_api.spec import KernelInstanceSpec
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    config = _config(options)
    try:
        taken = KubernetesProvisioner(**config)
    except TraitError as error:
        raise ConfigurationError(f"Kernelspec {options.name!r} could start no kernel.", str(error)) from error
    for name in _RESERVED:
        limit, request = options.config.get(name), options.config.get(f"{name}_request")
        if limit and request and amount(request) > amount(limit):
            raise ConfigurationError(f"{name}_request {request} is more than {name} {limit}.")
    memory_max, begin = options.config.get("memory_max"), options.config.get("memory")
    if memory_max and begin and amount(memory_max) <= amount(begin):
        raise ConfigurationError(
            f"memory_max {memory_max} is not more than memory {begin}: nothing could grow.",
            "memory is what a kernel begins with, and memory_max how far it may grow.",
        )
    known = {field.name for field in dataclasses.fields(PodOptions)}
    pod = PodOptions(**{name: getattr(taken, name) for name in config if name in known})
    identity = Identity("", "", "l")
    body = build_kernel_instance("k", identity, SpecFacts(), pod, cmd=pod.argv, env=pod.env, encryption="Auto")
    try:
        KernelInstanceSpec.model_validate(body["spec"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"Kernelspec {options.name!r} could start no kernel.",
            f"{as_options(f'spec.{where}')}: {first['msg']}{_shown(first)}.",
        ) from error


def _shown(error: Mapping[str, Any]) -> str:
    """The value that is wrong, but for one of the environment, which may be a password; a part of a long one."""
    return "" if error["loc"][0] in SECRETIVE else f"; it is {reprlib.repr(error['input'])}"


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
    folder = Path(_find(name, manager or KernelSpecManager())["resource_dir"])
    if folder.is_symlink():  # to what others may use, too
        folder.unlink()
    else:
        shutil.rmtree(folder)
    return str(folder)


def _find(name: str, manager: KernelSpecManager) -> Mapping[str, Any]:
    """One of ours."""
    found: Mapping[str, Any] | None = manager.get_all_specs().get(name.lower())
    if found is None or not _is_ours(found):
        what = "There is no kernelspec" if found is None else "kubernel did not install the kernelspec"
        command = "kubernel list" if found is None else f"jupyter kernelspec list; and look at {name} yourself"
        raise ConfigurationError(f"{what} {name!r}.", "", command)
    return found


def _is_ours(found: Mapping[str, Any]) -> bool:
    stanza = found["spec"].get("metadata", {}).get("kernel_provisioner")
    return isinstance(stanza, Mapping) and stanza.get("provisioner_name") == PROVISIONER_NAME


def _config_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    config: Mapping[str, Any] = found["spec"]["metadata"]["kernel_provisioner"].get("config") or {}
    return config
