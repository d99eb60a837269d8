from pathlib import Path

import pytest

from cluster.current import CurrentCluster, find_kubeconfig
from cluster.errors import ClusterError
from cluster.layout import Layout

LAYOUT = Layout(repo=Path("/repo"), cache=Path("/cache"), state=Path("/state"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"KUBECONFIG": "/a"}, Path("/a")),
        ({"KUBECONFIG": "/a:/b"}, Path("/a")),
        ({}, Path("~/.kube/config").expanduser()),
    ],
)
def test_the_kubeconfig_in_use(environ: dict[str, str], expected: Path) -> None:
    assert find_kubeconfig(environ) == expected


def test_somebody_elses_cluster_is_not_broken_on_purpose() -> None:
    with pytest.raises(ClusterError, match="may serve others, so its apiserver is not stopped"):
        CurrentCluster(LAYOUT).stop("apiserver")
