import json
import tomllib
from pathlib import Path

import yaml

from cluster.layout import Layout
from cluster.native import configuration

LAYOUT = Layout(repo=Path("/repo"), cache=Path("/cache"), state=Path("/state"))


def test_containerd_keeps_everything_in_the_state_folder() -> None:
    config = tomllib.loads(configuration.containerd(LAYOUT))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert config["root"] == "/state/containerd/root"
    assert config["state"] == "/state/containerd/state"
    assert config["grpc"]["address"] == "/state/containerd.sock"
    assert cri["netns_mounts_under_state_dir"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["Root"] == "/state/containerd/runc"


def test_the_kubelet_keeps_the_timings_that_benchmarks_depend_on() -> None:
    kubelet = json.loads(configuration.kubelet(LAYOUT))
    timings = {"syncFrequency", "nodeStatusUpdateFrequency", "fileCheckFrequency", "eventRecordQPS", "kubeAPIQPS"}
    assert not timings & set(kubelet)


def test_a_kubeconfig_carries_its_certificates(tmp_path: Path) -> None:
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / name).write_text(name)
    document = yaml.safe_load(configuration.kubeconfig(tmp_path, "admin"))
    assert document["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:6443",
        "certificate-authority-data": "Y2EuY3J0",
    }
    assert document["users"][0]["user"] == {
        "client-certificate-data": "YWRtaW4uY3J0",
        "client-key-data": "YWRtaW4ua2V5",
    }
    assert document["current-context"] == document["contexts"][0]["name"]
