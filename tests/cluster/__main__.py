"""The development cluster: `python3 tests/cluster up`. Standard library only, because it runs before pip does."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a folder, Python has put this folder on the path instead of its parent, where the package `cluster` is.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from cluster import browser, linux, tools  # noqa: E402
from cluster.choice import ClusterKind, detect  # noqa: E402
from cluster.clusters import Cluster, open_cluster  # noqa: E402
from cluster.engine import engine  # noqa: E402
from cluster.errors import ClusterError  # noqa: E402
from cluster.layout import Layout, find_layout  # noqa: E402

NATIVE_TOOLS = ("kubernetes", "etcd", "coredns", "helm")


def main() -> int:
    """Runs one command and returns the exit code."""
    arguments = parser().parse_args()
    try:
        layout = find_layout(os.environ)
        kind = detect(layout)
        if arguments.command == "tools":
            ensure_tools(kind, layout, arguments.name)
        elif arguments.command == "engine":
            engine.run_inside(layout, arguments.words or ["docker", "info"])
        elif arguments.command == "linux":
            linux.run_inside(layout, arguments.words or ["uname", "-a"])
        elif arguments.command == "engine-down":
            engine.down(layout)
        else:
            run_command(open_cluster(kind, layout), arguments)
    except ClusterError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; run it again to go on, or `down` to clean up.", file=sys.stderr)
        return 130  # as a shell reports SIGINT
    return 0


def run_command(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """Calls the cluster's method for the command."""
    match arguments.command:
        case "up":
            cluster.up()
        case "down":
            cluster.down()
        case "kubeconfig":
            print(cluster.kubeconfig)
        case "audit-log":
            print(cluster.audit_log)
        case "status":
            print(cluster.status())
        case "images":
            cluster.images(arguments.name)
        case "load":
            cluster.load(arguments.image)
        case "stop":
            cluster.stop(arguments.component)
        case "start":
            cluster.start(arguments.component)
        case "restart-apiserver":
            cluster.stop("apiserver")
            cluster.start("apiserver")


def ensure_tools(kind: ClusterKind, layout: Layout, names: Sequence[str]) -> None:
    """Builds the named programs; without names what this kind of cluster and its tests need and is not here."""
    if names:
        tools.ensure(layout.bin, names)
    elif kind is ClusterKind.NATIVE:
        tools.ensure(layout.bin, NATIVE_TOOLS)
    else:
        for name in ("kubectl", "helm"):
            tools.require(layout, name)
    if not names:
        browser.ensure()


def parser() -> argparse.ArgumentParser:
    """Returns the command line's grammar."""
    result = argparse.ArgumentParser(prog="python3 tests/cluster", description="The development cluster.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the cluster, or what is missing of it")
    commands.add_parser("down", help="end the cluster and forget what was in it")
    commands.add_parser("kubeconfig", help="print the kubeconfig's path")
    commands.add_parser("audit-log", help="print the path of the API server's audit log")
    commands.add_parser("status", help="show what runs")
    commands.add_parser("restart-apiserver", help="stop and start the API server")
    tool_names = [build.name for build in tools.builds()]
    tools_command = commands.add_parser("tools", help="build the programs that are missing")
    tools_command.add_argument("name", nargs="*", metavar="NAME", help=", ".join(tool_names))
    images_command = commands.add_parser("images", help="build the project's images and load them")
    images_command.add_argument("name", nargs="*", metavar="NAME")
    load_command = commands.add_parser("load", help="load images or docker-archives (*.tar) into the cluster")
    load_command.add_argument("image", nargs="+", metavar="IMAGE")
    engine_command = commands.add_parser(
        "engine", help="run a command where a Docker engine answers; one is made when none does"
    )
    engine_command.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    linux_command = commands.add_parser(
        "linux", help="run a command on a Linux with cgroup v2; one is made when this machine has version 1"
    )
    linux_command.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("engine-down", help="end the Docker engine that was made here")
    for command, text in (("stop", "end a component, as a fault would"), ("start", "start a component again")):
        commands.add_parser(command, help=text).add_argument("component", metavar="COMPONENT")
    return result


if __name__ == "__main__":
    sys.exit(main())
