"""What the supervisor costs: from the start of a container's process to the kernel's first instruction.

    python bench/supervisor_start.py [--runs 40] [--python /usr/bin/python3]

Each run starts the same tiny program, which writes into a FIFO, in three ways: directly, as
``python3 -I -S -c pass`` before it (what any Python launcher costs at least), and under the supervisor through the real
shell line. The ways alternate, so a busy machine is busy for all of them. The last line is the ratio that counts in a
cold start: with the supervisor, against the bare Python.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kubernel_supervisor.bootstrap import bootstrap_args, bootstrap_script
from kubernel_supervisor.bundle import supervisor_source

#: Not its output: that passes through the supervisor, which takes it up only when the kernel runs.
KERNEL = ["sh", "-c", "echo started > $FIFO"]


def milliseconds_until_started(argv: list[str], env: dict[str, str]) -> float:
    """From ``fork`` to the first byte that the kernel writes."""
    began = time.perf_counter()
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as process:
        with Path(env["FIFO"]).open("rb") as fifo:
            fifo.read(1)
        took = (time.perf_counter() - began) * 1000
    if process.returncode != 0:
        raise SystemExit(f"{argv[:3]} did not run the kernel: exit code {process.returncode}")
    return took


def environment(folder: str, python: str) -> dict[str, str]:
    """A container's environment: ports are named, and nobody listens on them."""
    config = {
        "secret": "ns/secret",
        "pod": "pod",
        "callbackURL": "",
        "kernelName": "",
        "ports": "18881 18882 18883 18884 18885",
        "controlPort": 0,
        "connectionFile": f"{folder}/kubernel/connection.json",
        "restartGraceSeconds": 0,
        "idleTimeoutSeconds": "",
        "restartGeneration": 0,
        "fork": "Never",
        "preload": "",
    }
    Path(folder, "python3").symlink_to(python)
    os.mkfifo(f"{folder}/fifo")
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": folder,
        "FIFO": f"{folder}/fifo",
        "KUBERNEL_KEY": "0" * 64,
        "KUBERNEL_TOKEN": "0" * 64,
        "KUBERNEL_POD_IPS": "127.0.0.1",
        "KUBERNEL_BOOTSTRAP": bootstrap_script(supervisor_source()),
        "KUBERNEL_SUPERVISOR": supervisor_source(),
        "KUBERNEL_CONFIG": "".join(f"{name}={value}\n" for name, value in config.items()),
    }


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--runs", type=int, default=40)
    arguments.add_argument("--python", default=str(Path(sys.executable).resolve()), help="the image's python3")
    options = arguments.parse_args()
    sh = shutil.which("sh") or "/bin/sh"
    with tempfile.TemporaryDirectory() as folder:
        env = environment(folder, options.python)
        bare_python = f"import os; os.execvp('sh', {KERNEL})"
        ways = {
            "directly": KERNEL,
            "after a bare python3 -I -S": [sh, "-c", 'exec python3 -I -S -c "$0"', bare_python],
            "under the supervisor": [sh, *bootstrap_args(KERNEL)[1:]],
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for run in range(options.runs + 1):  # the first one warms the caches
            for name, argv in ways.items():
                took = milliseconds_until_started(argv, env)
                if run:
                    times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:28} median {medians[name]:6.1f} ms  (min {min(values):.1f}, max {max(values):.1f})")
    direct, bare, supervised = medians.values()
    print(f"the supervisor adds {supervised - bare:.1f} ms to a bare Python, {supervised - direct:.1f} ms in all")
    print(f"ratio to a bare Python: {supervised / bare:.2f}")


if __name__ == "__main__":
    main()
