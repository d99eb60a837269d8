"""What one server does to kernels that are, or were, its own."""

from typing import Any

import pytest

from fixtures.fake_api_server import KERNEL, FakeApiServer, failure, instance
from kubernel_cluster.errors import ApiError
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.ownership import delete_own


@pytest.mark.parametrize(
    ("answers", "found", "is_deleted", "versions"),
    [
        pytest.param([(200, {})], instance(), True, ["5"], id="as it was"),
        pytest.param([failure(404, "NotFound")], None, True, ["5"], id="gone already"),
        pytest.param([failure(409), (200, {})], instance(version=8), True, ["5", "8"], id="changed meanwhile"),
        pytest.param([failure(409)], instance(uid="u2"), True, ["5"], id="another one by now"),
        pytest.param([failure(409)], None, True, ["5"], id="gone meanwhile"),
        pytest.param([failure(409)], instance(version=8, server="other"), False, ["5"], id="taken over"),
    ],
)
async def test_a_deletion(
    api: Api,
    server: FakeApiServer,
    answers: list[Any],
    found: dict[str, Any] | None,
    is_deleted: bool,
    versions: list[str],
) -> None:
    server.answers["DELETE", KERNEL] = answers
    server.answers["GET", KERNEL] = [failure(404, "NotFound") if found is None else (200, found)]
    assert await delete_own(api, "k-1", "u1", "5", "s") is is_deleted
    bodies = [body for method, _, body in server.requests if method == "DELETE"]
    assert [body["preconditions"] for body in bodies] == [{"uid": "u1", "resourceVersion": v} for v in versions]
    assert {body["propagationPolicy"] for body in bodies} == {"Background"}


async def test_a_deletion_of_an_unknown_version_asks_first(api: Api, server: FakeApiServer) -> None:
    server.answers["DELETE", KERNEL] = [(200, {})]
    server.answers["GET", KERNEL] = [(200, instance(version=7))]
    assert await delete_own(api, "k-1", "u1", None, "s")
    assert server.calls() == [("GET", KERNEL), ("DELETE", KERNEL)]


async def test_a_deletion_that_is_forbidden(api: Api, server: FakeApiServer) -> None:
    server.answers["DELETE", KERNEL] = [failure(403, "Forbidden")]
    with pytest.raises(ApiError):
        await delete_own(api, "k-1", "u1", "5", "s")
