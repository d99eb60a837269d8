"""What the commands have in common: which cluster they are about, and how they print."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from kubernel_cluster.login import ClusterKey

Commands = argparse._SubParsersAction
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


def object_name(text: str) -> str:
    """A name as Kubernetes has them, for argparse; any other text would lead to another path on the API server."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be the name of an object")
    return text


def namespace_name(text: str) -> str:
    """A namespace, for argparse; empty for the default, as kubectl has it."""
    return object_name(text) if text else ""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """``-n``, ``--context`` and ``--kubeconfig``, as kubectl has them."""
    words = "default: KUBERNEL_NAMESPACE, or the kubeconfig context's"
    parser.add_argument("-n", "--namespace", type=namespace_name, help=words)
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: as kubectl finds it")
    parser.add_argument("--context", help="context in the kubeconfig; default: its current one")


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """``-o``, as kubectl has it."""
    parser.add_argument("-o", "--output", choices=formats, help="default: a table")


def add_name(parser: argparse.ArgumentParser, **options: Any) -> argparse.Action:
    """The name of a KernelInstance."""
    from .completion import kernel_names

    words = {"help": "name of the kernel, as kubernel ps lists it", "type": object_name, **options}
    return completed(parser.add_argument("name", metavar="NAME", **words), kernel_names)


def completed(action: argparse.Action, completer: Callable[..., list[str]]) -> argparse.Action:
    """An argument for which a shell is offered names."""
    action.completer = completer  # type: ignore[attr-defined]
    return action


def cluster_key(arguments: argparse.Namespace) -> ClusterKey:
    """The cluster that the command line names, else the one that the provisioner would use."""
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    default = KubernetesProvisioner()
    return ClusterKey(
        arguments.kubeconfig or default.kubeconfig,
        arguments.context or default.context,
        arguments.namespace or default.namespace,
    )


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows, the first of which are the headings, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("   ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def print_list(items: Sequence[dict[str, Any]]) -> None:
    """Prints objects as ``kubectl get -o json`` does."""
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}, indent=2, ensure_ascii=False))


def age(seconds: float) -> str:
    """As kubectl writes it: 40s, 5m, 3h, 2d."""
    for unit, size, most in (("s", 1, 120), ("m", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < most:
            return f"{max(0, int(seconds / size))}{unit}"
    return f"{int(seconds / 86400)}d"
