"""What holds whatever was observed."""

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from fixtures.objects import (
    NOW,
    SETTINGS,
    cr,
    exited_status,
    finished_status,
    pod,
    ready_status,
    report,
    seen,
    terminated,
)
from kubernel_api.conditions import ConditionType, Reason, is_true
from kubernel_api.status import UNOBSERVED_STATUS, KernelInstanceStatus
from kubernel_operator.decide.actions import Create, DeleteInstance, DeletePod
from kubernel_operator.decide.plan import Context, Plan, plan
from kubernel_operator.decide.situation import current_pod, situation, started_generation
from kubernel_operator.decide.status import build_status, status_patch
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed, Refusal
from kubernel_operator.observe.pod_facts import PodFacts, pod_facts
from kubernel_wire.callback import token
from kubernel_wire.keys import ConnectionKeys

KEY = "k" * 64
CONTEXT = Context(SETTINGS, b"operator key", "print()", None, lambda _: ConnectionKeys(KEY))

moments = st.integers(-400, 10).map(lambda seconds: NOW + seconds)
generations = st.integers(0, 3)
pod_names = st.integers(1, 3).map(lambda number: f"k1-{number}")


@st.composite
def pods(draw: st.DrawFn, incarnation: int) -> dict[str, Any]:
    """A pod at any moment of its life."""
    fields = draw(
        st.sampled_from(
            [
                {"phase": "Pending", "state": {}, "ip": None, "scheduled": {}},
                {"phase": "Pending", "state": {}, "scheduled": {"status": "False", "message": "no room"}},
                {"phase": "Pending", "state": {"waiting": {"reason": "ErrImagePull"}}, "ip": None},
                {},
                {"ip": None},
                terminated(0),
                terminated(137, reason="OOMKilled"),
                {"phase": "Failed", "state": {}, "reason": "Evicted"},
            ]
        )
    )
    return pod(incarnation, generation=draw(generations), deleting=draw(st.none() | moments), **fields)


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any] | None:
    """A status that an operator may have left."""
    return draw(
        st.sampled_from([None, UNOBSERVED_STATUS])
        | st.builds(ready_status, generation=generations, pod=pod_names, ready=moments)
        | st.builds(exited_status, generation=generations, ended=moments, podName=pod_names)
        | st.builds(finished_status, ended=moments)
    )


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    """A KernelInstance at any moment of its life."""
    lifecycle = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "startDeadlineSeconds": st.sampled_from([1, 300]),
                "activeDeadlineSeconds": st.sampled_from([1, 3600]),
                "ttlSecondsAfterFinished": st.sampled_from([0, 300]),
                "leaseName": st.just("server-1"),
            },
        )
    )
    return cr(
        created=draw(moments),
        deleting=draw(st.none() | st.none() | moments),
        status=draw(statuses()),
        restartGeneration=draw(generations),
        connection={"service": draw(st.sampled_from(["ClusterIP", "None"]))},
        lifecycle=lifecycle,
    )


reports = st.builds(
    report,
    st.sampled_from(["starting", "running", "exited"]),
    generation=generations,
    time=moments,
    sequence=st.sampled_from([-1, 2]),
    supervised=st.booleans(),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    reason=st.sampled_from([None, "IdleTimeout"]),
    last_activity=st.none() | moments,
)
refusals = st.sampled_from([None, Refusal(Reason.QUOTA_EXCEEDED, "no"), Refusal(Reason.FORBIDDEN, "never")])


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    """Anything that may be known, consistent or not."""
    numbers = draw(st.sets(st.integers(1, 3)))
    return seen(
        *(draw(pods(number)) for number in numbers),
        report=draw(st.none() | reports),
        secret=draw(st.booleans()),
        service=draw(st.booleans()),
        service_ip=draw(st.sampled_from([None, "10.96.0.9"])),
        refusal=draw(refusals),
        pending=draw(st.sampled_from([None, (Reason.IMAGE_PULLING, "layer 1")])),
        explained_at=draw(moments),
        incarnation_seen=draw(st.integers(0, 3)),
        restart_since=draw(st.none() | moments),
        first_seen=draw(moments),
        control_sent=draw(st.integers(-1, 3)),
        control_failed=draw(st.integers(-1, 3)),
        orphaned=draw(st.booleans()),
    )


def planned(instance: dict[str, Any], observed: Observed) -> Plan:
    kernel = kernel_facts(instance)
    return plan(kernel, situation(kernel, observed, NOW), observed, CONTEXT, NOW)


def status(instance: dict[str, Any], observed: Observed, now: float = NOW) -> dict[str, Any]:
    kernel = kernel_facts(instance)
    return build_status(kernel, situation(kernel, observed, now), observed, SETTINGS, now)


def newest_pod(instance: dict[str, Any], observed: Observed) -> PodFacts | None:
    known = kernel_facts(instance).status.incarnation
    return current_pod(observed.pods, max(known, observed.incarnation_seen))


def created_pods(steps: Plan) -> list[dict[str, Any]]:
    return [a.body for a in steps.actions if isinstance(a, Create) and a.kind == "pod"]


