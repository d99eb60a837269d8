import pytest

from cluster.choice import ClusterKind, choose
from cluster.errors import ClusterError


@pytest.mark.parametrize(
    ("wanted", "docker_answers", "has_kind", "linux_root", "expected"),
    [
        pytest.param("", True, True, True, ClusterKind.KIND, id="docker wins over native"),
        pytest.param("", True, True, False, ClusterKind.KIND, id="docker needs no root"),
        pytest.param("", False, True, True, ClusterKind.NATIVE, id="native without docker"),
        pytest.param("", True, False, True, ClusterKind.NATIVE, id="native where docker is, but neither kind nor Go"),
        pytest.param("native", True, True, True, ClusterKind.NATIVE, id="native asked for"),
        pytest.param("kind", False, False, True, ClusterKind.KIND, id="kind asked for, though docker is down"),
        pytest.param("current", False, False, False, ClusterKind.CURRENT, id="current is only ever asked for"),
    ],
)
def test_choice(wanted: str, docker_answers: bool, has_kind: bool, linux_root: bool, expected: ClusterKind) -> None:
    assert choose(wanted, docker_answers=docker_answers, has_kind=has_kind, linux_root=linux_root) is expected


@pytest.mark.parametrize(
    ("docker_answers", "first"), [(False, "Start Docker (KUBERNEL_CLUSTER=kind)"), (True, "Install kind or Go (")]
)
def test_a_machine_that_fits_nothing_is_told_all_ways_out(docker_answers: bool, first: str) -> None:
    with pytest.raises(ClusterError) as caught:
        choose("", docker_answers=docker_answers, has_kind=not docker_answers, linux_root=False)
    message = str(caught.value)
    assert len(message.splitlines()) == 3
    assert message.splitlines()[1].startswith(first)
    for kind in ClusterKind:
        assert f"KUBERNEL_CLUSTER={kind}" in message


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ClusterError, match=r"KUBERNEL_CLUSTER=minikube is unknown; use one of: kind, native, current"):
        choose("minikube", docker_answers=True, has_kind=True, linux_root=True)
