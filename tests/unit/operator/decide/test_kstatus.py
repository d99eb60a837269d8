"""What Flux, ``helm --wait`` and others make of a KernelInstance, who all go by kstatus (sigs.k8s.io/cli-utils)."""

from typing import Any

import pytest

from fixtures.objects import NOW, SETTINGS, cr, pod, ready_status, report, seen
from kubernel_api.conditions import Reason, find_condition
from kubernel_api.status import UNOBSERVED_STATUS
from kubernel_operator.decide.situation import situation
from kubernel_operator.decide.status import build_status
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed, Refusal

Json = dict[str, Any]


def kstatus(obj: Json) -> tuple[str, str]:
    """Its rules for a kind that it does not know, as in pkg/kstatus/status (0.37): status and message."""
    status = obj.get("status") or {}
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating", ""
    if status.get("observedGeneration", obj["metadata"]["generation"]) != obj["metadata"]["generation"]:
        return "InProgress", "its latest generation was not observed"
    conditions = status.get("conditions") or []
    for each in conditions:
        if (each["type"], each["status"]) == ("Reconciling", "True"):
            return "InProgress", each["message"]
        if (each["type"], each["status"]) == ("Stalled", "True"):
            return "Failed", each["message"]
    for each in conditions:
        if each["type"] == "Ready":
            return ("Current" if each["status"] == "True" else "InProgress"), each["message"]
    return "Current", ""


def after_a_pass(instance: Json, observed: Observed) -> Json:
    kernel = kernel_facts(instance)
    found = situation(kernel, observed, NOW)
    return {**instance, "status": build_status(kernel, found, observed, SETTINGS, NOW)}


REFUSED = Refusal(Reason.FORBIDDEN, "Pod refused: forbidden")
ENDED = NOW - 31  # a restart in place is not possible any more


@pytest.mark.parametrize(
    ("instance", "observed", "expected"),
    [
        pytest.param(cr(), seen(), "InProgress", id="new"),
        pytest.param(cr(), seen(refusal=REFUSED), "Failed", id="refused"),
        pytest.param(cr(), seen(pod()), "InProgress", id="starting"),
        pytest.param(cr(), seen(pod(), report=report()), "Current", id="running"),
        pytest.param(
            cr(status=ready_status(), restartGeneration=1), seen(pod(), report=report()), "InProgress", id="restarting"
        ),
        pytest.param(
            cr(status=ready_status()), seen(pod(), report=report("exited", exit_code=0)), "InProgress", id="exited"
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", exit_code=0, time=ENDED)),
            "Current",
            id="succeeded",
        ),
        pytest.param(
            cr(status=ready_status()),
            seen(pod(), report=report("exited", exit_code=1, time=ENDED)),
            "Failed",
            id="failed",
        ),
        pytest.param(cr(), seen(refusal=REFUSED, first_seen=NOW - 300), "Failed", id="never started"),
        pytest.param(
            cr(status=ready_status(), deleting=NOW), seen(pod(), report=report()), "Terminating", id="deleted"
        ),
    ],
)
def test_what_kstatus_makes_of_it(instance: Json, observed: Observed, expected: str) -> None:
    status, message = kstatus(after_a_pass(instance, observed))
    assert status == expected
    assert message or status not in {"Failed", "InProgress"}, "people are told why"


def test_before_an_operator_has_seen_it() -> None:
    assert kstatus(cr(status=UNOBSERVED_STATUS))[0] == "InProgress"


@pytest.mark.parametrize(("exit_code", "expected"), [(0, "Current"), (1, "Failed")])
def test_a_change_after_the_end_changes_nothing_else(exit_code: int, expected: str) -> None:
    """Helm upgrades what has ended as well, and waits until that was seen."""
    ended = report("exited", exit_code=exit_code, time=ENDED)
    over = after_a_pass(cr(status=ready_status()), seen(pod(), report=ended))
    later = {**over, "metadata": {**over["metadata"], "generation": 7}}
    again = after_a_pass(later, seen())
    assert kstatus(again)[0] == expected
    unchanged = {"observedGeneration", "conditions"}
    assert {k: v for k, v in again["status"].items() if k not in unchanged} == {
        k: v for k, v in over["status"].items() if k not in unchanged
    }
    finished = find_condition(again["status"]["conditions"], "Finished")  # type: ignore[arg-type]
    assert finished is not None
    assert (finished["status"], finished["observedGeneration"]) == ("True", 7)
    assert after_a_pass(again, seen()) == again, "once"
