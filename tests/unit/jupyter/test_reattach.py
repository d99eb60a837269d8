"""A server that starts looks for its owner's kernels, also when the cluster does not answer at once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.waiting import until
from kubernel_jupyter import reattach
from kubernel_provisioner.errors import ClusterBusyError, ClusterUnreachableError, KubernelError, NotPermittedError
from kubernel_provisioner.launch.claiming import Left

UNREACHABLE = ClusterUnreachableError("Nobody answers.")


def left(kernel_id: str) -> Left:
    session = {"id": f"s-{kernel_id}", "path": f"{kernel_id}.ipynb", "name": kernel_id, "type": "notebook"}
    return Left({}, kernel_id, "science", session)


class Place:
    """A provisioner that finds what it is told, one answer after the other; None: it never answers."""

    def __init__(self, *answers: list[Left] | KubernelError | None) -> None:
        self.answers = list(answers)

    async def find_left(self) -> list[Left]:
        answer = self.answers.pop(0)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, KubernelError):
            raise answer
        return answer or []


class Server:
    """A server with places; what it has taken up, and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *places: Place) -> None:
        self.taken: list[str] = []
        self.said: list[str] = []
        self.open: list[str] = []
        self.searches: set[asyncio.Task[None]] = set()
        self.log = SimpleNamespace(warning=lambda text, *values: self.said.append(text % values))
        monkeypatch.setattr(reattach, "_places", lambda _: places)
        monkeypatch.setattr(reattach, "_take_up", self.take_up)
        monkeypatch.setattr(reattach, "FIND_SECONDS", 0.05)
        monkeypatch.setattr(reattach, "RETRY_SECONDS", 0.001)

    async def take_up(self, kernels: Any, sessions: Any, found: Left) -> None:
        self.taken.append(found.kernel_id)

    async def list_sessions(self) -> list[dict[str, Any]]:
        return [{"path": path} for path in self.open]

    async def start(self) -> None:
        await reattach.take_up_all(self, self)  # type: ignore[arg-type]


async def test_what_is_found_at_once_is_there_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, Place([left("a"), left("b")]), Place([left("c")]), Place([]))
    await server.start()
    assert (server.taken, server.said, server.searches) == (["a", "b", "c"], [], set())


async def test_a_cluster_that_answers_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the log says why once, and again when that has changed."""
    busy = ClusterBusyError("It is busy.")
    answers = [UNREACHABLE, UNREACHABLE, UNREACHABLE, busy, busy, UNREACHABLE, [left("late")]]
    server = Server(monkeypatch, Place(*answers), Place([left("a")]))
    await server.start()
    assert server.taken == ["a"]
    await until("the other one", lambda: server.taken == ["a", "late"])
    why = ("Nobody answers.", "It is busy.", "Nobody answers.")
    assert server.said == [f"Kernels of an earlier server were not found: {each}" for each in why]


async def test_the_notebook_has_another_kernel_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, Place(UNREACHABLE, [left("a"), left("b")]))
    server.open = ["a.ipynb"]
    await server.start()
    await asyncio.gather(*server.searches)
    assert server.taken == ["b"]
    assert server.said[1:] == ["Kernel a stays as it is: its notebook has another one by now"]


async def test_a_cluster_that_never_answers_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, Place(None))
    await server.start()
    (search,) = server.searches
    await until("a word of it", lambda: server.said)
    search.cancel()
    assert (server.taken, "has not answered within" in server.said[0]) == ([], True)


async def test_who_is_not_permitted_does_not_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, Place(NotPermittedError("You may not list them.")))
    await server.start()
    await asyncio.gather(*server.searches)
    assert server.said == ["Kernels of an earlier server were not found: You may not list them."]
