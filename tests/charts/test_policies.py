"""What the ValidatingAdmissionPolicies ask. What the API server makes of them is in tests/e2e/security."""

from collections.abc import Callable
from typing import Any

from kubernel_api.template import Bounds

from .conftest import Object

Find = Callable[..., Object]


def expressions(policy: Object) -> list[str]:
    return [" ".join(each["expression"].split()) for each in policy["spec"]["validations"]]


def durations() -> list[str]:
    """The bounds that are a longest time."""
    names: list[Any] = [field.alias for field in Bounds.model_fields.values()]
    return [name for name in names if "Seconds" in name]


def test_each_duration_is_held_where_a_lifecycle_is_changed_later(find: Find) -> None:
    of_templates = " ".join(expressions(find("ValidatingAdmissionPolicy", "kubernel-system-template-bounds")))
    assert [name for name in durations() if f"<= params.spec.bounds.{name}" not in of_templates] == []
    values = [f"--set=kernelBounds.{name}=7" for name in durations()]
    of_all = expressions(find("ValidatingAdmissionPolicy", "kubernel-system-kernel-bounds", None, *values))
    assert len([each for each in of_all if each.endswith("<= 7")]) == len(durations())


def test_the_operators_own_key_is_no_token_of_an_account(find: Find) -> None:
    """Whoever has the operator's account may read that one Secret: as a token's it would be another account."""
    (rule,) = (e for e in expressions(find("ValidatingAdmissionPolicy", "kubernel-system-guard")) if "object.type" in e)
    assert "|| (has(object.type) && (object.type.startsWith('kubernel.dev/') || (variables.isOwnKey" in rule
    assert "variables.isOwnKey ||" not in rule


def test_helm_test_makes_a_kernel_that_is_its_own(find: Find) -> None:
    """Where each account may only make its own kernels, the test's account may, too."""
    values = ["--set=policies.accounts.owners=true", "--set=policies.accounts.prefix=kub"]
    pod = find("Pod", "kubernel-test", None, *values)
    account = pod["spec"]["serviceAccountName"]
    assert account == "kubernel-test"
    *_, owner = pod["spec"]["containers"][0]["command"]
    assert owner == "ernel-test"


def test_bounds_that_became_narrower_leave_living_kernels_to_their_users(find: Find) -> None:
    """A restart, a pause and a server that takes a kernel up change the spec, and nothing that a bound is about."""
    values = ["images={a}", "env={A}", "claims={c}", "maxResources.memory=4Gi", "maxIdleTimeoutSeconds=600"]
    policy = find(
        "ValidatingAdmissionPolicy", "kubernel-system-kernel-bounds", None, *(f"--set=kernelBounds.{v}" for v in values)
    )
    of_all = {expression: expression.partition(" || ")[0] for expression in expressions(policy)}
    once = [expression for expression, first in of_all.items() if first == "request.operation != 'CREATE'"]
    unless_changed = [
        e for e, first in of_all.items() if first.startswith("(request.operation == 'UPDATE' && has(oldObject")
    ]
    assert (len(once), len(unless_changed)) == (2, 3)
    of_templates = expressions(find("ValidatingAdmissionPolicy", "kubernel-system-template-bounds"))
    durations_of = [e for e in of_templates if "lifecycle" in e]
    assert len(durations_of) == len(durations())
    assert [e for e in durations_of if "oldObject.spec.lifecycle." not in e] == []
