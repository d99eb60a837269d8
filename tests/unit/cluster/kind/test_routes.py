import pytest

from cluster.kind import routes
from cluster.kind.routes import Route, Verdict

NODE = "172.18.0.2"
BRIDGE = Route("br-1234", "")
OURS = Route("br-1234", NODE)
EARLIER = Route("br-1234", "172.18.0.9")
VPN = Route("tun0", "10.8.0.1")


@pytest.mark.parametrize(
    ("to_node", "present", "is_root", "expected"),
    [
        pytest.param(BRIDGE, [None, None], True, Verdict.ADD, id="root on Linux"),
        pytest.param(BRIDGE, [None, None], False, Verdict.ASK, id="a user on Linux is told the commands"),
        pytest.param(BRIDGE, [OURS, OURS], False, Verdict.PRESENT, id="somebody added them"),
        pytest.param(BRIDGE, [OURS, None], True, Verdict.ADD, id="one of the two is missing"),
        pytest.param(BRIDGE, [EARLIER, EARLIER], True, Verdict.ADD, id="the node has another address now"),
        pytest.param(BRIDGE, [VPN, None], True, Verdict.TAKEN, id="a VPN has the range"),
        pytest.param(None, [None, None], False, Verdict.IMPOSSIBLE, id="macOS"),
        pytest.param(Route("eth0", "192.0.2.1"), [None, None], True, Verdict.IMPOSSIBLE, id="a remote engine"),
    ],
)
def test_verdict(to_node: Route | None, present: list[Route | None], is_root: bool, expected: Verdict) -> None:
    assert routes.decide(to_node, present, NODE, is_root=is_root) is expected


def test_a_user_is_told_one_command_for_each_range() -> None:
    said = routes.sentence(Verdict.ASK, NODE)
    assert said is not None
    commands = [line.strip() for line in said.splitlines() if "sudo" in line]
    assert commands == [f"sudo ip route replace {cidr} via {NODE}" for cidr in routes.CIDRS]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_where_there_are_no_routes_the_consequence_is_said(verdict: Verdict) -> None:
    said = routes.sentence(verdict, NODE)
    if verdict in {Verdict.ADD, Verdict.PRESENT}:
        assert said is None
    else:
        assert said is not None
        assert "through the API server" in said


def test_a_listing_of_ip_is_read() -> None:
    assert routes.parse("") is None
    assert routes.parse("[]") is None
    assert routes.parse('[{"dst":"172.18.0.2","dev":"br-1234","prefsrc":"172.18.0.1","flags":[],"uid":0}]') == BRIDGE
    assert routes.parse('[{"dst":"10.245.0.0/16","gateway":"172.18.0.2","dev":"br-1234","flags":[]}]') == OURS
