"""How many members a pool makes, and when."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.objects import NOW, pod
from fixtures.pools import pool
from kubernel_operator.decide.pool_plan import REFILL_SECONDS, START_SECONDS, MemberState, PoolPlan, plan_pool
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_operator.observe.pool_facts import pool_facts


def planned(*members: MemberState, replicas: int = 5, max_starting: int = 2, **more: Any) -> PoolPlan:
    facts = pool_facts(pool(replicas=replicas, maxStarting=max_starting))
    return plan_pool(facts, members, "", None, NOW, **more)


def member(number: int = 1, **state: Any) -> MemberState:
    made = pod()
    made["metadata"].update(name=f"pool-{number}", uid=f"pod-{number}", annotations={})
    return MemberState(pod_facts(made), since=NOW, **state)


def test_no_more_at_once_than_may() -> None:
    assert planned().create == 2
    assert planned(member(1)).create == 1
    assert planned(member(1, ready=True)).create == 2


def test_what_was_claimed_is_made_again_a_second_later() -> None:
    waiting = [member(number, ready=True) for number in range(3)]
    just, before = NOW - 0.25 * REFILL_SECONDS, NOW - 0.5 * REFILL_SECONDS
    plan = planned(*waiting, claims=[before, just])
    assert (plan.create, plan.again_at) == (0, before + REFILL_SECONDS)
    assert planned(*waiting, claims=[NOW - REFILL_SECONDS, just]).create == 1


def test_one_that_is_about_to_be_claimed_is_not_made_again_yet() -> None:
    waiting = [member(number, ready=True) for number in range(4)]
    assert planned(*waiting, member(4, chosen=True)).create == 0


@pytest.mark.parametrize(("starts", "made"), [(0, 3), (1, 2), (2, 1), (50, 1)])
def test_kernels_that_start_go_first_but_the_pool_goes_on(starts: int, made: int) -> None:
    assert planned(max_starting=3, starts=starts).create == made
    assert planned(member(1), max_starting=3, starts=starts).create == max(0, made - 1)


def unready(number: int = 1, *, since: float, placed: float | None) -> MemberState:
    state = {"waiting": {"reason": "ContainerCreating"}}
    made = pod(phase="Pending", ip=None, state=state) if placed is not None else pod(phase="Pending", ip=None, state={})
    made["metadata"].update(name=f"pool-{number}", uid=f"pod-{number}", annotations={})
    return MemberState(pod_facts(made), since=since, placed=placed)


def test_one_that_does_not_come_to_wait_is_replaced() -> None:
    long_ago = NOW - START_SECONDS
    ((given_up, why),) = planned(unready(since=long_ago, placed=long_ago)).delete
    assert (given_up.name, why) == ("pool-1", "it has not become ready in 600 s")


def test_one_that_has_no_node_keeps_its_place_in_the_queue() -> None:
    """Of the scheduler, of Kueue, of an autoscaler that adds a node."""
    assert planned(unready(since=NOW - 10 * START_SECONDS, placed=None)).delete == ()


def test_a_member_has_its_time_from_when_it_got_a_node() -> None:
    """A new node takes minutes, and to pull a large image to it does, too: together they are more than the time."""
    plan = planned(unready(since=NOW - START_SECONDS, placed=NOW - 60), replicas=1)
    assert (plan.delete, plan.again_at) == ((), NOW - 60 + START_SECONDS)


def not_created(message: str) -> MemberState:
    waiting = {"reason": "CreateContainerConfigError", "message": message}
    made = pod(phase="Pending", ip=None, state={"waiting": waiting})
    made["metadata"].update(name="pool-1", uid="pod-1", annotations={})
    return MemberState(pod_facts(made), since=NOW - 60, placed=NOW - 60)


def test_one_whose_own_secret_was_not_made_is_replaced() -> None:
    ((_, why),) = planned(not_created('secret "pool-1-0123abcd" not found')).delete
    assert why == "its Secret was not made"


@pytest.mark.parametrize(
    "message",
    ["container has runAsNonRoot and image will run as root", 'secret "team-registry" not found', "failed to sync"],
)
def test_another_would_fare_no_better(message: str) -> None:
    """The pool's status says what is in the way, in the kubelet's words."""
    assert planned(not_created(message)).delete == ()
