from pathlib import Path

from cluster.layout import Layout
from cluster.native.leftovers import container_processes, mounts_below
from cluster.processes import Process

LAYOUT = Layout(repo=Path("/repo"), cache=Path("/cache"), state=Path("/state"))

MOUNTINFO = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:30 / /state2/other rw - tmpfs tmpfs rw
31 22 0:31 / /state/containerd/state/rootfs rw - overlay overlay rw
32 31 0:32 / /state/containerd/state/rootfs/inner rw - tmpfs tmpfs rw
33 22 0:33 / /state/kubelet/with\\040blank rw - tmpfs tmpfs rw
34 22 0:34 / /state rw - tmpfs tmpfs rw
"""


def test_mounts_are_ours_when_below_the_folder_and_the_innermost_comes_first() -> None:
    assert mounts_below(Path("/state"), MOUNTINFO) == [
        Path("/state/kubelet/with blank"),
        Path("/state/containerd/state/rootfs/inner"),
        Path("/state/containerd/state/rootfs"),
    ]


def test_containers_of_our_containerd_are_found_with_all_they_started() -> None:
    def process(pid: int, parent: int, *argv: str) -> Process:
        return Process(pid=pid, started=1, parent=parent, argv=argv)

    program = "/usr/bin/containerd-shim-runc-v2"
    ours = process(10, 1, program, "-namespace", "k8s.io", "-address", "/state/containerd.sock")
    foreign = process(20, 1, program, "-namespace", "moby", "-address", "/run/containerd/containerd.sock")
    reader = process(30, 1, "cat", "/state/containerd.sock")
    kernel = process(11, 10, "python3")
    child = process(12, 11, "sleep", "9")
    other = process(21, 20, "postgres")
    assert container_processes(LAYOUT, [foreign, other, reader, child, kernel, ours]) == [ours, kernel, child]
