"""The key from which all tokens derive."""

import asyncio
import base64

import pytest

from fixtures.fake_cluster import FakeCluster
from kubernel_cluster.errors import ApiError
from kubernel_operator.act.operator_key import read_operator_key

PATH = "/api/v1/namespaces/system/secrets/token"


def read(cluster: FakeCluster) -> bytes:
    return asyncio.run(read_operator_key(cluster, "system", "token"))  # type: ignore[arg-type]


def test_it_is_made_once() -> None:
    cluster = FakeCluster()
    key = read(cluster)
    assert len(key) == 32
    assert read(cluster) == key
    assert cluster.writes() == [("create", "secrets")]
    assert cluster.objects[PATH]["immutable"] is True


def test_an_existing_one_is_kept() -> None:
    cluster = FakeCluster()
    cluster.put(PATH, {"metadata": {"name": "token"}, "data": {"key": base64.b64encode(b"mine").decode()}})
    assert read(cluster) == b"mine"
    assert cluster.writes() == []


def test_two_operators_that_start_at_once_end_with_the_same() -> None:
    cluster = FakeCluster()

    async def both() -> list[bytes]:
        return await asyncio.gather(*(read_operator_key(cluster, "system", "token") for _ in range(2)))  # type: ignore[arg-type]

    first, second = asyncio.run(both())
    assert first == second


def test_a_missing_right_is_said() -> None:
    cluster = FakeCluster()
    cluster.refusals["secrets"] = ApiError(403, "Forbidden", "cannot create secrets")
    with pytest.raises(ApiError, match="cannot create secrets"):
        read(cluster)
