"""An operator beside others: a second one, people who delete its children, networks that stop its callbacks."""

from collections.abc import Callable

from .conftest import Place
from .kernels import FAKE_ARGV, Kernels

CLOSED = "--callback-url=http://127.0.0.1:9/v1/callback"  # in the pod: its own loopback, where nobody listens


def test_created_while_no_operator_runs(place: Place) -> None:
    place.operator.kill()
    kernel = place.kernels.create()
    assert kernel.status["reason"] == "WaitingForOperator"
    place.ensure_operator()
    kernel.ready()


def test_two_operators_at_once(place: Place) -> None:
    """One of each child, one state, and no fight over the status afterwards."""
    second = place.build_operator("second.log")
    second.start()
    try:
        kernels = [place.kernels.create(connection={}) for _ in range(4)]
        for kernel in kernels:
            kernel.ready()
            assert (kernel.child_names("pods"), len(kernel.children("secrets"))) == ([f"{kernel.name}-1"], 2)
            kernel.restart(1)
        for kernel in kernels:
            kernel.ready(1)
            kernel.do("os._exit(42)")
        for kernel in kernels:
            assert (kernel.exited()["exitCode"], kernel.status["phase"]) == (42, "Exited")
        versions = [kernel.get()["metadata"]["resourceVersion"] for kernel in kernels]
        place.kernels.start()
        assert [kernel.get()["metadata"]["resourceVersion"] for kernel in kernels] == versions
    finally:
        second.kill()


def test_two_releases_that_watch_the_same_namespace(place: Place) -> None:
    """By mistake: each has its own Lease and key, so both act. One pod, one state, and no fight over the status."""
    second = place.build_operator("other.log", "--operator-secret-name=other", "--lease-name=other")
    second.start()
    try:
        kernels = [place.kernels.create(connection={}) for _ in range(4)]
        for kernel in kernels:
            kernel.ready()
            kernel.wait("its control port", lambda kernel=kernel: "controlPort" in kernel.status["connection"])
            assert kernel.child_names("pods") == [f"{kernel.name}-1"]
        place.kernels.start()
        versions = [kernel.get()["metadata"]["resourceVersion"] for kernel in kernels]
        for _ in range(3):  # each of which takes some time
            place.kernels.start()
        assert [kernel.get()["metadata"]["resourceVersion"] for kernel in kernels] == versions
        for kernel in kernels:
            kernel.do("os._exit(42)")
            assert kernel.exited()["exitCode"] == 42
    finally:
        second.kill()


def test_callbacks_do_not_get_through(make_place: Callable[..., Place]) -> None:
    """The pod and a probe say the same, later: Ready, a restart in place, the exit status."""
    place = make_place(CLOSED)
    kernel = place.kernels.start(connection={})
    assert kernel.status["connection"]["controlPort"] == 18886
    kernel.restart(1)
    kernel.ready(1)
    assert kernel.child_names("pods") == [f"{kernel.name}-1"]
    slow = place.kernels.create(argv=["sh", "-c", 'sleep 2; exec "$@"', "sh", *FAKE_ARGV])
    slow.ready()
    slow.do("os._exit(42)")
    assert slow.exited()["exitCode"] == 42


def test_a_secret_that_somebody_deletes(kernels: Kernels) -> None:
    """The kernel runs on and can be restarted in place. No other key is made: clients hold on to the old one."""
    kernel = kernels.start()
    for secret in kernel.child_names("secrets"):
        kernels.api.request("DELETE", kernels.path("secrets", secret))
    kernel.restart(1)
    kernel.ready(1)
    assert kernel.children("secrets") == []