@given(instances(), observations())
def test_no_second_pod_for_a_generation(instance: dict[str, Any], observed: Observed) -> None:
    """A pod that was made for the wanted generation, and lives, is the one; whatever its supervisor says."""
    newest = newest_pod(instance, observed)
    if newest is None or not newest.may_run or (newest.kernel and newest.kernel.terminated):
        return
    kernel = kernel_facts(instance)
    if started_generation(kernel, newest, observed) >= kernel.wanted:
        assert created_pods(planned(instance, observed)) == []


@given(instances(), observations())
def test_a_new_pod_has_a_new_number(instance: dict[str, Any], observed: Observed) -> None:
    for made in created_pods(planned(instance, observed)):
        assert pod_facts(made).incarnation > max((p.incarnation for p in observed.pods), default=0)


@given(instances(), observations())
def test_at_most_one_of_each_child_at_a_time(instance: dict[str, Any], observed: Observed) -> None:
    kinds = [a.kind for a in planned(instance, observed).actions if isinstance(a, Create)]
    assert len(kinds) == len(set(kinds))


@given(instances(), observations())
def test_a_ready_kernel_s_pod_is_never_deleted(instance: dict[str, Any], observed: Observed) -> None:
    deleted = [a.pod.name for a in planned(instance, observed).actions if isinstance(a, DeletePod)]
    built = status(instance, observed)
    if is_true(built, ConditionType.READY) and not instance["metadata"].get("deletionTimestamp"):
        assert built["podName"] not in deleted or observed.orphaned


@given(instances(), observations())
def test_what_is_being_deleted_only_loses_its_pods(instance: dict[str, Any], observed: Observed) -> None:
    instance["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    steps = planned(instance, observed)
    assert all(isinstance(action, DeletePod) and action.pod.may_run for action in steps.actions)
    assert steps.again_at is None


@given(instances(), observations())
def test_it_never_looks_again_at_once(instance: dict[str, Any], observed: Observed) -> None:
    """A time that has passed would be a loop without a pause."""
    steps = planned(instance, observed)
    deletes = any(isinstance(a, DeleteInstance) for a in steps.actions)
    unwritten = not is_true(instance.get("status"), ConditionType.FINISHED)  # looks again when its last word is said
    assert steps.again_at is None or steps.again_at > NOW or deletes or unwritten


@given(instances(), observations())
def test_no_status_holds_a_secret(instance: dict[str, Any], observed: Observed) -> None:
    text = json.dumps(status(instance, observed))
    assert KEY not in text
    assert token(b"operator key", "ns/k1-0123abcd45") not in text


@given(instances(), observations())
def test_every_status_is_a_valid_one(instance: dict[str, Any], observed: Observed) -> None:
    KernelInstanceStatus.model_validate(status(instance, observed))


@given(instances(), observations())
def test_seeing_the_same_twice_writes_once(instance: dict[str, Any], observed: Observed) -> None:
    """Otherwise two passes would write for ever."""
    old = instance.get("status") or {}
    current = newest_pod(instance, observed)
    if current is not None and current.name != old.get("podName"):
        # A new pod is made for the generation that its predecessor reached, or a later one.
        assume(current.generation >= old.get("restartGeneration", 0))
    first = status(instance, observed)
    again = {**instance, "status": first}
    assert status_patch(first, status(again, observed)) == {}


@given(instances(), observations(), observations())
def test_finished_never_goes_back(instance: dict[str, Any], before: Observed, after: Observed) -> None:
    first = status(instance, before)
    second = status({**instance, "status": first}, after)
    if is_true(first, ConditionType.FINISHED):
        assert second == first


@given(instances(), observations(), observations())
def test_an_end_is_not_taken_back(instance: dict[str, Any], before: Observed, after: Observed) -> None:
    """Only a new process, of a higher generation or in another pod, makes an exit disappear."""
    first = status(instance, before)
    second = status({**instance, "status": first}, after)
    if "exit" in first and "exit" not in second:
        newest = newest_pod({**instance, "status": first}, after)
        seen = [instance["spec"]["restartGeneration"], after.report.generation if after.report else 0]
        seen.append(newest.generation if newest else 0)
        same_pod = newest is None or newest.name == first.get("podName")
        assert not same_pod or max(seen) > first["exit"]["restartGeneration"]


@given(instances(), observations(), st.integers(1, 1000))
def test_transition_times_move_with_the_status_only(instance: dict[str, Any], observed: Observed, seconds: int) -> None:
    old = {c["type"]: c for c in (instance.get("status") or {}).get("conditions") or []}
    for made in status(instance, observed, NOW + seconds).get("conditions") or []:
        before = old.get(made["type"])
        if before is not None and before["status"] == made["status"]:
            assert made["lastTransitionTime"] == before["lastTransitionTime"]


@given(instances(), observations())
def test_conditions_do_not_contradict_each_other(instance: dict[str, Any], observed: Observed) -> None:
    built = status(instance, observed)
    true = {c["type"] for c in built.get("conditions") or [] if c["status"] == "True"}
    assert not {"Ready", "Reconciling"} <= true
    assert not {"Ready", "Finished"} <= true
    assert not {"Ready", "Stalled"} <= true
    assert not {"Reconciling", "Stalled"} <= true
    assert not {"Reconciling", "Finished"} <= true


@given(instances(), observations())
def test_nothing_is_changed_in_place(instance: dict[str, Any], observed: Observed) -> None:
    before = json.dumps(instance)
    planned(instance, observed)
    status(instance, observed)
    assert json.dumps(instance) == before
