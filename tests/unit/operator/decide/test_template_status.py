"""What is said of a KernelTemplate after a dry run."""

from typing import Any

import pytest

from fixtures.objects import NOW, SETTINGS, template
from kubernel_cluster.errors import ApiError
from kubernel_operator.decide.template_status import is_settled, template_status, trial_pod
from kubernel_operator.observe.template_facts import template_facts

OVERLAY = {"spec": {"serviceAccountName": "cloud", "containers": [{"name": "kernel", "args": ["x"]}]}}


def ready(refused: ApiError | None = None, **spec: Any) -> tuple[str, str, str]:
    """Status, reason and message of the condition."""
    found, stalled = template_status(template(**spec), refused, "kubernel-system", NOW)["conditions"]
    assert (found["type"], stalled["type"]) == ("Ready", "Stalled")
    assert (stalled["status"] == "True") == (found["status"] == "False"), "or kstatus would wait for ever"
    assert stalled["message"] == (found["message"] if stalled["status"] == "True" else "")
    return found["status"], found["reason"], found["message"]


def test_a_pod_is_tried_without_the_account_that_is_elsewhere() -> None:
    pod = trial_pod(template(pod=OVERLAY), SETTINGS, "kubernel-system")
    assert "serviceAccountName" not in pod["spec"]
    assert pod["metadata"]["namespace"] == "kubernel-system"


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, "unknown field envForm", ("False", "ConfigError", "Pod refused: unknown field envForm")),
        (422, "image: Required", ("False", "ConfigError", "Pod refused: image: Required")),
        (403, "no PriorityClass", ("False", "Forbidden", "Pod refused: no PriorityClass")),
        (
            403,
            "violates PodSecurity x",
            (
                "Unknown",
                "PodSecurityViolation",
                "Pod refused by Pod Security: violates PodSecurity x "
                "(in namespace kubernel-system, where it was tried)",
            ),
        ),
    ],
)
def test_the_api_servers_word(status: int, said: str, expected: tuple[str, str, str]) -> None:
    assert ready(ApiError(status, "Reason", said)) == expected


def test_good() -> None:
    assert ready()[:2] == ("True", "Accepted")


def test_a_field_without_effect_is_named() -> None:
    message = "spec.pod.spec.containers[kernel].args: the kernel's own; remove it, it has no effect."
    assert ready(pod=OVERLAY) == ("False", "ReservedField", message)


def test_it_is_tried_until_it_is_good_as_it_is_now() -> None:
    raw = {"metadata": {"name": "gpu", "uid": "u", "generation": 2}, "spec": {}}
    assert not is_settled(template_facts(raw))
    good = template_status(template_facts(raw), None, "ns", NOW)
    assert is_settled(template_facts({**raw, "status": good}))
    assert not is_settled(template_facts({**raw, "metadata": {**raw["metadata"], "generation": 3}, "status": good}))
    bad = template_status(template_facts(raw), ApiError(422, "Invalid", "x"), "ns", NOW)
    assert not is_settled(template_facts({**raw, "status": bad}))
    again = template_facts({**raw, "status": bad})
    assert template_status(again, ApiError(422, "Invalid", "x"), "ns", NOW + 60) == bad, "no write each minute"
