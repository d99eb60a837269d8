"""The operator as a whole does not outlive one of its parts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kubernel_operator.tasks import until_one_ends


async def fails() -> None:
    raise KeyError("a bug")


async def returns() -> None:
    pass


@pytest.mark.parametrize(
    ("end", "error"),
    [pytest.param(fails, KeyError, id="fails"), pytest.param(returns, RuntimeError, id="returns")],
)
async def test_the_end_of_one_task_is_told(
    end: Callable[[], Coroutine[Any, Any, None]], error: type[Exception]
) -> None:
    goes_on = asyncio.create_task(asyncio.sleep(3600))
    with pytest.raises(error):
        await until_one_ends([goes_on, asyncio.create_task(end())])
    goes_on.cancel()
