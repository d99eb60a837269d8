"""``kubernel install``, ``list`` and ``remove``: the arguments, and what they become in a kernelspec."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.options import parse_pairs

from .arguments import Commands, completed, namespace_name, print_table, say
from .completion import kernelspec_names

EXAMPLES = """\
examples:
  kubernel install --name science --image quay.io/jupyter/scipy-notebook:2026-07-28 --cpu 2 --memory 4Gi
  kubernel install --name science --memory 8Gi --update          # its other options stay
  kubernel install --name data --image IMAGE --volume home-me:/home/jovyan/work --idle-timeout 3600
"""


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parsers."""
    install = commands.add_parser(
        "install",
        help="install a kernelspec whose kernels run on the cluster",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completed(install.add_argument("--name", required=True, help="name of the kernelspec"), kernelspec_names)
    install.add_argument("--display-name", help="what people see")
    _add_kernel(install)
    _add_pod(install)
    _add_life(install)
    _add_place(install)
    install.set_defaults(run=_install)
    listing = commands.add_parser("list", help="list the kernelspecs whose kernels run on the cluster")
    listing.set_defaults(run=_list)
    remove = commands.add_parser("remove", help="remove a kernelspec")
    completed(remove.add_argument("name", metavar="NAME"), kernelspec_names)
    remove.set_defaults(run=_remove)


def _add_kernel(install: argparse.ArgumentParser) -> None:
    group = install.add_argument_group("the kernel")
    group.add_argument("--image", help="container image; default: the operator's")
    group.add_argument("--language", help="language of the kernel; default: python")
    group.add_argument("--kernel-name", metavar="NAME", help="start this kernelspec inside the image")
    group.add_argument("--interrupt-mode", choices=["message", "signal"], help="default: by language")
    group.add_argument("--working-dir", metavar="FOLDER", help="in the pod; default: the notebook's, or the image's")
    _repeatable(group, "--env", "NAME=VALUE", "for the kernel; no place for passwords")
    _repeatable(group, "--env-allow", "NAME", "variable that the Jupyter server passes on")
    _repeatable(group, "--path-map", "HERE=THERE", "folder of the server, and where the pod has it")
    group.add_argument("--fork", choices=["Auto", "Never"], help="Never: no restart forks an ipykernel")
    _repeatable(group, "--preload", "MODULE", "that a forked kernel has imported already")
    group.add_argument("--logos", type=Path, metavar="FOLDER", help="with logo-64x64.png; default: the language's")
    group.add_argument(
        "--argv", nargs=argparse.REMAINDER, default=[], help="command in the pod; must be the last option"
    )


def _add_pod(install: argparse.ArgumentParser) -> None:
    group = install.add_argument_group("its pod")
    group.add_argument(
        "--template", dest="template_name", metavar="NAME", help="KernelTemplate; see kubernel templates"
    )
    group.add_argument("--cpu", help="at most so much CPU: 500m, 2")
    group.add_argument("--cpu-request", metavar="CPU", help="what is reserved; default: a quarter of --cpu")
    group.add_argument("--startup-cpu", metavar="CPU", help="at most so much for the time of a start, if that is more")
    group.add_argument("--memory", help="at most so much memory: 2Gi")
    group.add_argument("--memory-request", metavar="MEMORY", help="what is reserved; default: half of --memory")
    group.add_argument("--memory-max", metavar="MEMORY", help="how far --memory may grow by itself: 8Gi")
    group.add_argument(
        "--memory-when-full", choices=["Interrupt", "Continue"], help="what a kernel does that gets no more"
    )
    group.add_argument("--gpu", help="number of nvidia.com/gpu")
    _repeatable(group, "--volume", "CLAIM:PATH[:ro]", "PersistentVolumeClaim and where it is mounted; or JSON")
    group.add_argument("--image-pull-policy", choices=["Always", "IfNotPresent", "Never"], help="when it is pulled")
    _repeatable(group, "--image-pull-secret", "NAME", "Secret with credentials of the registry")
    _repeatable(group, "--node-selector", "LABEL=VALUE", "that the node must have")
    _repeatable(group, "--toleration", "KEY[=VALUE][:EFFECT]", "taint that it tolerates; or JSON")
    group.add_argument("--runtime-class", dest="runtime_class_name", metavar="NAME", help="RuntimeClass, e.g. gvisor")
    group.add_argument("--priority-class", dest="priority_class_name", metavar="NAME", help="PriorityClass")
    group.add_argument(
        "--service", choices=["ClusterIP", "None", "Headless"], help="None: faster, the address may change"
    )


def _add_life(install: argparse.ArgumentParser) -> None:
    group = install.add_argument_group("how long, in seconds")
    for flag, name, words in (
        ("--start-deadline", "start_deadline_seconds", "a kernel that is not ready by then has failed; default: 300"),
        ("--idle-timeout", "idle_timeout_seconds", "end it after this time without clients and CPU use"),
        ("--active-deadline", "active_deadline_seconds", "end it after this time, whatever it does"),
        ("--orphan-after", "orphan_after_seconds", "end it when its server has been away for so long"),
    ):
        group.add_argument(flag, dest=name, type=int, metavar="SECONDS", help=words)


def _add_place(install: argparse.ArgumentParser) -> None:
    cluster = install.add_argument_group("on which cluster")
    cluster.add_argument("-n", "--namespace", type=namespace_name, help="namespace of the kernels")
    cluster.add_argument("--context", help="context in the kubeconfig")
    cluster.add_argument("--kubeconfig", metavar="FILE", help="default: as kubectl finds it")
    cluster.add_argument("--access", choices=["auto", "direct", "port-forward"], help="how kernels are reached")
    group = install.add_argument_group("where the kernelspec goes")
    place = group.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="install for this user")
    place.add_argument("--sys-prefix", action="store_true", help="install in this Python's environment (the default)")
    place.add_argument("--prefix", metavar="FOLDER", help="install under this folder")
    again = group.add_mutually_exclusive_group()
    again.add_argument("--replace", action="store_true", help="replace one of that name, with all its options")
    again.add_argument("--update", action="store_true", help="change one of that name, where it is: other options stay")


