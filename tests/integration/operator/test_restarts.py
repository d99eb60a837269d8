"""A restart keeps address and key, whatever becomes of the pod."""

from .conftest import Place
from .kernels import Kernel, Kernels

FINALIZER = "kubernel.test/hold"


def identity(kernel: Kernel) -> tuple[dict[str, object], str]:
    """What clients hold on to."""
    connection = {k: v for k, v in kernel.status["connection"].items() if k != "podIP"}
    return connection, kernel.key()


def test_twenty_in_a_row(kernels: Kernels) -> None:
    """In place: the same pod all the time."""
    kernel = kernels.start(connection={})
    before, pods = identity(kernel), kernel.child_names("pods")
    for generation in range(1, 21):
        kernel.restart(generation)
        kernel.ready(generation)
    assert identity(kernel) == before
    assert kernel.child_names("pods") == pods
    assert kernel.status["restartCount"] == 20
    assert "exit" not in kernel.status


def test_a_storm_ends_with_the_newest(kernels: Kernels) -> None:
    kernel = kernels.start()
    for generation in range(1, 8):
        kernel.restart(generation)
    kernel.ready(7)
    assert len(kernel.children("pods")) == 1


def test_after_a_crash(kernels: Kernels) -> None:
    kernel = kernels.start()
    pods = kernel.child_names("pods")
    kernel.do("os._exit(1)")
    kernel.exited()
    kernel.restart(1)
    kernel.ready(1)
    assert kernel.child_names("pods") == pods
    assert "exit" not in kernel.status


def test_after_the_pod_was_deleted(kernels: Kernels) -> None:
    kernel = kernels.start(connection={})
    before = identity(kernel)
    kernel.delete_pod(f"{kernel.name}-1")
    kernel.reason("PodDeleted")
    kernel.restart(1)
    kernel.ready(1)
    assert kernel.status["podName"] == f"{kernel.name}-2"
    assert identity(kernel) == before
    kernel.wait("one pod", lambda: kernel.child_names("pods") == [f"{kernel.name}-2"])


def test_while_the_old_pod_hangs(kernels: Kernels) -> None:
    """A pod that is stuck in Terminating blocks nothing."""
    kernel = kernels.start()
    old = kernels.path("pods", f"{kernel.name}-1")
    kernels.api.request("PATCH", old, {"metadata": {"finalizers": [FINALIZER]}})
    try:
        kernel.delete_pod(f"{kernel.name}-1")
        kernel.exited()
        kernel.restart(1)
        kernel.ready(1)
        assert kernel.child_names("pods") == [f"{kernel.name}-1", f"{kernel.name}-2"]
        assert kernel.status["podName"] == f"{kernel.name}-2"
    finally:
        kernels.api.request("PATCH", old, {"metadata": {"finalizers": None}})


def test_asked_for_while_no_operator_runs(place: Place) -> None:
    kernel = place.kernels.start()
    place.operator.kill()
    kernel.restart(1)
    place.ensure_operator()
    kernel.ready(1)
    assert kernel.child_names("pods") == [f"{kernel.name}-1"]


def test_an_end_that_no_operator_saw(place: Place) -> None:
    """The supervisor keeps its report until an operator takes it."""
    kernel = place.kernels.start()
    place.operator.kill()
    kernel.do("os._exit(42)")
    place.ensure_operator()
    assert kernel.exited()["exitCode"] == 42
