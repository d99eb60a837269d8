"""The view: fed with events in every order, read by those who wait."""

import asyncio
from typing import Any

import pytest

from kubernel_provisioner.cluster.view import Seen, View, slim


def instance(name: str = "k-1", version: int = 5, uid: str = "u1", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": uid, "resourceVersion": str(version), "generation": 1},
        "spec": {"restartGeneration": 0},
        "status": status,
    }


def seen(view: View, name: str = "k-1") -> tuple[int, bool] | None:
    """Version and whether it is gone."""
    entry = view.get(name)
    return (entry.version, entry.gone) if entry else None


def test_an_entry_holds_what_is_read_and_no_more() -> None:
    whole = instance(phase="Running")
    whole["metadata"] |= {"managedFields": [1], "labels": {"a": "b"}}
    whole["spec"] |= {"env": [{"name": "A", "value": "x"}]}
    asked = {"resources": {"limits": {"memory": "1Gi"}}, "lifecycle": {"idleTimeoutSeconds": 60}}
    whole["spec"] |= asked
    expected = instance(phase="Running")
    expected["spec"] |= asked
    assert slim(whole) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([("ADDED", 5)], (5, False), id="added"),
        pytest.param([("ADDED", 5), ("MODIFIED", 6)], (6, False), id="modified"),
        pytest.param([("ADDED", 6), ("MODIFIED", 5)], (6, False), id="an older event changes nothing"),
        pytest.param([("ADDED", 5), ("DELETED", 6)], (6, True), id="deleted"),
        pytest.param([("ADDED", 5), ("DELETED", 5)], (5, True), id="deleted, version not raised"),
        pytest.param([("ADDED", 5), ("DELETED", 6), ("MODIFIED", 5)], (6, True), id="a late event does not revive it"),
        pytest.param([("DELETED", 6)], None, id="deletion of what nobody knows"),
    ],
)
def test_events(events: list[tuple[str, int]], expected: tuple[int, bool] | None) -> None:
    view = View()
    for event, version in events:
        view.apply(event, instance(version=version))
    assert seen(view) == expected


def test_an_answer_to_a_write_is_not_undone_by_the_watch_that_lags_behind() -> None:
    view = View()
    view.offer(instance(version=9, phase="Starting"))
    view.apply("MODIFIED", instance(version=8, phase="Running"))
    entry = view.get("k-1")
    assert entry is not None
    assert entry.status == {"phase": "Starting"}


def test_a_list_deletes_what_it_lacks_and_spares_what_is_younger() -> None:
    view = View()
    view.apply("ADDED", instance("kept", 5))
    view.apply("ADDED", instance("lost", 6))
    view.offer(instance("posted-meanwhile", 11))
    view.replace([instance("kept", 7), instance("new", 8)], 10)
    states = {name: seen(view, name) for name in ("kept", "lost", "posted-meanwhile", "new")}
    assert states == {"kept": (7, False), "lost": (6, True), "posted-meanwhile": (11, False), "new": (8, False)}


def test_length_counts_the_living() -> None:
    view = View()
    view.apply("ADDED", instance("a"))
    view.apply("ADDED", instance("b"))
    view.apply("DELETED", instance("b", 6))
    assert len(view) == 1


def test_forget_drops_only_that_very_object() -> None:
    view = View()
    view.apply("ADDED", instance(uid="new"))
    view.forget("k-1", "old")
    assert seen(view) == (5, False)
    view.forget("k-1", "new")
    assert seen(view) is None
    view.apply("DELETED", instance(version=6, uid="new"))  # the watch tells it later
    assert seen(view) is None


async def test_those_who_wait_are_woken_by_a_change_of_theirs() -> None:
    view = View()
    view.apply("ADDED", instance())
    known = view.get("k-1")
    waiting = asyncio.create_task(view.change("k-1", known, None))
    await asyncio.sleep(0)
    view.apply("ADDED", instance("other"))
    await asyncio.sleep(0)
    assert not waiting.done()
    view.apply("MODIFIED", instance(version=6))
    assert (await waiting) == view.get("k-1") != known


async def test_a_change_that_has_happened_already_is_returned_at_once() -> None:
    view = View()
    view.apply("ADDED", instance(version=6))
    changed = await view.change("k-1", Seen(slim(instance())), None)
    assert changed == view.get("k-1")


async def test_forgetting_wakes_those_who_wait() -> None:
    view = View()
    view.apply("ADDED", instance())
    waiting = asyncio.create_task(view.change("k-1", view.get("k-1"), None))
    await asyncio.sleep(0)
    view.forget("k-1", "u1")
    assert await waiting is None


async def test_without_a_change_the_entry_is_returned_in_time() -> None:
    view = View()
    view.apply("ADDED", instance())
    known = view.get("k-1")
    assert await view.change("k-1", known, 0) is known


def test_an_entry_knows_that_a_kernel_is_to_be_paused() -> None:
    """A restart takes that back."""
    assert slim({**instance(), "spec": {"restartGeneration": 2, "suspend": True}})["spec"] == {
        "restartGeneration": 2,
        "suspend": True,
    }
    assert "suspend" not in slim({**instance(), "spec": {"suspend": False}})["spec"]
