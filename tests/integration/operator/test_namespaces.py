"""An operator with a Role in each of several namespaces, some of which come and go."""

from collections.abc import Iterator

import pytest

from fixtures.namespaces import PREFIX_OF_PROCESSES, create_namespace, remove_namespace
from fixtures.waiting import wait_until

from .conftest import Place
from .fault_proxy import HEALTHY, Fault, Request
from .kernels import Kernels

# Whom no Role gives any right.
NOBODY = Fault(user="kubernel-test-nobody")


@pytest.fixture
def other(place: Place) -> Iterator[str]:
    """A second namespace."""
    name = create_namespace(place.api, PREFIX_OF_PROCESSES)
    yield name
    place.proxy.reset()
    remove_namespace(place.api, name)


def test_a_namespace_without_its_role_does_not_hold_up_another(place: Place, other: str) -> None:
    """As after the namespace was deleted, and made again without the Role: it is looked after once that is there."""

    def without_role(request: Request) -> Fault:
        return NOBODY if request.namespace == other else HEALTHY

    place.operator.stop()
    place.proxy.rule = without_role
    namespaces = f"--watch-namespaces={other},{place.namespace}"
    operator = place.build_operator("two-namespaces.log", namespaces, "--sweep-interval-seconds=2")
    operator.start()
    try:
        place.kernels.start()
        waits = Kernels(place.api, other).create()
        wait_until("it is said", lambda: f"Namespace {other} is left alone" in operator.log.read_text(), seconds=30)
        assert "status" not in waits.get() or waits.get()["status"].get("podName") is None
        place.proxy.rule = lambda _: HEALTHY
        waits.ready()
    finally:
        operator.stop()
