"""An operator that does not lead writes nothing."""

from typing import Any

import pytest

from kubernel_cluster.cluster import Cluster
from kubernel_operator.act.fence import FencedCluster, NotLeadingError


class Recording(Cluster):
    """Answers everything with an empty object."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # it never sends anything
        self.methods: list[str] = []

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.methods.append(method)
        return {}


async def each_way(cluster: Cluster) -> list[str]:
    """The names of the ways to write that were refused."""
    refused = []
    for name, way in {
        "create": lambda: cluster.create("/p", {}),
        "delete": lambda: cluster.delete("/p/x", uid="1"),
        "patch": lambda: cluster.merge_patch("/p/x", {}),
    }.items():
        try:
            await way()  # type: ignore[no-untyped-call]
        except NotLeadingError:
            refused.append(name)
    return refused


@pytest.mark.parametrize(
    ("leads", "refused", "methods"),
    [
        pytest.param(True, [], ["POST", "DELETE", "PATCH", "GET", "GET"], id="leads"),
        pytest.param(False, ["create", "delete", "patch"], ["GET", "GET"], id="does not lead"),
    ],
)
async def test_who_may_write(leads: bool, refused: list[str], methods: list[str]) -> None:
    recording = Recording()
    fenced = FencedCluster(recording, lambda: leads)
    assert await each_way(fenced) == refused
    await fenced.get("/p/x")
    await fenced.list("/p")
    assert recording.methods == methods
