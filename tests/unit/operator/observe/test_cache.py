"""The operator's view of the cluster never goes back in time."""

import json
import random
import tracemalloc
from typing import Any

import pytest

from fixtures.objects import cr, pod, ready_status
from kubernel_api.status import UNOBSERVED_STATUS
from kubernel_operator.decide.reasons import pending_reason
from kubernel_operator.observe.cache import Changed, Store, key_of
from kubernel_operator.observe.kinds import INSTANCES, LEASES, PODS, is_partial
from kubernel_operator.observe.pod_facts import pod_facts

KEY = ("ns", "k1")
OLD_UID = "fedcba98-0000-4000-8000-000000000000"


def filled(*objects: dict[str, Any], kind: Any = INSTANCES) -> Store[dict[str, Any]]:
    store = Store(kind)
    for obj in objects:
        store.put(obj)
    return store


def listed(
    store: Store[Any], objects: list[dict[str, Any]], version: int, namespace: str | None = None
) -> list[Changed]:
    """What a LIST in pages of one finds."""
    relist = store.relist(namespace)
    changed: list[Changed] = []
    for start in range(max(1, len(objects))):
        page = store.read_page(json.dumps({"items": objects[start : start + 1]}).encode())
        changed += relist.page(page["items"], version)
    return changed + relist.end()


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
    assert store.get(KEY) == cr(version=version if is_news else 10)
    assert (len(store), store.keys()) == (1, [KEY])


def test_namespaces_are_apart() -> None:
    store = filled(cr(), cr(namespace="other"))
    assert store.keys() == [KEY, ("other", "k1")]


def test_which_kernels_wait_for_an_operator() -> None:
    store = filled(
        cr(), cr(name="k2", uid="2", status=ready_status()), cr(name="k3", uid="3", status=UNOBSERVED_STATUS)
    )
    assert store.unanswered() == [KEY, ("ns", "k3")]
    store.put(cr(version=11, status=ready_status()))
    assert store.unanswered() == [("ns", "k3")]


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
    store = Store(INSTANCES)
    store.remove(cr(version=12))
    assert not store.put(cr(version=10))


def test_a_new_object_of_the_same_name_stays_when_the_old_one_s_deletion_arrives() -> None:
    store = filled(cr(version=10, uid=OLD_UID), cr(version=20))
    store.remove(cr(version=15, uid=OLD_UID))
    assert store.get(KEY) == cr(version=20)


def test_memory_of_deletions_is_bounded() -> None:
    store = Store(INSTANCES)
    for number in range(10_001):
        store.remove(cr(name=f"k{number}", uid=str(number)))
    assert store.put(cr(name="k0", uid="0"))
    assert not store.put(cr(name="k1", uid="1"))


def test_what_belongs_to_what() -> None:
    store = filled(pod(1), pod(2), pod(1, name="k2", owner=OLD_UID), kind=PODS)
    assert names(store.linked("ns", "k1")) == ["k1-1", "k1-2"]
    store.remove(pod(1))
    assert names(store.linked("ns", "k1")) == store_names(store, "k1") == ["k1-2"]
    store.put(pod(2, version=30, ip="10.0.0.8"))
    assert names(store.linked("ns", "k1")) == ["k1-2"]
    store.remove(pod(2))
    assert store.linked("ns", "k1") == store.linked("ns", "k9") == ()
    assert names(store.linked("ns", "k2")) == ["k2-1"]


def names(pods: tuple[dict[str, Any], ...]) -> list[str]:
    return [p["metadata"]["name"] for p in pods]


def store_names(store: Store[Any], name: str) -> list[str]:
    return [linked for _, linked in store.linked_keys("ns", name)]


def test_pods_of_another_namespace_belong_to_nobody_here() -> None:
    elsewhere = pod()
    elsewhere["metadata"]["namespace"] = "attacker"
    store = filled(elsewhere, kind=PODS)
    assert store.linked("ns", "k1") == ()


def test_kernels_that_go_by_a_lease() -> None:
    store = filled(cr(lifecycle={"leaseName": "a"}), cr(name="k2", uid="2", lifecycle={"leaseName": "a"}))
    assert store.linked_keys("ns", "a") == [KEY, ("ns", "k2")]
    store.put(cr(version=11, lifecycle={"leaseName": "b"}))
    assert (store.linked_keys("ns", "a"), store.linked_keys("ns", "b")) == ([("ns", "k2")], [KEY])


