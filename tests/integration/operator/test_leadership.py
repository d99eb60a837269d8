"""Two operators, one of which leads: what one of them begins the other one ends, and nothing is done twice."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fixtures.operator_process import OperatorProcess
from fixtures.waiting import wait_until
from kubernel_api.constants import LABEL_INSTANCE

from .conftest import Place
from .fault_proxy import Fault
from .kernels import Kernel, Kernels

LEASE = "leases/kubernel-operator"
# What no node has: such pods stay pending and cost nothing.
NOWHERE = {"kubernel.test/nowhere": "true"}
TAKEOVER_SECONDS = 20.0
# During all takeovers together: `make test-takeovers` has 1,000.
STARTS = int(os.environ.get("STARTS", "80"))


class Pair:
    """Two operators of one namespace, with one address for callbacks, as behind a Service; or with one each."""

    def __init__(self, place: Place, *, one_address: bool = True) -> None:
        self.place = place
        port = place.operator.callback_port if one_address else None
        second = place.build_operator("second.log", callback_port=port)
        self.operators = {"operator": place.operator, "second": second}
        second.start()

    def holder(self) -> str:
        """Who holds the Lease, by the name of its log."""
        lease = self.place.api.request("GET", self.place.kernels.path(LEASE, group="coordination.k8s.io/v1"))
        holder: str = lease["spec"]["holderIdentity"]
        return holder

    def leader(self) -> OperatorProcess:
        """The one that leads."""
        return self.operators[wait_until("a leader", self.holder, seconds=TAKEOVER_SECONDS)]

    def take_over(self, end: Callable[[OperatorProcess], None]) -> None:
        """The leader ends in some way, the other one leads, and the first one comes back as its standby."""
        before = self.holder()
        end(self.operators[before])
        wait_until("a takeover", lambda: self.holder() not in ("", before), seconds=TAKEOVER_SECONDS)
        if self.operators[before].process is None:
            self.operators[before].start()

    def close(self) -> None:
        """Ends the second one; the first one leads again."""
        if self.operators["second"].process is not None:
            self.operators["second"].stop()
        print(f"--- second operator\n{self.operators['second'].log.read_text()}")


@pytest.fixture
def pair(make_place: Callable[..., Place]) -> Iterator[Pair]:
    """A leader and its standby."""
    pair = Pair(make_place())
    yield pair
    pair.close()


def kill(operator: OperatorProcess) -> None:
    operator.kill()


def stop(operator: OperatorProcess) -> None:
    operator.stop()


def owners(kernels: Kernels, resource: str) -> list[str]:
    """The KernelInstance of each object of that resource."""
    found = kernels.api.request("GET", kernels.path(resource), labelSelector=LABEL_INSTANCE)["items"]
    return [each["metadata"]["labels"][LABEL_INSTANCE] for each in found]


def reasons(kernels: Kernels) -> set[str | None]:
    """What any of them waits for."""
    found = kernels.api.request("GET", kernels.instance_path())["items"]
    return {each.get("status", {}).get("reason") for each in found}


def children(kernel: Kernel) -> tuple[list[str], int, int]:
    return kernel.child_names("pods"), len(kernel.children("secrets")), len(kernel.children("services"))


@pytest.mark.timeout(400 + 2 * STARTS)  # ten operators start one after the other
def test_ten_takeovers_during_a_stream_of_starts(pair: Pair) -> None:
    """Each kernel gets one of each child, whoever made it."""
    ends = [stop, kill, stop, stop, stop, kill, stop, stop, stop, stop]
    kernels: list[Kernel] = []
    for end in ends:
        kernels += [pair.place.kernels.create(connection={}, nodeSelector=NOWHERE) for _ in range(STARTS // len(ends))]
        pair.take_over(end)
    wait_until("every pod's verdict", lambda: reasons(pair.place.kernels) == {"Unschedulable"}, seconds=60 + STARTS)
    made = {resource: Counter(owners(pair.place.kernels, resource)) for resource in ("pods", "secrets", "services")}
    each = Counter(kernel.name for kernel in kernels)
    assert made == {"pods": each, "secrets": each + each, "services": each}


@pytest.mark.parametrize("end", [kill, stop], ids=["killed", "stopped"])
def test_what_happens_while_nobody_leads_is_told_afterwards(pair: Pair, end: Callable[..., None]) -> None:
    kernels = pair.place.kernels
    running, dying, restarted, deleted = (kernels.start(connection={}) for _ in range(4))
    leader, standby = pair.leader(), next(o for o in pair.operators.values() if o is not pair.leader())
    standby.pause()
    end(leader)
    dying.do("os._exit(42)")
    restarted.restart(1)
    deleted.delete()
    created = kernels.create()
    standby.resume()
    created.ready()
    restarted.ready(1)
    assert dying.exited()["exitCode"] == 42
    deleted.gone()
    assert children(restarted) == ([f"{restarted.name}-1"], 2, 1)
    assert (running.status["phase"], running.child_names("pods")) == ("Running", [f"{running.name}-1"])
    leader.start()


@pytest.fixture
def two_addresses(make_place: Callable[..., Place]) -> Iterator[Pair]:
    """A leader that still listens when it is paused, and its standby."""
    pair = Pair(make_place(), one_address=False)
    yield pair
    pair.close()


def test_a_paused_leader_writes_nothing_when_it_wakes_up(two_addresses: Pair) -> None:
    """SIGSTOP, as a machine that hangs: its tasks wake up in the middle of whatever they did."""
    pair, place = two_addresses, two_addresses.place
    sleeper = pair.leader()
    assert sleeper.process is not None
    sleeper.pause()
    wait_until("a takeover", lambda: pair.leader() is not sleeper, seconds=TAKEOVER_SECONDS)
    kernels = [place.kernels.create(nodeSelector=NOWHERE) for _ in range(4)]
    for kernel in kernels:
        kernel.reason("Unschedulable")
    said = len(sleeper.log.read_text())
    os.kill(sleeper.process.pid, signal.SIGCONT)
    wait_until("the sleeper's notice", lambda: "Not leading any more" in sleeper.log.read_text()[said:], seconds=30)
    for kernel in kernels:
        kernel.patch(lifecycle={"startDeadlineSeconds": 1})
        kernel.reason("StartTimeout")
    assert pair.leader() is not sleeper
    assert not [line for line in sleeper.log.read_text()[said:].splitlines() if ": create " in line]


def test_the_api_server_is_away_longer_than_the_lease(pair: Pair) -> None:
    """Nobody leads meanwhile, no process ends, and one of the two goes on and hears what happened."""
    place = pair.place
    kernel = place.kernels.start()
    leader = pair.leader()
    place.proxy.rule = lambda _: Fault(cut="before")
    place.proxy.cut_watches()
    wait_until("the leader's notice", lambda: "Not leading any more" in leader.log.read_text(), seconds=60)
    kernel.do("os._exit(42)")
    place.proxy.reset()
    assert kernel.exited()["exitCode"] == 42
    place.kernels.start()
    assert [o.process and o.process.poll() for o in pair.operators.values()] == [None, None]
