"""A kernel's end is explained, however it comes."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Place
from .kernels import Kernel, Kernels

NOWHERE = {"nodeSelector": {"kubernel.test/nowhere": "true"}}


def exit_of(kernel: Kernel) -> dict[str, Any]:
    """What tells one end from another."""
    known = kernel.exited()
    return {name: known[name] for name in ("exitCode", "signal", "reason", "oomKilled") if name in known}


@pytest.mark.parametrize(
    ("line", "exit_"),
    [
        pytest.param("os._exit(0)", {"exitCode": 0, "reason": "Completed"}, id="exit code 0"),
        pytest.param("os._exit(42)", {"exitCode": 42, "reason": "KernelCrashed"}, id="exit code 42"),
        pytest.param("os._exit(255)", {"exitCode": 255, "reason": "KernelCrashed"}, id="exit code 255"),
        pytest.param(
            "os.kill(os.getpid(), 11)", {"exitCode": 139, "signal": 11, "reason": "KernelCrashed"}, id="signal 11"
        ),
        pytest.param(
            "os.kill(os.getpid(), 9)", {"exitCode": 137, "signal": 9, "reason": "KernelCrashed"}, id="signal 9"
        ),
    ],
)
def test_exit(kernels: Kernels, line: str, exit_: dict[str, Any]) -> None:
    kernel = kernels.start()
    kernel.do(line)
    assert exit_of(kernel) == {**exit_, "oomKilled": False}
    status = kernel.status
    assert (status["phase"], status["exit"]["restartGeneration"]) == ("Exited", 0)


def test_the_last_words_of_a_kernel_that_never_got_ready(kernels: Kernels) -> None:
    kernel = kernels.create(argv=["python3", "-c", "import sys; sys.exit('out of luck')"])
    assert kernel.exited()["message"] == "The kernel ended with exit code 1. Its last output:\nout of luck"


def test_the_output_of_a_user_is_no_status(kernels: Kernels) -> None:
    kernel = kernels.start()
    kernel.do("print('my diary', file=sys.stderr, flush=True); os._exit(1)")
    assert kernel.exited()["message"] == "The kernel ended with exit code 1."


def test_out_of_memory(kernels: Kernels) -> None:
    kernel = kernels.start(resources={"limits": {"memory": "100Mi"}})
    kernel.do("bytearray(300 << 20)")
    assert exit_of(kernel) == {"exitCode": 137, "signal": 9, "reason": "OOMKilled", "oomKilled": True}


def test_evicted(kernels: Kernels) -> None:
    kernel = kernels.start()
    (pod,) = kernel.child_names("pods")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    kernels.api.request("POST", f"{kernels.path('pods', pod)}/eviction", eviction)
    kernel.reason("Evicted")
    assert kernel.exited()["message"].startswith(f"Pod {pod} was evicted.")


def test_pod_deleted(kernels: Kernels) -> None:
    kernel = kernels.start()
    (pod,) = kernel.child_names("pods")
    kernel.delete_pod(pod)
    kernel.reason("PodDeleted")
    assert kernel.exited()["message"] == f"Pod {pod} was deleted by somebody else."


def test_pod_deleted_before_it_ran(kernels: Kernels) -> None:
    kernel = kernels.create(**NOWHERE)
    kernel.reason("Unschedulable")
    (pod,) = kernel.child_names("pods")
    kernel.delete_pod(pod)
    assert exit_of(kernel) == {"reason": "PodDeleted", "oomKilled": False}


def test_start_deadline(kernels: Kernels) -> None:
    """The message says what was last known; the pod does not wait any longer; the object stays for people."""
    kernel = kernels.create(**NOWHERE, lifecycle={"startDeadlineSeconds": 2})
    status = kernel.finished()
    assert (status["phase"], status["reason"]) == ("Failed", "StartTimeout")
    assert status["message"].startswith(
        "The pod cannot be scheduled: 0/"  # of the nodes of this moment
    )
    kernel.wait("no pod", lambda: not kernel.children("pods"))
    kernel.wait("both Events", lambda: {e["reason"] for e in kernel.events()} == {"Unschedulable", "StartTimeout"})
    assert kernel.exists()


def test_active_deadline_and_time_to_live(kernels: Kernels) -> None:
    kernel = kernels.start(lifecycle={"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 2})
    assert kernel.finished()["reason"] == "DeadlineExceeded"
    kernel.wait("no pod", lambda: not kernel.children("pods"))
    kernel.gone()


def test_idle_timeout(kernels: Kernels) -> None:
    kernel = kernels.start(lifecycle={"idleTimeoutSeconds": 1})
    status = kernel.finished()
    assert (status["phase"], status["exit"]["reason"], status["exit"]["signal"]) == ("Failed", "IdleTimeout", 15)


def test_an_idle_timeout_that_comes_later(kernels: Kernels) -> None:
    """M4: it was taken, observed, and did nothing."""
    kernel = kernels.start()
    kernel.patch(lifecycle={"idleTimeoutSeconds": 1})
    kernel.wait_status("it is observed", lambda s: s["observedGeneration"] == kernel.get()["metadata"]["generation"])
    assert kernel.finished()["exit"]["reason"] == "IdleTimeout"


def test_a_time_to_live_that_comes_later(kernels: Kernels) -> None:
    kernel = kernels.start(lifecycle={"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 3600})
    kernel.finished()
    kernel.patch(lifecycle={"ttlSecondsAfterFinished": 0})
    kernel.gone()


def test_finished_is_the_end(kernels: Kernels) -> None:
    """Half a minute after a crash no restart is possible any more; the node was freed."""
    kernel = kernels.start(lifecycle={"activeDeadlineSeconds": 1})
    finished = kernel.finished()
    kernel.restart(1)
    status = kernel.wait_status("the restart to be observed", lambda s: s["observedGeneration"] == 2)
    kernel.wait("no pod", lambda: not kernel.children("pods"))
    conditions = [{**each, "observedGeneration": 2} for each in finished["conditions"]]
    assert status == {**finished, "observedGeneration": 2, "conditions": conditions}


@pytest.mark.parametrize("ahead", [-180, 0, 180])
def test_orphan(place: Place, ahead: int) -> None:
    """One server is dead and one renews its Lease, both by a clock that goes wrong by so many seconds."""
    kernels = place.kernels

    def times() -> dict[str, Any]:
        now = datetime.now(UTC) + timedelta(seconds=ahead)
        return {"renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}

    def lease(name: str, duration: int) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kubernel"}},
            "spec": {"leaseDurationSeconds": duration, **times()},
        }

    path = kernels.path("leases", group="coordination.k8s.io/v1")
    with contextlib.ExitStack() as stack:
        for body in (lease("dead-server", 1), lease("living-server", 15)):
            kernels.api.request("POST", path, body)
            stack.callback(kernels.api.request, "DELETE", f"{path}/{body['metadata']['name']}")
        orphan = kernels.create(lifecycle={"leaseName": "dead-server"})
        cared_for = kernels.start(lifecycle={"leaseName": "living-server"})

        def is_gone() -> bool:
            kernels.api.request("PATCH", f"{path}/living-server", {"spec": times()})
            return not orphan.exists()

        orphan.wait("gone", is_gone)
        assert [(e["reason"], e["type"]) for e in orphan.events()] == [("Orphaned", "Warning")]
        assert cared_for.status["phase"] == "Running"
