"""Whether an API server can resize pods."""

from typing import Any

import pytest

from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.act.discovery import can_resize_pods


class Server:
    """Answers the one question, or fails."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def get(self, path: str) -> Any:
        assert path == "/api/v1"
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"resources": [{"name": name} for name in self.answer]}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (["pods", "pods/resize", "pods/status"], True),
        (["pods", "pods/status"], False),
        (ApiError(403, "Forbidden", "no discovery"), True),
    ],
)
async def test_what_it_says(answer: Any, found: bool) -> None:
    assert await can_resize_pods(Server(answer)) is found  # type: ignore[arg-type]


async def test_nobody_answers() -> None:
    with pytest.raises(ApiUnavailableError):
        await can_resize_pods(Server(ApiUnavailableError("away")))  # type: ignore[arg-type]
