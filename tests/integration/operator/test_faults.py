"""The API server is away, slow, busy, forgetful: nothing is lost, nobody is declared dead."""

import http.client
import subprocess
from collections.abc import Callable

import pytest

from fixtures.waiting import wait_until
from kubernel_api.conditions import ConditionType, find_condition

from .conftest import Place, only
from .fault_proxy import Fault, Request
from .kernels import Kernel, Kernels

AWAY = Fault(cut="before")
NOWHERE = {"nodeSelector": {"kubernel.test/nowhere": "true"}}


def outage(place: Place) -> None:
    """From now on every request and every watch fails."""
    place.proxy.rule = lambda _: AWAY
    place.proxy.cut_watches()


def failed_attempts(place: Place, number: int) -> None:
    """Until the operator has tried so often in vain."""
    before = len(place.proxy.requests)
    wait_until("attempts", lambda: len(place.proxy.requests) >= before + number, seconds=60)


def test_api_server_away(place: Place) -> None:
    """What went on runs on and is not touched; what was to happen happens afterwards."""
    kernels = place.kernels
    quiet, crashing, restarted, deleted = (kernels.create() for _ in range(4))
    quiet.ready()
    version = quiet.get()["metadata"]["resourceVersion"]
    for kernel in (crashing, restarted, deleted):
        kernel.ready()
    outage(place)
    crashing.do("os._exit(42)")
    restarted.restart(1)
    deleted.delete()
    new = kernels.create()
    failed_attempts(place, 10)
    place.proxy.rule = lambda _: Fault()
    assert crashing.exited()["exitCode"] == 42
    restarted.ready(1)
    new.ready()
    assert quiet.get()["metadata"]["resourceVersion"] == version
    deleted.gone()
    ready = find_condition(restarted.status["conditions"], ConditionType.READY)
    assert ready is not None
    assert ready["status"] == "True"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=429), id="429"),
        pytest.param(Fault(status=500), id="500"),
        pytest.param(Fault(status=503), id="503"),
        pytest.param(Fault(cut="before"), id="connection lost before"),
        pytest.param(Fault(cut="after"), id="answer lost"),
        pytest.param(Fault(seconds=1.5), id="slow"),
    ],
)
def test_every_write_goes_wrong_twice(place: Place, fault: Fault) -> None:
    attempts: dict[Request, int] = {}

    def rule(request: Request) -> Fault:
        attempts[request] = attempts.get(request, 0) + 1
        return fault if request.is_write and attempts[request] <= 2 else Fault()

    place.proxy.rule = rule
    kernel = place.kernels.create(connection={})
    kernel.ready()
    key = kernel.key()
    kernel.restart(1)
    kernel.ready(1)
    assert (kernel.child_names("pods"), kernel.child_names("services")) == (
        [f"{kernel.name}-1"],
        [f"kernel-{kernel.name}"],
    )
    assert kernel.key() == key
    assert max(attempts.values()) > 1


def test_watches_that_break_are_built_anew(place: Place) -> None:
    for _ in range(3):
        place.proxy.cut_watches()
        place.kernels.start()


def test_watches_that_are_refused_as_too_old(make_place: Callable[..., Place]) -> None:
    """410 at a watch's start ends kopf; what vanished meanwhile is found without waiting for the next sweep."""
    place = make_place()
    kernel = place.kernels.create(**NOWHERE)
    kernel.reason("Unschedulable")
    place.proxy.rule = lambda request: Fault(status=410) if request.verb == "watch" else Fault()
    place.proxy.cut_watches()
    wait_until("a refused watch", lambda: list(filter(only(verb="watch"), place.proxy.requests[-5:])), seconds=30)
    kernel.delete_pod(f"{kernel.name}-1")
    kernel.wait("no pod", lambda: not kernel.children("pods"))
    place.proxy.rule = lambda _: Fault()
    kernel.reason("PodDeleted")
    place.kernels.start()


def test_a_deletion_that_no_watch_told(place: Place) -> None:
    kernel = place.kernels.create(**NOWHERE)
    kernel.reason("Unschedulable")
    place.proxy.hides = lambda event: event["type"] == "DELETED"
    kernel.delete_pod(f"{kernel.name}-1")
    kernel.reason("PodDeleted")


def test_started_while_the_api_server_is_away(place: Place) -> None:
    """It lives, says what it waits for, and obeys SIGTERM."""
    place.operator.kill()
    outage(place)
    with place.operator.log.open("ab") as log:
        process = subprocess.Popen(place.operator.command, env=place.operator.environment, stdout=log, stderr=log)
    try:
        wait_until("/healthz", lambda: probe(place, "/healthz")[0] == 200, seconds=30)
        assert probe(place, "/readyz") == (503, "the API server has not answered yet\n")
    finally:
        process.terminate()
    assert process.wait(timeout=10) == 0


def probe(place: Place, path: str) -> tuple[int, str]:
    """What the operator answers to the kubelet."""
    connection = http.client.HTTPConnection("127.0.0.1", place.operator.health_port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return 0, str(error)
    finally:
        connection.close()


def test_a_status_that_somebody_else_writes_at_the_same_time(kernels: Kernels) -> None:
    """409: it is computed anew, and nothing of the other's is lost."""
    kernel = kernels.start()
    kernel.do("os._exit(1)")
    for number in range(20):
        label = {"metadata": {"labels": {"number": str(number)}}}
        kernels.api.request("PATCH", kernels.instance_path(kernel.name), label)
    assert kernel.exited()["exitCode"] == 1
    assert kernel.get()["metadata"]["labels"] == {"number": "19"}


def test_no_kernel_is_written_to_at_rest(place: Place, kernels: Kernels) -> None:
    """Each kernel that these faults left behind is at rest: nobody fights over it."""
    kernel: Kernel = kernels.start()
    place.proxy.reset()
    place.proxy.cut_watches()
    kernels.start()
    assert place.proxy.writes(kernel.name) == []
