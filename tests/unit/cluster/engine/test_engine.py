from pathlib import Path

import pytest

from cluster.engine import engine
from cluster.engine.docker import Docker
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.processes import Process, find

LAYOUT = Layout(repo=Path("/repo"), cache=Path("/cache"), state=Path("/state"))
DOCKER = Docker(Path("/state/engine/this-run/docker.sock"), Path("/cache/engine/docker"), "/programs")


def test_the_processes_of_the_engine_are_found_again() -> None:
    """By their program and the state folder, as those of the native cluster are."""
    for component in (engine.holder(LAYOUT, DOCKER), engine.uplink(LAYOUT, 42)):
        process = Process(7, 1, 1, component.argv)
        assert find(component, LAYOUT.state, [process]) == process
        assert find(component, Path("/another"), [process]) is None


def test_the_uplink_is_found_whatever_namespaces_it_served() -> None:
    process = Process(7, 1, 1, engine.uplink(LAYOUT, 42).argv)
    assert find(engine.uplink(LAYOUT, 0), LAYOUT.state, [process]) == process


def test_the_engine_finds_our_runc_first() -> None:
    path = dict(engine.holder(LAYOUT, DOCKER).environment)["PATH"]
    assert path.split(":")[0] == "/state/engine/bin"


def test_only_root_on_linux_can_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="Start Docker"):
        engine.require_linux_root()
