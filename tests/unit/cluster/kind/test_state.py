import json
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.kind import state
from cluster.kind.state import Node, Stamp, Step
from cluster.versions import KIND, KIND_NODE_IMAGE

WANTED = "digest"
FINISHED = Stamp("c0ffee", WANTED)


def node(status: str = "running", folder: str = "/state/kind/node") -> Node:
    return Node("c0ffee", status, folder, "172.18.0.2")


@pytest.mark.parametrize(
    ("found", "stamp", "expected", "why"),
    [
        pytest.param(None, None, Step.CREATE, "", id="nothing there"),
        pytest.param(None, FINISHED, Step.CREATE, "", id="deleted behind our back"),
        pytest.param(node(), FINISHED, Step.KEEP, "", id="whole and running"),
        pytest.param(node("exited"), FINISHED, Step.START, "", id="the machine was restarted"),
        pytest.param(node("created"), FINISHED, Step.START, "", id="never ran since"),
        pytest.param(node("paused"), FINISHED, Step.UNPAUSE, "", id="paused, which docker start refuses"),
        pytest.param(node(), None, Step.REMAKE, "never finished", id="Ctrl-C while it was made"),
        pytest.param(node(), Stamp("01d", WANTED), Step.REMAKE, "never finished", id="Ctrl-C while it was remade"),
        pytest.param(node(), Stamp("c0ffee", "older"), Step.REMAKE, "another one now", id="a new node image"),
    ],
)
def test_what_up_does(found: Node | None, stamp: Stamp | None, expected: Step, why: str) -> None:
    step, reason = state.decide(found, stamp, WANTED)
    assert step is expected
    assert why in reason
    assert bool(reason) == (step is Step.REMAKE)


def test_whatever_a_cluster_is_made_from_makes_another_one() -> None:
    digests = {
        state.made_from("a", "b"),
        state.made_from("ab", ""),
        state.made_from("a", "c"),
        state.made_from("b", "a"),
    }
    assert len(digests) == 4


def test_a_stamp_survives_its_file_and_a_broken_file_is_none() -> None:
    assert state.parse_stamp(state.format_stamp(FINISHED)) == FINISHED
    for text in ("", "{", "[]", '{"node": "c0ffee"}', '{"other": 1}'):
        assert state.parse_stamp(text) is None


# As `docker inspect` prints it, less what nobody reads.
INSPECTED: dict[str, Any] = {
    "Id": "c0ffee",
    "State": {"Status": "running"},
    "Mounts": [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/1/_data", "Destination": "/var"},
        {"Type": "bind", "Source": "/state/kind/node", "Destination": "/kubernel"},
    ],
    "NetworkSettings": {"Networks": {"kind": {"IPAddress": "172.18.0.2"}}},
}


def test_the_container_is_read() -> None:
    assert state.parse_node(json.dumps([INSPECTED])) == node()
    assert state.parse_node("[]") is None
    stopped = {**INSPECTED, "State": {"Status": "exited"}, "NetworkSettings": {"Networks": {"kind": {"IPAddress": ""}}}}
    assert state.parse_node(json.dumps([stopped])) == Node("c0ffee", "exited", "/state/kind/node", "")


@pytest.mark.parametrize("folder", ["/state/kind/node", "/host_mnt/state/kind/node", ""])
def test_our_cluster_is_ours(folder: str) -> None:
    state.require_ours(node(folder=folder), Path("/state/kind/node"))


def test_a_cluster_of_somebody_else_is_left_alone() -> None:
    with pytest.raises(ClusterError, match="/home/she/state/kind/node"):
        state.require_ours(node(folder="/home/she/state/kind/node"), Path("/home/he/state/kind/node"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("kind v0.33.0 go1.26.1 linux/amd64", True),
        ("kind v0.100.1 go1.30.0 linux/amd64", True),
        ("kind v1.0.0-alpha+0123456789abcd go1.30.0 darwin/arm64", True),
        ("kind v0.9.0 go1.15.2 linux/amd64", False),
        ("kind v0.32.0 go1.25.0 linux/amd64", False),
        ("kind (unknown) go1.25.0", False),
        ("", False),
    ],
)
def test_a_kind_that_is_too_old_for_the_node_image_is_not_used(said: str, expected: bool) -> None:
    assert state.is_supported(said, "v0.33.0") is expected


def test_the_node_image_is_pinned_by_its_digest() -> None:
    assert "@sha256:" in KIND_NODE_IMAGE
    assert state.is_supported(f"kind {KIND}", "v0.33.0")


def test_a_machine_may_have_a_node_image_of_its_own() -> None:
    assert state.node_image({}, "pinned") == "pinned"
    assert state.node_image({"KUBERNEL_KIND_NODE_IMAGE": "mirror/node:1"}, "pinned") == "mirror/node:1"
