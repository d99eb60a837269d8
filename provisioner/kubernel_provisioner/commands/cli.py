"""``kubernel``: kernelspecs for kernels on the cluster, and help with them."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.errors import KubernelError
from kubernel_provisioner.launch.kernel_resource import NOT_LOCAL_ARGV
from kubernel_provisioner.options import parse_pairs

NOT_A_LOCAL_KERNEL = """\
This kernel runs on Kubernetes: a kernel provisioner starts it, and the program that ran this command ignores those.
In VS Code choose "Select Kernel", "Existing Jupyter Server", and give the address of a Jupyter server."""

# Where the chart's documentation installs the operator.
OPERATOR_NAMESPACE = "kubernel-system"
OPERATOR_NAMESPACE_VARIABLE = "KUBERNEL_OPERATOR_NAMESPACE"

# Options of ``install`` that are options of the provisioner as they stand.
_PLAIN_OPTIONS = ("template_name", "image", "cpu", "memory", "memory_max", "gpu", "namespace", "service", "working_dir")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit status: 0, or 1 after an error, which is 2-3 lines on standard error.
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KubernelError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("kubernel", description="Jupyter kernels as Kubernetes pods.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_install(commands)
    templates = commands.add_parser("templates", help="list the KernelTemplates that kernels can be made from")
    templates.add_argument(
        "--operator-namespace", help=f"default: {OPERATOR_NAMESPACE_VARIABLE}, or {OPERATOR_NAMESPACE}"
    )
    _add_cluster(templates)
    templates.set_defaults(run=_templates)
    listing = commands.add_parser("list", help="list the kernelspecs whose kernels run on the cluster")
    listing.set_defaults(run=_list)
    remove = commands.add_parser("remove", help="remove a kernelspec")
    remove.add_argument("name")
    remove.set_defaults(run=_remove)
    connect = commands.add_parser("connect", help="write a connection file for a running kernel")
    connect.add_argument("name", help="name of the KernelInstance")
    connect.add_argument("--file", type=Path, help="where to; default: where Jupyter's clients look")
    connect.add_argument(
        "--access", choices=["auto", "direct", "port-forward"], help="default: KUBERNEL_ACCESS, or auto"
    )
    _add_cluster(connect)
    connect.set_defaults(run=_connect)
    _add_resize(commands)
    check = commands.add_parser("check", help="check whether kernels can be started from here")
    check.add_argument("--start", action="store_true", help="start one, and delete it again")
    _add_cluster(check)
    check.set_defaults(run=_check)
    not_local = commands.add_parser(NOT_LOCAL_ARGV[1])  # stands in kernel.json; whatever a client adds is fine
    not_local.add_argument("rest", nargs=argparse.REMAINDER)
    not_local.set_defaults(run=_not_a_local_kernel)
    return parser


def _add_install(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    install = commands.add_parser("install", help="install a kernelspec whose kernels run on the cluster")
    install.add_argument("--name", required=True, help="name of the kernelspec")
    install.add_argument("--display-name", default="", help="what people see")
    install.add_argument("--template", dest="template_name", metavar="NAME", help="KernelTemplate of the kernels")
    install.add_argument("--image", help="container image; default: the operator's")
    install.add_argument("--cpu", help="CPU, e.g. 500m or 2")
    install.add_argument("--memory", help="memory, e.g. 2Gi")
    install.add_argument("--memory-max", help="how far memory may grow by itself, e.g. 8Gi")
    install.add_argument("--gpu", help="number of nvidia.com/gpu")
    install.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the kernel; repeatable")
    install.add_argument("--namespace", help="namespace of the kernels")
    install.add_argument(
        "--service", choices=["ClusterIP", "None", "Headless"], help="None: faster, the address may change"
    )
    install.add_argument("--working-dir", help="working directory in the pod")
    install.add_argument("--language", default="python", help="language of the kernel")
    install.add_argument("--interrupt-mode", default="", choices=["message", "signal"], help="default: by language")
    install.add_argument("--kernel-name", help="start this kernelspec inside the image")
    install.add_argument("--argv", nargs=argparse.REMAINDER, default=[], help="command in the pod; must come last")
    place = install.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="install for this user")
    place.add_argument("--sys-prefix", action="store_true", help="install in this Python's environment (the default)")
    place.add_argument("--prefix", help="install under this folder")
    install.add_argument("--replace", action="store_true", help="replace one of that name")
    install.set_defaults(run=_install)


def _add_resize(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    resize = commands.add_parser("resize", help="give a running kernel more or less cpu and memory")
    resize.add_argument("name", help="name of the KernelInstance")
    resize.add_argument("--cpu", help="CPU, e.g. 500m or 2")
    resize.add_argument("--memory", help="memory, e.g. 8Gi")
    resize.add_argument("--wait", action="store_true", help="until it is in force")
    resize.add_argument("--timeout", type=float, default=60.0, help="seconds to wait; default: 60")
    _add_cluster(resize)
    resize.set_defaults(run=_resize)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", help="default: as the provisioner finds it")
    parser.add_argument("--kubeconfig", help="default: as kubectl finds it")
    parser.add_argument("--context", help="context in the kubeconfig")


def _install(arguments: argparse.Namespace) -> int:
    from .kernelspec import KernelspecOptions, install, kernels_folder

    try:
        env = parse_pairs(arguments.env)
    except ValueError as error:
        print(f"--env: {error}", file=sys.stderr)
        return 1
    options = KernelspecOptions(
        name=arguments.name,
        display_name=arguments.display_name,
        language=arguments.language,
        interrupt_mode=arguments.interrupt_mode,
        argv=arguments.argv,
        kernel_name=arguments.kernel_name,
        config={**{name: getattr(arguments, name) for name in _PLAIN_OPTIONS}, "env": env},
    )
    folder = kernels_folder(user=arguments.user, prefix=arguments.prefix)
    print(f"Installed kernelspec {arguments.name} in {install(options, folder, replace=arguments.replace)}")
    return 0


def _list(_: argparse.Namespace) -> int:
    from .kernelspec import list_installed

    rows = [("NAME", "IMAGE", "DISPLAY NAME", "FOLDER")]
    rows += [(spec.name, spec.image or "(default)", spec.display_name, spec.folder) for spec in list_installed()]
    _print_table(rows)
    return 0


def _templates(arguments: argparse.Namespace) -> int:
    from .templates import list_templates

    given = arguments.operator_namespace or os.environ.get(OPERATOR_NAMESPACE_VARIABLE)
    namespace = given or OPERATOR_NAMESPACE
    found = asyncio.run(list_templates(_key(arguments), namespace))
    if not found:
        print(f"There is no KernelTemplate in namespace {namespace}.")
        return 0
    rows = [("NAME", "READY", "IMAGE", "DESCRIPTION")]
    rows += [(each.name, each.ready or "?", each.image or "(default)", each.description) for each in found]
    _print_table(rows)
    return 0


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("   ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def _remove(arguments: argparse.Namespace) -> int:
    from .kernelspec import remove

    print(f"Removed {remove(arguments.name)}")
    return 0


def _connect(arguments: argparse.Namespace) -> int:
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    from .connect import connect, default_path

    access = arguments.access or KubernetesProvisioner().access
    path = arguments.file or default_path(arguments.name)
    with suppress(KeyboardInterrupt):
        asyncio.run(connect(arguments.name, _key(arguments), access, path, _say))
    return 0


def _resize(arguments: argparse.Namespace) -> int:
    from .resize import resize

    seconds = arguments.timeout if arguments.wait else None
    asyncio.run(resize(arguments.name, _key(arguments), arguments.cpu, arguments.memory, _say, seconds))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _check(arguments: argparse.Namespace) -> int:
    return asyncio.run(_print_findings(arguments))


async def _print_findings(arguments: argparse.Namespace) -> int:
    from .check import check

    failed = False
    async for finding in check(_key(arguments)):
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


def _key(arguments: argparse.Namespace) -> ClusterKey:
    """The cluster that the command line names, else the one that the provisioner would use."""
    from kubernel_provisioner.provisioner import KubernetesProvisioner

    default = KubernetesProvisioner()
    return ClusterKey(
        arguments.kubeconfig or default.kubeconfig,
        arguments.context or default.context,
        arguments.namespace or default.namespace,
    )


def _not_a_local_kernel(_: argparse.Namespace) -> int:
    print(NOT_A_LOCAL_KERNEL, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
