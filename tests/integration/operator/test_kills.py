"""The operator is killed before and after each of its writes; what comes out is the same.

SIGKILL by the proxy, at the moment in which the request has arrived and was not forwarded, or was answered and the
answer not handed on. What else was on its way is cut off.
"""

from collections.abc import Iterator

import pytest

from fixtures.waiting import wait_until
from kubernel_api.conditions import ConditionType, is_true

from .conftest import Place, only
from .fault_proxy import Fault
from .kernels import Kernel

WHEN = [pytest.param("before", id="before"), pytest.param("after", id="after")]
STATUS = "kernelinstances/status"


def assert_one_of_each(kernel: Kernel, pod: str) -> None:
    """One pod, one Secret, one Service, and a status that says so."""
    kernel.wait("one pod", lambda: kernel.child_names("pods") == [pod])
    assert (len(kernel.children("secrets")), kernel.child_names("services")) == (2, [f"kernel-{kernel.name}"])
    status = kernel.status
    assert is_true(status, ConditionType.READY)
    (service,) = kernel.children("services")
    assert (status["podName"], status["connection"]["ip"]) == (pod, service["spec"]["clusterIP"])


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("verb", "resource"),
    [("create", "secrets"), ("create", "services"), ("create", "pods"), ("patch", STATUS)],
    ids=["secret", "service", "pod", "status"],
)
def test_cold_start(place: Place, verb: str, resource: str, when: str) -> None:
    place.kill_at(only(verb=verb, resource=resource), when)
    kernel = place.kernels.create(connection={})
    place.revive()
    kernel.ready()
    assert_one_of_each(kernel, f"{kernel.name}-1")


@pytest.fixture
def gate(place: Place) -> Iterator["Gate"]:
    """A node label without which pods stay pending."""
    gate = Gate(place)
    yield gate
    gate.label(None)


class Gate:
    """Holds pods back until it is opened."""

    def __init__(self, place: Place) -> None:
        self._api = place.api
        self._label = f"kubernel.test/gate-{place.namespace}"  # others may have one at the same time
        self.selector = {self._label: "open"}

    def open(self) -> None:
        """All pods may run."""
        self.label("open")

    def label(self, value: str | None) -> None:
        for node in self._api.request("GET", "/api/v1/nodes")["items"]:
            if not node["spec"].get("taints"):  # not one that a test made up
                path = f"/api/v1/nodes/{node['metadata']['name']}"
                self._api.request("PATCH", path, {"metadata": {"labels": {self._label: value}}})


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("verb", "resource"),
    [("delete", "pods"), ("create", "pods"), ("patch", STATUS)],
    ids=["deletion of the old pod", "new pod", "status"],
)
def test_restart_with_a_new_pod(place: Place, gate: Gate, verb: str, resource: str, when: str) -> None:
    kernel = place.kernels.create(connection={}, nodeSelector=gate.selector)
    kernel.reason("Unschedulable")
    key = kernel.key()
    place.kill_at(only(verb=verb, resource=resource), when)
    kernel.restart(1)
    place.revive()
    gate.open()
    kernel.ready(1)
    assert_one_of_each(kernel, f"{kernel.name}-2")
    assert kernel.key() == key


def test_killed_when_the_new_pod_was_made_and_the_old_one_not_deleted(place: Place, gate: Gate) -> None:
    kernel = place.kernels.create(connection={}, nodeSelector=gate.selector)
    kernel.reason("Unschedulable")
    place.kill_at(only(verb="create", resource="pods"), "after")
    kill = place.proxy.rule
    place.proxy.rule = lambda request: Fault(cut="before") if request.verb == "delete" else kill(request)
    kernel.restart(1)
    wait_until("the operator's death", place.is_killed, seconds=30)
    assert kernel.child_names("pods") == [f"{kernel.name}-1", f"{kernel.name}-2"]
    place.revive()
    gate.open()
    kernel.ready(1)
    assert_one_of_each(kernel, f"{kernel.name}-2")


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("verb", "resource"),
    [("patch", STATUS), ("create", "events"), ("delete", "pods"), ("delete", "kernelinstances")],
    ids=["status", "event", "deletion of the pod", "deletion of the instance"],
)
def test_end_and_time_to_live(place: Place, verb: str, resource: str, when: str) -> None:
    kernel = place.kernels.start(connection={})
    place.kill_at(only(verb=verb, resource=resource), when)
    # With no time to live at all the object goes at once, and its pod with it.
    ttl = 1 if resource == "pods" else 0
    kernel.patch(lifecycle={"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": ttl})
    place.revive()
    kernel.gone()


def test_end_is_said_once(place: Place) -> None:
    """An operator that comes back after its last word repeats nothing."""
    kernel = place.kernels.start()
    place.kill_at(only(verb="patch", resource=STATUS), "after")
    kernel.do("os._exit(42)")
    place.revive()
    assert kernel.exited()["exitCode"] == 42
    version = kernel.get()["metadata"]["resourceVersion"]
    place.kernels.start()
    assert kernel.get()["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize("when", WHEN)
def test_a_crash_is_explained(place: Place, when: str) -> None:
    """The supervisor's report was taken by an operator that wrote it nowhere; the next one asks."""
    place.kill_at(only(verb="patch", resource=STATUS), when)
    kernel = place.kernels.create(kernel={"argv": ["sh", "-c", "echo broken >&2; exit 3"]})
    place.revive()
    kernel.reason("KernelCrashed")
    assert kernel.status["message"] == "The kernel ended with exit code 3. Its last output:\nbroken"
