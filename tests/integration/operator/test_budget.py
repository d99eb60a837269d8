"""What a kernel costs the API server, counted."""

import time

import pytest

from .conftest import Place
from .kernels import FAKE_ARGV, Kernel

# A start that takes longer may say so: SLOW_START_SECONDS in plan.py.
FAST = 1.0
ATTEMPTS = 10


def fast_start(place: Place, service: str) -> Kernel:
    """A kernel that was ready within a second: the promise is about starts that go well."""
    for _ in range(ATTEMPTS):
        began = time.time()
        kernel = place.kernels.start(connection={"service": service})
        if time.time() - began < FAST:
            return kernel
        kernel.delete()
    pytest.fail(f"none of {ATTEMPTS} starts took less than {FAST} s on this machine")


@pytest.mark.parametrize(
    ("service", "children"),
    [
        pytest.param("ClusterIP", ["create pods {}-1", "create services kernel-{}"], id="five writes"),
        pytest.param("None", ["create pods {}-1"], id="four writes without a Service"),
    ],
)
def test_cold_start(place: Place, service: str, children: list[str]) -> None:
    kernel = fast_start(place, service)
    *creations, status = place.proxy.writes(kernel.name)
    expected = [c.format(kernel.name) for c in children]
    expected += [f"create secrets {secret}" for secret in kernel.child_names("secrets")]
    assert len(expected) == len(children) + 2
    assert sorted(creations) == sorted(expected)
    assert status == f"patch kernelinstances/status {kernel.name}"


def test_a_slow_start_costs_few_more(place: Place) -> None:
    """One word after a second, one when it is ready; Kubernetes' own back and forth is not copied."""
    slow = ("sh", "-c", 'sleep 2; exec "$@"', "sh")
    kernel = place.kernels.create(argv=[*slow, *FAKE_ARGV]).ready()
    patches = [w for w in place.proxy.writes(kernel.name) if w.startswith("patch")]
    assert 2 <= len(patches) <= 4
    assert not [w for w in place.proxy.writes(kernel.name) if "events" in w]


def test_a_restart_in_place_is_one_write(place: Place) -> None:
    kernel = place.kernels.start()
    for generation in range(1, ATTEMPTS):
        place.proxy.reset()
        began = time.time()
        kernel.restart(generation)
        kernel.ready(generation)
        if time.time() - began < FAST:
            assert place.proxy.writes(kernel.name) == [f"patch kernelinstances/status {kernel.name}"]
            return
    pytest.fail(f"no restart took less than {FAST} s on this machine")


def test_idle_kernels_and_an_operator_restart_cost_nothing(place: Place) -> None:
    kernels = [place.kernels.create() for _ in range(4)]
    for kernel in kernels:
        kernel.ready()
    place.operator.kill()
    versions = [kernel.get()["metadata"]["resourceVersion"] for kernel in kernels]
    place.proxy.reset()
    place.ensure_operator()
    other = place.kernels.start()  # the operator has worked since
    own = set(place.proxy.writes(other.name))
    # But for leading, and for a look whether the supervisor is there: its name is taken, so nothing is written.
    assert [w for w in place.proxy.writes() if w not in own and not {"leases", "configmaps"} & set(w.split())] == []
    assert [k.get()["metadata"]["resourceVersion"] for k in kernels] == versions


def test_a_deletion_costs_the_operator_nothing(place: Place) -> None:
    kernel = place.kernels.start(connection={})
    place.proxy.reset()
    kernel.delete()
    kernel.gone()
    assert place.proxy.writes(kernel.name) == []