def _repeatable(group: argparse._ActionsContainer, flag: str, metavar: str, words: str) -> None:
    group.add_argument(flag, action="append", default=[], metavar=metavar, help=f"{words}; repeatable")


# Options of ``install`` that are options of the provisioner as they stand.
_PLAIN = (
    *(
        "template_name",
        "image",
        "cpu",
        "cpu_request",
        "startup_cpu",
        "memory",
        "memory_request",
        "memory_max",
        "memory_when_full",
        "gpu",
        "namespace",
        "service",
    ),
    *("working_dir", "fork", "image_pull_policy", "runtime_class_name", "priority_class_name", "context", "kubeconfig"),
    *("access", "start_deadline_seconds", "idle_timeout_seconds", "active_deadline_seconds", "orphan_after_seconds"),
)


def _install(arguments: argparse.Namespace) -> int:
    from .kernelspec import KernelspecOptions, install, kernels_folder, update

    options = KernelspecOptions(
        name=arguments.name,
        display_name=arguments.display_name or "",
        language=arguments.language or "",
        interrupt_mode=arguments.interrupt_mode or "",
        argv=arguments.argv,
        kernel_name=arguments.kernel_name,
        config={**{name: getattr(arguments, name) for name in _PLAIN}, **_composed(arguments)},
        logos=arguments.logos,
    )
    if arguments.update:
        elsewhere = arguments.user or arguments.sys_prefix or arguments.prefix
        folder = kernels_folder(user=arguments.user, prefix=arguments.prefix) if elsewhere else None
        say(f"Updated kernelspec {arguments.name} in {update(options, folder)}")
        return 0
    folder = kernels_folder(user=arguments.user, prefix=arguments.prefix)
    say(f"Installed kernelspec {arguments.name} in {install(options, folder, replace=arguments.replace)}")
    return 0


def _composed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that are lists and mappings."""
    return {
        "env": _pairs("--env", arguments.env),
        "path_map": _pairs("--path-map", arguments.path_map),
        "node_selector": _pairs("--node-selector", arguments.node_selector),
        "env_allow": arguments.env_allow,
        "preload": arguments.preload,
        "image_pull_secrets": arguments.image_pull_secret,
        "volumes": [_json_or("--volume", text, _volume) for text in arguments.volume],
        "tolerations": [_json_or("--toleration", text, _toleration) for text in arguments.toleration],
    }


def _pairs(flag: str, given: Sequence[str]) -> dict[str, str]:
    try:
        return parse_pairs(given)
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {error}") from error


def _json_or(flag: str, text: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return parse(text)
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {text!r} is no JSON: {error}") from error


def _volume(text: str) -> dict[str, Any]:
    claim, _, rest = text.partition(":")
    path, _, mode = rest.partition(":")
    if not claim or not path.startswith("/") or not path.strip("/") or mode not in {"", "ro", "rw"}:
        raise ConfigurationError(f"--volume: {text!r} is not of the form CLAIM:/PATH or CLAIM:/PATH:ro")
    name = claim.replace(".", "-")[:63]
    volume = {"name": name, "mountPath": path, "persistentVolumeClaim": {"claimName": claim}}
    return {**volume, "readOnly": True} if mode == "ro" else volume


def _toleration(text: str) -> dict[str, Any]:
    taint, _, effect = text.partition(":")
    key, equals, value = taint.partition("=")
    toleration = {"key": key, "operator": "Equal", "value": value} if equals else {"key": key, "operator": "Exists"}
    return {**toleration, "effect": effect} if effect else toleration


def _list(_: argparse.Namespace) -> int:
    from .kernelspec import list_installed

    rows = [("NAME", "IMAGE", "DISPLAY NAME", "FOLDER")]
    rows += [(spec.name, spec.image or "(default)", spec.display_name, spec.folder) for spec in list_installed()]
    print_table(rows)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from .kernelspec import remove

    say(f"Removed {remove(arguments.name)}")
    return 0
