"""A real API server, a real operator as a process, and a proxy between them that makes things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.api_client import ApiClient, Credentials
from fixtures.kubectl import Kubectl
from fixtures.namespaces import PREFIX_OF_PROCESSES, create_namespace, remove_namespace
from fixtures.operator_process import OperatorProcess, build_operator
from fixtures.waiting import wait_until

from .fault_proxy import Fault, FaultProxy, Request
from .kernels import Kernels


class Place:
    """A namespace and the operator that looks after it, with a proxy in between."""

    def __init__(self, kubectl: Kubectl, credentials: Credentials, folder: Path, *options: str) -> None:
        self._kubectl, self._folder, self._options = kubectl, folder, options
        self.api = ApiClient(credentials)
        self.namespace = create_namespace(self.api, PREFIX_OF_PROCESSES)
        self.kernels = Kernels(self.api, self.namespace)
        self.proxy = FaultProxy(credentials, folder)
        self.operator = self.build_operator("operator.log")

    def build_operator(self, log: str, *options: str, callback_port: int | None = None) -> OperatorProcess:
        """An operator for this namespace that is not started yet."""
        through_proxy = replace(self._kubectl, kubeconfig=self.proxy.kubeconfig)
        log_path = self._folder / log
        options = (*self._options, *options)
        return build_operator(
            through_proxy, self.namespace, log_path, *options, callback_port=callback_port, forked=True
        )

    def ensure_operator(self) -> None:
        """The operator runs."""
        if self.operator.process is not None and self.operator.process.poll() is not None:
            self.operator.process = None
        if self.operator.process is None:
            self.operator.start()

    def is_killed(self) -> bool:
        """Whether the operator has ended."""
        return self.operator.process is not None and self.operator.process.poll() is not None

    def kill_at(self, fits: Callable[[Request], bool], when: str) -> None:
        """The operator that runs now is killed, by SIGKILL, before or after the first request that fits.

        Of two that it sends at once the second may be answered when the next operator runs already.
        """
        victim = self.operator.process
        assert victim is not None

        def rule(request: Request) -> Fault:
            if self.is_killed():
                return Fault(cut="before")  # it was on its way
            if not fits(request):
                return Fault()
            kill = {when: victim.kill}
            return Fault(before=kill.get("before"), after=kill.get("after"), cut=when)

        self.proxy.rule = rule

    def revive(self) -> None:
        """After a kill: everything works again."""
        wait_until("the operator's death", self.is_killed, seconds=60)
        self.proxy.reset()
        self.ensure_operator()

    def log(self) -> str:
        """What the operator has said so far."""
        return self.operator.log.read_text()

    def close(self) -> None:
        """Nothing may be left over."""
        try:
            self.proxy.reset()
            remove_namespace(self.api, self.namespace)
        finally:
            if self.operator.process is not None:
                self.operator.kill()
            self.proxy.close()
            self.api.close()


@pytest.fixture(scope="session")
def installed(kernel_image: str, pod_network: None) -> None:
    """The image is there, and the operator, a process of this machine, can dial its kernels."""


@pytest.fixture(scope="session")
def shared_place(
    kubectl: Kubectl, credentials: Credentials, installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One place for all tests whose operator has no special options: an operator takes 3 s to start."""
    place = Place(kubectl, credentials, tmp_path_factory.mktemp("place"), "--sweep-interval-seconds=2")
    yield place
    place.close()


@pytest.fixture
def place(shared_place: Place) -> Iterator[Place]:
    """A healthy operator; what it says during the test is shown when the test fails."""
    shared_place.proxy.reset()
    shared_place.ensure_operator()
    said = len(shared_place.log())
    yield shared_place
    shared_place.proxy.reset()
    print(f"--- operator\n{shared_place.log()[said:]}")
    for name in shared_place.kernels.names():
        shared_place.api.request("DELETE", shared_place.kernels.instance_path(name))


@pytest.fixture
def kernels(place: Place) -> Kernels:
    """KernelInstances that a healthy operator looks after."""
    return place.kernels


@pytest.fixture
def make_place(
    kubectl: Kubectl, credentials: Credentials, installed: None, tmp_path: Path
) -> Iterator[Callable[..., Place]]:
    """Makes a place whose operator has options, and starts it."""
    made: list[Place] = []

    def make(*options: str) -> Place:
        place = Place(kubectl, credentials, tmp_path, *options)
        made.append(place)
        place.ensure_operator()
        return place

    yield make
    for place in made:
        place.close()
        print(f"--- operator\n{place.log()}")


def only(**fields: Any) -> Callable[[Request], bool]:
    """Requests with these fields."""
    return lambda request: all(getattr(request, name) == value for name, value in fields.items())