@pytest.mark.parametrize(
    ("objects", "version", "namespace", "changed", "left"),
    [
        pytest.param([cr(version=10)], 50, None, [], [KEY], id="nothing new"),
        pytest.param([cr(version=11)], 50, None, [KEY], [KEY], id="newer"),
        pytest.param([cr(version=9)], 50, None, [], [KEY], id="older than what a watch brought"),
        pytest.param([], 50, None, [KEY], [], id="vanished"),
        pytest.param([], 50, "ns", [KEY], [], id="vanished from the namespace that was listed"),
        pytest.param([], 50, "other", [], [KEY], id="another namespace was listed"),
        pytest.param([cr(version=40, uid=OLD_UID)], 50, None, [KEY], [KEY], id="replaced by one of the same name"),
        pytest.param(
            [cr(version=10), cr(name="k2", uid="2", version=12)],
            50,
            None,
            [("ns", "k2")],
            [KEY, ("ns", "k2")],
            id="one more",
        ),
    ],
)
def test_a_list(
    objects: list[dict[str, Any]],
    version: int,
    namespace: str | None,
    changed: list[tuple[str, str]],
    left: list[tuple[str, str]],
) -> None:
    store = filled(cr(version=10))
    assert [found.key for found in listed(store, objects, version, namespace)] == changed
    assert store.keys() == left


def test_a_list_keeps_what_vanished_from_coming_back() -> None:
    store = filled(cr(version=10))
    listed(store, [], 50)
    assert not store.put(cr(version=10))


def test_a_list_is_not_believed_about_what_was_deleted_after_it() -> None:
    store = filled(cr(version=10))
    store.remove(cr(version=60))
    assert listed(store, [cr(version=10)], 50) == []
    assert store.keys() == []


def test_what_a_watch_brings_between_two_pages_stays() -> None:
    store = filled(cr(version=10))
    relist = store.relist(None)
    relist.page([cr(version=10)], 50)
    store.put(cr(name="k2", uid="2", version=51))
    assert relist.end() == []
    assert len(store) == 2


class TestRestore:
    """etcd was restored from a backup: versions start lower, and what the LIST says is true all the same."""

    def test_the_past_is_believed(self, caplog: pytest.LogCaptureFixture) -> None:
        store = filled(
            cr(version=1000, status={"phase": "Running"}),
            cr(name="k2", uid="2", version=1001),
            cr(name="k3", uid="3", version=400),
        )
        then = cr(version=501, status={"phase": "Exited"})
        changed = listed(store, [then, cr(name="k3", uid="3", version=400)], 600)
        assert [found.key[1] for found in changed] == ["k1", "k2"]
        assert store.get(KEY) == then
        assert store.keys() == [KEY, ("ns", "k3")]
        assert "listed at version 600, and 1001 was known" in caplog.text

    def test_what_was_deleted_since_comes_back(self) -> None:
        store = filled(cr(version=1000), cr(name="k2", uid="2", version=1001))
        store.remove(cr(version=1000))
        assert [found.key for found in listed(store, [cr(version=501)], 600)] == [KEY, ("ns", "k2")]
        assert store.keys() == [KEY]

    def test_time_goes_on_from_there(self, caplog: pytest.LogCaptureFixture) -> None:
        store = filled(cr(version=1000))
        listed(store, [cr(version=501)], 600)
        assert store.put(cr(version=601))
        caplog.clear()
        assert listed(store, [cr(version=601)], 650) == []
        assert caplog.text == ""

    def test_what_was_created_since_the_list_stays(self) -> None:
        store = filled(cr(version=1000))
        relist = store.relist(None)
        store.put(cr(name="k2", uid="2", version=601))
        relist.page([], 600)
        assert [found.key for found in relist.end()] == [KEY]
        assert store.keys() == [("ns", "k2")]

    def test_the_version_of_an_empty_list_counts(self) -> None:
        """The newest version seen may be no object's own."""
        store = filled(cr(version=10))
        listed(store, [cr(version=10)], 1000)
        assert [found.key for found in listed(store, [cr(version=9)], 600)] == [KEY]

    def test_a_list_that_was_overtaken_is_no_restore(self, caplog: pytest.LogCaptureFixture) -> None:
        store = filled(cr(version=10))
        relist = store.relist(None)
        store.put(cr(version=60))
        assert relist.page([cr(version=10)], 50) + relist.end() == []
        assert store.get(KEY) == cr(version=60)
        assert caplog.text == ""

    def test_another_namespace_is_left_alone(self) -> None:
        store = filled(cr(version=1000), cr(namespace="other", uid="2", version=1001))
        listed(store, [], 600, "ns")
        assert store.keys() == [("other", "k1")]


