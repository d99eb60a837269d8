from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.layout import find_layout


@pytest.mark.parametrize(
    ("environ", "cache", "state"),
    [
        pytest.param({"HOME": "/h"}, "/h/.cache/kubernel", "/h/.local/state/kubernel-cluster", id="home"),
        pytest.param(
            {"HOME": "/h", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"},
            "/c/kubernel",
            "/s/kubernel-cluster",
            id="XDG variables",
        ),
        pytest.param(
            {"HOME": "/h", "XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""},
            "/h/.cache/kubernel",
            "/h/.local/state/kubernel-cluster",
            id="an empty variable is an unset one",
        ),
    ],
)
def test_folders_follow_the_xdg_rules(environ: dict[str, str], cache: str, state: str) -> None:
    layout = find_layout(environ)
    assert (layout.cache, layout.state) == (Path(cache), Path(state))


def test_the_checkout_is_found_from_the_source() -> None:
    assert (find_layout({}).repo / "tests" / "cluster" / "layout.py").is_file()


@pytest.mark.parametrize(("said", "is_dual"), [("", False), ("IPv4", False), ("IPv4,IPv6", True)])
def test_families_of_addresses(said: str, is_dual: bool) -> None:
    assert find_layout({"KUBERNEL_IP_FAMILIES": said}).is_dual is is_dual


@pytest.mark.parametrize("said", ["IPv6", "IPv6,IPv4", "dual"])
def test_families_that_the_cluster_cannot_have(said: str) -> None:
    with pytest.raises(ClusterError, match=f"KUBERNEL_IP_FAMILIES={said}: this cluster can be IPv4 or IPv4,IPv6"):
        find_layout({"KUBERNEL_IP_FAMILIES": said})
