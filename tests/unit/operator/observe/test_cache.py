"""The operator's view of the cluster never goes back in time."""

from typing import Any

import pytest

from fixtures.objects import UID, cr, pod
from kubernel_operator.observe.cache import Store, key_of, slim

KEY = ("ns", "k1")
OLD_UID = "fedcba98-0000-4000-8000-000000000000"


def filled(*objects: dict[str, Any]) -> Store:
    store = Store()
    for obj in objects:
        store.put(obj)
    return store


@pytest.mark.parametrize(
    ("version", "is_news"),
    [
        pytest.param(9, False, id="older"),
        pytest.param(10, False, id="same"),
        pytest.param(11, True, id="newer"),
        pytest.param(100, True, id="newer by number, not by text"),
    ],
)
def test_put(version: int, is_news: bool) -> None:
    store = filled(cr(version=10))
    assert store.put(cr(version=version)) is is_news
    assert store.get(KEY) == slim(cr(version=version if is_news else 10))
    assert (len(store), store.keys()) == (1, [KEY])


def test_namespaces_are_apart() -> None:
    store = filled(cr(), cr(namespace="other"))
    assert store.keys() == [KEY, ("other", "k1")]


def test_a_version_that_is_no_number_is_never_news() -> None:
    odd = cr()
    odd["metadata"]["resourceVersion"] = "opaque"
    store = filled(cr())
    assert not store.put(odd)


def test_what_was_deleted_does_not_come_back() -> None:
    store = filled(cr(version=10))
    store.remove(cr(version=12))
    assert store.get(KEY) is None
    assert not store.put(cr(version=99))
    assert len(store) == 0


def test_a_deletion_that_overtook_the_creation() -> None:
    store = Store()
    store.remove(cr(version=12))
    assert not store.put(cr(version=10))


def test_a_new_object_of_the_same_name_stays_when_the_old_one_s_deletion_arrives() -> None:
    store = filled(cr(version=10, uid=OLD_UID), cr(version=20))
    store.remove(cr(version=15, uid=OLD_UID))
    assert store.get(KEY) == slim(cr(version=20))


def test_memory_of_deletions_is_bounded() -> None:
    store = Store()
    for number in range(10_001):
        store.remove(cr(name=f"k{number}", uid=str(number)))
    assert store.put(cr(name="k0", uid="0"))
    assert not store.put(cr(name="k1", uid="1"))


def test_owner_index() -> None:
    store = filled(pod(1), pod(2), pod(1, name="k2", owner=OLD_UID))
    assert {p["metadata"]["name"] for p in store.owned_by(UID)} == {"k1-1", "k1-2"}
    store.remove(pod(1))
    assert [p["metadata"]["name"] for p in store.owned_by(UID)] == ["k1-2"]
    store.put(pod(2, owner=OLD_UID, version=30))
    assert store.owned_by(UID) == ()
    assert {p["metadata"]["name"] for p in store.owned_by(OLD_UID)} == {"k1-2", "k2-1"}


def test_labels_and_owners_that_do_not_control_are_no_ownership() -> None:
    foreign = pod()
    foreign["metadata"]["ownerReferences"][0]["controller"] = False
    assert filled(foreign).owned_by(UID) == ()


@pytest.mark.parametrize(
    ("listed", "version", "namespace", "changed", "left"),
    [
        pytest.param([cr(version=10)], 50, None, [], [KEY], id="nothing new"),
        pytest.param([cr(version=11)], 50, None, [11], [KEY], id="newer"),
        pytest.param([cr(version=9)], 50, None, [], [KEY], id="older than what a watch brought"),
        pytest.param([], 50, None, [10], [], id="vanished"),
        pytest.param([], 50, "ns", [10], [], id="vanished from the namespace that was listed"),
        pytest.param([], 50, "other", [], [KEY], id="another namespace was listed"),
        pytest.param([], 9, None, [], [KEY], id="created after the LIST"),
        pytest.param([cr(version=40, uid=OLD_UID)], 50, None, [10, 40], [KEY], id="replaced by one of the same name"),
        pytest.param(
            [cr(version=10), cr(name="k2", uid="2", version=12)], 50, None, [12], [KEY, ("ns", "k2")], id="one more"
        ),
    ],
)
def test_replace(
    listed: list[dict[str, Any]],
    version: int,
    namespace: str | None,
    changed: list[int],
    left: list[tuple[str, str]],
) -> None:
    store = filled(cr(version=10))
    found = store.replace(listed, version, namespace)
    assert [int(o["metadata"]["resourceVersion"]) for o in found] == changed
    assert store.keys() == left


def test_replace_keeps_what_vanished_from_coming_back() -> None:
    store = filled(cr(version=10))
    store.replace([], 50, None)
    assert not store.put(cr(version=10))


def test_replace_does_not_believe_a_list_about_what_was_deleted_after_it() -> None:
    store = filled(cr(version=10))
    store.remove(cr(version=60))
    assert store.replace([cr(version=10)], 50, None) == []
    assert store.keys() == []


def test_slim() -> None:
    """What is left out is never read; the argument stays as it is."""
    full = {
        "kind": "Pod",
        "metadata": {
            "name": "k1-1",
            "namespace": "ns",
            "managedFields": [{"manager": "kubelet"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kubernel.dev/incarnation": "1"},
        },
        "spec": {"nodeName": "node1", "containers": [{"env": [{"name": "LARGE"}]}]},
        "status": {"phase": "Running"},
    }
    assert slim(full) == {
        "kind": "Pod",
        "metadata": {"name": "k1-1", "namespace": "ns", "annotations": {"kubernel.dev/incarnation": "1"}},
        "spec": {"nodeName": "node1"},
        "status": {"phase": "Running"},
    }
    assert "managedFields" in full["metadata"]


def test_slim_keeps_the_spec_of_a_kernel_instance() -> None:
    assert slim(cr(image="i", restartGeneration=2))["spec"] == {"image": "i", "restartGeneration": 2}


def test_key_of() -> None:
    assert key_of(cr(name="a", namespace="b")) == ("b", "a")
