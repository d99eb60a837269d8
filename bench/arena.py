"""What benchmarks share: the development cluster, this checkout's operator, a namespace of their own, their options."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What tests use to get a cluster and an operator serves here too.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fixtures.cluster import KERNEL_IMAGE, cluster_command, program
from fixtures.kubectl import Kubectl
from fixtures.operator_release import install, is_installed, made_from


def parser_of_rounds(prog: str, description: str | None, rounds: int) -> argparse.ArgumentParser:
    """One that knows ``--rounds`` and ``--image``.

    Args:
        prog: what the command is called.
        description: what it measures.
        rounds: how many rounds there are when nobody says.
    """
    made = argparse.ArgumentParser(prog=prog, description=description)
    made.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds (default {rounds})")
    made.add_argument("--image", default=KERNEL_IMAGE, help="image with ipykernel, numpy and pandas")
    return made


@contextmanager
def bench_namespace(prefix: str = "bench") -> Iterator[tuple[str, Path | None]]:
    """A fresh namespace, and the API server's audit log where the cluster has one."""
    kubectl = Kubectl(program("kubectl"), Path(cluster_command("kubeconfig")))
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    digest = made_from()
    if not is_installed(kubectl, digest):
        print("installing this checkout's operator", file=sys.stderr)
        install(kubectl, digest)
    namespace = f"{prefix}-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    try:
        yield namespace, _audit_log()
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def _audit_log() -> Path | None:
    try:
        return Path(cluster_command("audit-log"))
    except RuntimeError:
        return None
