from cluster.native.network import Link, ours


def test_what_is_plugged_into_our_bridge_goes_before_it() -> None:
    links = [
        Link("lo", None),
        Link("kubernel0", None),
        Link("veth1", "kubernel0"),
        Link("docker0", None),
        Link("veth2", "docker0"),
        Link("veth3", "kubernel0"),
    ]
    assert ours(links) == ["veth1", "veth3", "kubernel0"]


def test_a_machine_without_our_bridge_has_nothing_of_ours() -> None:
    assert ours([Link("lo", None), Link("eth0", None)]) == []
