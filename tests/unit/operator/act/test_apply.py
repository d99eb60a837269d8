"""Writes: what is remembered of each."""

import asyncio
from typing import Any

import pytest

from fixtures.objects import NOW, SETTINGS, UID, cr, pod
from fixtures.operator_world import World
from kubernel_api.conditions import Reason
from kubernel_operator.act.describe import describe
from kubernel_operator.build.pod import build_pod
from kubernel_operator.decide.actions import (
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    Request,
)
from kubernel_operator.observe.observed import Memory
from kubernel_operator.observe.pod_facts import pod_facts


def apply(world: World, memory: Memory, action: Request) -> Memory:
    """Memory after an action."""
    asyncio.run(world.applier.apply(cr(), memory, action))
    return memory


def memory(**fields: Any) -> Memory:
    return Memory(UID, NOW, incarnation_seen=1, **fields)


def test_a_pod_that_has_another_uid_by_now_is_not_deleted(world: World) -> None:
    newer = pod()
    newer["metadata"]["uid"] = "another"
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", newer)
    apply(world, memory(), DeletePod(pod_facts(pod()), "old"))
    assert world.pods() == [newer]


def test_an_orphan_gets_one_event(world: World) -> None:
    """Its pod's end may wake the operator before the watch says that the KernelInstance is gone."""
    remembered = memory()
    for _ in range(2):
        apply(world, remembered, DeleteInstance("over", Reason.ORPHANED))
    assert world.cluster.writes() == [
        ("create", "events"),
        ("delete", "kernelinstances"),
        ("delete", "kernelinstances"),
    ]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        pytest.param(
            Create("secret", {"metadata": {"name": "s"}, "stringData": {"key": "hidden"}}, "holds the key"),
            "create secret s: holds the key",
            id="create",
        ),
        pytest.param(DeletePod(pod_facts(pod()), "old"), "delete pod k1-1: old", id="delete pod"),
        pytest.param(DeleteInstance("over", Reason.ORPHANED), "delete the KernelInstance: over", id="delete"),
        pytest.param(Explain(pod_facts(pod()), "late"), "read the pod's Events: late", id="explain"),
    ],
)
def test_describe(action: Request, text: str) -> None:
    assert describe(action) == text


def test_created_pod_is_known_before_any_watch_says_so(world: World) -> None:
    body = build_pod(cr(), SETTINGS, incarnation=1, callback_url=None, pod_secret="p", supervisor_map="s")
    remembered = apply(world, Memory(UID, NOW, refused_times=3), Create("pod", body, "first start"))
    assert (remembered.incarnation_seen, remembered.refused_times) == (1, 0)
    assert [p["metadata"]["name"] for p in world.reconciler.cache.pods.linked("ns", "k1")] == ["k1-1"]
