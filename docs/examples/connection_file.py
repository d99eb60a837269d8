"""A kernel behind a connection file: a process launched by hand, or a kernel on the cluster.

python connection_file.py            # write_connection_file and launch_kernel: always a process of this machine
python connection_file.py NAME       # a KernelInstance that runs; `kubernel connect` writes the file
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.launcher import launch_kernel

WHO = "import getpass; print('hello from a kernel of', getpass.getuser())"


@contextmanager
def local_process(connection_file: str) -> Iterator[None]:
    """A kernel process that reads its ports and key from the file."""
    write_connection_file(connection_file)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", connection_file]
    process = launch_kernel(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        print("launched:", type(process).__name__)
        yield
    finally:
        process.terminate()
        print("exit code:", process.wait())


@contextmanager
def kernel_instance(name: str, connection_file: str) -> Iterator[None]:
    """A kernel that somebody has applied with kubectl, and that goes on without us."""
    subprocess.run(["kubernel", "connect", name, "--file", connection_file], check=True, stdout=subprocess.DEVNULL)
    print("connected:", name)
    yield


def execute(connection_file: str, code: str) -> None:
    """Runs a cell in whatever kernel the file describes."""
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels(hb=False)  # a client without a manager takes a busy kernel that misses a heartbeat for dead
    client.wait_for_ready(timeout=60)
    client.execute_interactive(code, timeout=60)
    client.stop_channels()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        connection_file = str(Path(folder) / "kernel.json")
        with kernel_instance(sys.argv[1], connection_file) if sys.argv[1:] else local_process(connection_file):
            execute(connection_file, WHO)


if __name__ == "__main__":
    main()