class TestBounds:
    """Nothing that a tenant sends is kept at its size."""

    def test_a_large_kernel_instance_is_kept_without_what_shapes_its_pod(self) -> None:
        noise = [{"name": f"N{n}", "value": random.Random(n).randbytes(100).hex()} for n in range(256)]
        large = cr(env=noise, kernel={"argv": ["python"], "name": "python3"}, restartGeneration=2)
        store = filled(large)
        kept = store.get(KEY)
        assert kept is not None
        assert is_partial(kept)
        assert kept["spec"] == {"kernel": {"name": "python3"}, "restartGeneration": 2}
        assert "env" in large["spec"]

    def test_an_ordinary_one_is_kept_whole(self) -> None:
        instance = cr(env=[{"name": f"NAME_{n}", "value": f"an ordinary value {n}"} for n in range(40)])
        assert filled(instance).get(KEY) == instance

    @pytest.mark.parametrize(
        ("init", "said"),
        [
            ({"running": {}}, "The pod waits for init container i30."),
            ({"terminated": {"exitCode": 3}}, "The kernel cannot start: init container i30 ended with exit code 3."),
        ],
    )
    def test_a_large_pod_is_decided_on_like_any_other(self, init: dict[str, Any], said: str) -> None:
        """As far as it concerns its kernel; of its other containers nothing is kept."""
        noise = [random.Random(n).randbytes(500).hex() for n in range(60)]
        done = {"terminated": {"exitCode": 0}}
        inits = [{"name": f"i{n}", "image": text, "state": init if n == 30 else done} for n, text in enumerate(noise)]
        silent = [
            {"type": "Ready", "status": "False", "message": noise[0]},
            {"type": "ContainersReady", "status": "True", "message": noise[1]},
            {"type": "TerminationTarget", "status": "True", "reason": "StoppedByKueue"},
            *({"type": f"example.org/{n}", "status": "True", "message": text} for n, text in enumerate(noise)),
        ]
        large = pod(inits=tuple(inits), state={"waiting": {"reason": "PodInitializing"}}, conditions=silent)
        store = Store(PODS)
        store.put(large)
        kept = store.get(("ns", "k1-1"))
        assert kept is not None
        assert len(json.dumps(kept)) < len(json.dumps(large)) / 10
        found, whole = pod_facts(kept), pod_facts(large)
        assert found.node_is_silent
        assert (found.disruption, found.kernel) == (whole.disruption, whole.kernel)
        assert pending_reason(found) == pending_reason(whole)
        assert pending_reason(found)[1] == said

    @pytest.mark.parametrize("kind", [INSTANCES, PODS, LEASES])
    def test_hostile_objects(self, kind: Any) -> None:
        """58 MB of JSON, of which next to nothing stays."""
        tracemalloc.start()
        try:
            store = Store(kind)
            before, _ = tracemalloc.get_traced_memory()
            for number in range(100):
                store.put(hostile(kind.name.lower(), number))
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(store) == 100
        assert (after - before) / 100 < 8192


def hostile(kind: str, number: int) -> dict[str, Any]:
    """580 kB of everything, of which no compression takes anything away."""
    noise = random.Random(number).randbytes(145_000).hex()
    text = [noise[at : at + 4096] for at in range(0, len(noise), 4096)]
    states = [{"name": f"c{n}", "state": {"waiting": {"message": word}}, "image": word} for n, word in enumerate(text)]
    conditions = [{"type": f"example.org/{n}", "status": "True", "message": word} for n, word in enumerate(text)]
    status = {"message": noise, "containerStatuses": states, "initContainerStatuses": states, "conditions": conditions}
    return {
        "metadata": {
            "name": f"k{number}-1",
            "namespace": "ns",
            "uid": f"uid-{number}",
            "resourceVersion": "5",
            "annotations": {"a": noise, **{f"kubernel.dev/{n}": word for n, word in enumerate(text)}},
            "labels": dict(enumerate(text)),
            "managedFields": text,
            "finalizers": text,
        },
        "spec": {
            "kernel": {"argv": text},
            "env": [{"name": "A", "value": word} for word in text],
            **({"holderIdentity": noise} if "lease" in kind else {}),
        },
        "status": status if "pod" in kind else {},
    }


def test_key_of() -> None:
    assert key_of(cr(name="a", namespace="b")) == ("b", "a")
