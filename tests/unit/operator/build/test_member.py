"""What becomes of a pool's pod when it is a kernel's."""

from typing import Any

from fixtures.objects import SETTINGS, cr, template
from kubernel_operator.build.member import binding_of, claim_of_pod
from kubernel_operator.build.pod import STAYS


def annotations(**fields: Any) -> list[Any]:
    """Those that keep it from being moved, as its claim sets them; None: it does not."""
    patch = claim_of_pod(cr(), SETTINGS, pod_uid="p", pool_uid="q", age=0.0, **fields)
    told = {step["path"]: step.get("value") for step in patch}
    return [told.get(f"/metadata/annotations/{name.replace('/', '~1')}") for name in STAYS]


def test_a_claimed_pod_stays_where_it_is() -> None:
    assert annotations(template=None) == list(STAYS.values())


def test_a_template_may_let_it_be_moved() -> None:
    """Its word is on the pod already."""
    movable = {"metadata": {"annotations": dict.fromkeys(list(STAYS)[:2], "its own")}}
    assert annotations(template=template(pod=movable)) == [None, None, "true"]


def test_a_claimed_pod_remembers_the_longest_idle_timeout() -> None:
    """It holds when a change of the spec takes its own timeout away."""
    spec = cr(lifecycle={"idleTimeoutSeconds": 60})
    bounded = template(bounds={"maxIdleTimeoutSeconds": 300})
    patch = claim_of_pod(spec, SETTINGS, bounded, pod_uid="p", pool_uid="q", age=0.0)
    told = {step["path"]: step.get("value") for step in patch}
    assert told["/metadata/annotations/kubernel.dev~1idle-timeout-seconds"] == "300"
    assert binding_of(spec, SETTINGS, bounded).idle_timeout_seconds == 60
    assert binding_of(cr(), SETTINGS, bounded).idle_timeout_seconds == 300
