import pytest

from cluster.native.ports import Listener, parse_listeners, taken, taken_message
from cluster.processes import Endpoint, Process

# As /proc/net/tcp has them: a listener on 127.0.0.1:6443, one on any address, and a connection, which is no listener.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0
   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1002 1 0000000000000000 100 0
   2: 0100007F:192B 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1003 1 0000000000000000 100 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retr
   0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7
   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 8
"""


def test_listeners_are_read_from_proc() -> None:
    assert parse_listeners(TCP) == [Listener("127.0.0.1", 6443, "1001"), Listener("0.0.0.0", 2024, "1002")]


def test_ipv6_listeners_are_read_from_proc() -> None:
    listeners = parse_listeners(TCP6)
    assert [(listener.address, listener.port) for listener in listeners] == [("::", 6443), ("::1", 53)]


@pytest.mark.parametrize(
    ("wanted", "present", "expected"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", True, id="same address"),
        pytest.param("127.0.0.1", "0.0.0.0", True, id="somebody has all"),
        pytest.param("127.0.0.1", "::", True, id="somebody has all, IPv6 included"),
        pytest.param("0.0.0.0", "192.0.2.7", True, id="we want all"),
        pytest.param("10.244.0.1", "127.0.0.1", False, id="another address"),
        pytest.param("0.0.0.0", "::1", False, id="IPv6 loopback is in nobody's way"),
    ],
)
def test_a_port_is_taken_when_addresses_overlap(wanted: str, present: str, expected: bool) -> None:
    listener = Listener(present, 6443, "1")
    assert (taken(Endpoint(wanted, 6443), [listener]) is listener) is expected


def test_another_port_is_not_taken() -> None:
    assert taken(Endpoint("0.0.0.0", 6443), [Listener("0.0.0.0", 6444, "1")]) is None


def test_the_message_names_port_process_and_way_out() -> None:
    holder = Process(pid=4711, started=1, parent=1, argv=("nginx", "-g", "daemon off;"))
    assert taken_message("apiserver", Endpoint("0.0.0.0", 6443), holder) == (
        "apiserver needs port 6443, which is taken by nginx -g daemon off; (pid 4711).\n"
        "End that process (`kill 4711`) and try again, or use another cluster: KUBERNEL_CLUSTER=kind|current."
    )


def test_the_message_says_how_to_find_an_unknown_holder() -> None:
    message = taken_message("apiserver", Endpoint("0.0.0.0", 6443), None)
    assert "taken by a process that cannot be seen from here" in message
    assert "`ss --listening --tcp --processes 'sport = 6443'`" in message
