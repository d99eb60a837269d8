"""The ConfigMap with the supervisor."""

import pytest

from fixtures.objects import SUPERVISOR, SUPERVISOR_MAP
from kubernel_operator.build.supervisor import build_supervisor_map, holds_the_same
from kubernel_supervisor.bootstrap import bootstrap_script, supervisor_digest

MAP = build_supervisor_map("ns", SUPERVISOR)


def test_build_supervisor_map() -> None:
    """It is nobody's: it outlives each of the kernels that share it."""
    assert MAP == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": SUPERVISOR_MAP,
            "namespace": "ns",
            "labels": {"app.kubernetes.io/managed-by": "kubernel", "app.kubernetes.io/component": "supervisor"},
        },
        "immutable": True,
        "data": {"supervisor.py": SUPERVISOR},
    }


def test_another_version_has_another_name() -> None:
    assert build_supervisor_map("ns", "pass")["metadata"]["name"] != SUPERVISOR_MAP


def test_the_name_says_what_the_pod_is_to_find() -> None:
    """The pod compares: whoever may write ConfigMaps must not choose what it runs."""
    digest = supervisor_digest(SUPERVISOR)
    assert SUPERVISOR_MAP.endswith(f"-{digest}")
    assert f'!= "{digest}"' in bootstrap_script(SUPERVISOR)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        pytest.param(MAP, True, id="ours"),
        pytest.param({**MAP, "metadata": {"name": SUPERVISOR_MAP, "uid": "1"}}, True, id="whoever made it"),
        pytest.param({**MAP, "data": {"supervisor.py": "evil()"}}, False, id="another supervisor"),
        pytest.param({**MAP, "data": None}, False, id="nothing"),
        pytest.param({**MAP, "immutable": None}, False, id="it may change"),
        pytest.param({**MAP, "binaryData": {"supervisor.py": "eA=="}}, False, id="more"),
    ],
)
def test_holds_the_same(found: dict[str, object], same: bool) -> None:
    assert holds_the_same(found, MAP) is same
