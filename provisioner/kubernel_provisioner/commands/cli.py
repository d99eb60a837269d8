"""``kubernel``: kernelspecs for kernels on the cluster, and help with them."""

from __future__ import annotations

import argparse
import asyncio
import errno
import io
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kubernel_provisioner.errors import KubernelError
from kubernel_provisioner.launch.kernel_resource import NOT_LOCAL_ARGV

from . import completion, events, install, kernels, logs
from .arguments import Commands, add_cluster, add_name, cluster_key, namespace_name, print_table, say
from .completion import complete

NOT_A_LOCAL_KERNEL = """\
This kernel runs on Kubernetes: a kernel provisioner starts it, and the program that ran this command ignores those.
In VS Code choose "Select Kernel", "Existing Jupyter Server", and give the address of a Jupyter server."""

# Where the chart's documentation installs the operator.
OPERATOR_NAMESPACE = "kubernel-system"
OPERATOR_NAMESPACE_VARIABLE = "KUBERNEL_OPERATOR_NAMESPACE"

EPILOG = "All of it is there as `kubectl kernel COMMAND`, too. `COMMAND --help` says more."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit status: 0, or 1 after an error, which is a few lines on standard error; 130 when it was interrupted.
    """
    parser = make_parser()
    complete(parser)
    arguments = parser.parse_args(argv)
    _prepare_streams()
    _prepare_home()
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except KubernelError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who reads has enough: ``kubernel ps | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries once more
        return 0
    except OSError as error:
        if error.filename is None and error.errno == errno.ENOSPC:  # ``kubernel ps > FILE``
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"The output cannot be written: {error.strerror}", file=sys.stderr)
            return 1
        if error.filename is None:
            raise
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return status


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started this has closed it: a daemon, or ``>&-``
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of any language, whatever a terminal can show


def _prepare_home() -> None:
    """An account of which the machine knows no more than a number may have none; Jupyter fails without."""
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - pathlib's raises a RuntimeError there
        os.environ["HOME"] = os.sep  # as container runtimes do


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    name = "kubectl kernel" if Path(sys.argv[0]).name == "kubectl-kernel" else "kubernel"
    parser = argparse.ArgumentParser(name, description="Jupyter kernels as Kubernetes pods.", epilog=EPILOG)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    install.add_commands(commands)
    _add_templates(commands)
    kernels.add_commands(commands)
    logs.add_commands(commands)
    events.add_commands(commands)
    _add_connect(commands)
    _add_console(commands)
    _add_resize(commands)
    _add_pause(commands)
    _add_check(commands)
    completion.add_commands(commands)
    not_local = commands.add_parser(NOT_LOCAL_ARGV[1])  # stands in kernel.json; whatever a client adds is fine
    not_local.add_argument("rest", nargs=argparse.REMAINDER)
    not_local.set_defaults(run=_not_a_local_kernel)
    return parser


def _add_templates(commands: Commands[argparse.ArgumentParser]) -> None:
    templates = commands.add_parser("templates", help="list the KernelTemplates that kernels can be made from")
    templates.add_argument(
        "--operator-namespace",
        type=namespace_name,
        help=f"default: {OPERATOR_NAMESPACE_VARIABLE}, or {OPERATOR_NAMESPACE}",
    )
    add_cluster(templates)
    templates.set_defaults(run=_templates)


def _add_connect(commands: Commands[argparse.ArgumentParser]) -> None:
    connect = commands.add_parser("connect", help="write a connection file for a running kernel")
    add_name(connect)
    connect.add_argument("--file", type=Path, help="where to; default: where Jupyter's clients look")
    connect.add_argument(
        "--access", choices=["auto", "direct", "port-forward"], help="default: KUBERNEL_ACCESS, or auto"
    )
    add_cluster(connect)
    connect.set_defaults(run=_connect)


def _add_console(commands: Commands[argparse.ArgumentParser]) -> None:
    console = commands.add_parser("console", help="jupyter console for a connection file, encrypted ones too")
    console.add_argument("file", metavar="FILE", help="as kubernel connect writes it")
    console.add_argument("options", nargs=argparse.REMAINDER, help="those of jupyter console")
    console.set_defaults(run=_console)


def _add_resize(commands: Commands[argparse.ArgumentParser]) -> None:
    resize = commands.add_parser("resize", help="give a running kernel more or less cpu and memory")
    add_name(resize)
    resize.add_argument("--cpu", help="CPU, e.g. 500m or 2")
    resize.add_argument("--memory", help="memory, e.g. 8Gi")
    resize.add_argument("--wait", action="store_true", help="until it is in force")
    resize.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="to wait; default: 60")
    add_cluster(resize)
    resize.set_defaults(run=_resize)


def _add_pause(commands: Commands[argparse.ArgumentParser]) -> None:
    for word, suspend, what in (
        ("pause", True, "stop a kernel's processes; they keep their memory"),
        ("resume", False, "let a paused kernel go on"),
    ):
        parser = commands.add_parser(word, help=what)
        add_name(parser)
        add_cluster(parser)
        parser.set_defaults(run=_pause, suspend=suspend)


def _add_check(commands: Commands[argparse.ArgumentParser]) -> None:
    check = commands.add_parser("check", help="check whether kernels can be started from here")
    check.add_argument("--start", action="store_true", help="start one, and delete it again")
    add_cluster(check)
    check.set_defaults(run=_check)


def _templates(arguments: argparse.Namespace) -> int:
    from .templates import list_templates

    given = arguments.operator_namespace or os.environ.get(OPERATOR_NAMESPACE_VARIABLE)
    namespace = given or OPERATOR_NAMESPACE
    found = asyncio.run(list_templates(cluster_key(arguments), namespace))
    if not found:
        say(f"There is no KernelTemplate in namespace {namespace}.")
        return 0
    rows = [("NAME", "READY", "IMAGE", "DESCRIPTION")]
    rows += [(each.name, each.ready or "?", each.image or "(default)", each.description) for each in found]
    print_table(rows)
    return 0


def _connect(arguments: argparse.Namespace) -> int:
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    from .connect import connect, default_path

    access = arguments.access or KubernetesProvisioner().access
    path = arguments.file or default_path(arguments.name)
    with suppress(KeyboardInterrupt):
        asyncio.run(connect(arguments.name, cluster_key(arguments), access, path, say))
    return 0


def _console(arguments: argparse.Namespace) -> int:
    from .console import console

    console(["--existing", arguments.file, *arguments.options])
    return 0


def _resize(arguments: argparse.Namespace) -> int:
    from .resize import resize

    seconds = arguments.timeout if arguments.wait else None
    asyncio.run(resize(arguments.name, cluster_key(arguments), arguments.cpu, arguments.memory, say, seconds))
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    from .pause import pause

    asyncio.run(pause(arguments.name, cluster_key(arguments), arguments.suspend, say))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    return asyncio.run(_print_findings(arguments))


async def _print_findings(arguments: argparse.Namespace) -> int:
    from .check import check

    failed = False
    async for finding in check(cluster_key(arguments)):
        failed = failed or finding.ok is False
        print(finding)
    if arguments.start and not failed:
        await _start_one(arguments)
    return 1 if failed else 0


async def _start_one(arguments: argparse.Namespace) -> None:
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    given = {name: getattr(arguments, name) for name in ("namespace", "kubeconfig", "context")}
    provisioner = KubernetesProvisioner(**{name: value for name, value in given.items() if value})
    began = time.monotonic()
    try:
        launch = await provisioner.pre_launch()
        await provisioner.launch_kernel(launch.pop("cmd"), **launch)
        print(f"ok   a kernel answered after {time.monotonic() - began:.1f} s")
    finally:
        await provisioner.cleanup()


def _not_a_local_kernel(_: argparse.Namespace) -> int:
    print(NOT_A_LOCAL_KERNEL, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
