import subprocess
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.kind import node

JOURNAL = """\
Nov 25 13:00:00 node systemd[1]: Started kubelet.service.
Nov 25 13:00:01 node kubelet: I1125 13:00:01.000000     321 server.go:1] "Kubelet version"
Nov 25 13:00:02 node kubelet: E1125 13:00:02.345678     321 pods.go:1] "Error syncing pod" err="OOM" pod="01234567-89ab"
Nov 25 13:00:03 node containerd[99]: time="2026-11-25T13:00:03Z" level=error msg="RunPodSandbox failed"
Nov 25 13:00:09 node kubelet: E1125 13:00:09.345678     321 pods.go:1] "Error syncing pod" err="OOM" pod="aaaaaaaa-89ab"
"""


def test_the_kubelets_complaints_are_shown_once_each_the_newest_last() -> None:
    said = node.complaints(JOURNAL).splitlines()
    assert len(said) == 2
    assert "RunPodSandbox failed" in said[0]
    assert said[1].startswith('pods.go:1] "Error syncing pod"')
    assert "aaaaaaaa" in said[1]


def test_a_journal_without_complaints_shows_its_end() -> None:
    assert node.complaints("one\ntwo\n") == "one\ntwo"


def test_only_so_many_complaints_are_shown() -> None:
    journal = "\n".join(f'E1125 13:00:02.345678     321 x.go:1] "{chr(97 + number)} failed"' for number in range(20))
    said = node.complaints(journal, lines=3).splitlines()
    assert said == [f'x.go:1] "{letter} failed"' for letter in "rst"]


def test_a_component_that_kind_cannot_stop_is_refused() -> None:
    with pytest.raises(ClusterError, match="kind cannot stop or start coredns; use one of: etcd, apiserver"):
        node.component("coredns")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's folders and programs: pkill notes what it is asked, crictl lists the sandboxes in a file."""
    for name, line in {"pkill": f'echo "$*" >> {tmp_path}/killed; false', "crictl": f"cat {tmp_path}/ready"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "kube-controller-manager.yaml").touch()
    (tmp_path / "ready").write_text("0123\n")
    monkeypatch.setattr(node, "MANIFESTS", str(tmp_path / "manifests"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def shell(line: str, folder: Path) -> int:
    return subprocess.run(["sh", "-c", line.replace("/etc/kubernetes/", f"{folder}/")], check=False).returncode


def test_a_static_pod_is_killed_until_the_kubelet_has_given_it_up(machine: Path) -> None:
    component = node.component("controller-manager")
    assert shell(component.stop, machine) != 0
    assert not (machine / "manifests" / "kube-controller-manager.yaml").exists()
    assert (machine / "killed").read_text() == "-KILL -x kube-controller\n"  # Linux knows 15 letters of a name
    (machine / "ready").write_text("")
    assert shell(component.stop, machine) == 0
    assert shell(component.start, machine) == 0
    assert (machine / "manifests" / "kube-controller-manager.yaml").exists()
    assert shell(component.start, machine) == 0
