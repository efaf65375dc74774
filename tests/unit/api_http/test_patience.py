"""Bodies of requests have so many seconds each, whoever else is read beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from api.http.errors import TooSlow
from api.http.patience import Patience


async def after(seconds: float, said: str) -> str:
    await asyncio.sleep(seconds)
    return said


async def told(patience: Patience, body: Awaitable[str]) -> tuple[str, float]:
    begun = asyncio.get_running_loop().time()
    try:
        said = await patience.read(body)
    except TooSlow:
        said = "late"
    return said, asyncio.get_running_loop().time() - begun


def test_each_body_is_late_by_its_own_beginning() -> None:
    patience = Patience(0.2)

    async def several() -> list[tuple[str, float]]:
        first = asyncio.create_task(told(patience, after(60, "never")))
        quick = asyncio.create_task(told(patience, after(0.01, "quick")))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(told(patience, after(60, "never")))
        return list(await asyncio.gather(first, quick, second))

    first, quick, second = asyncio.run(several())
    assert (first[0], quick[0], second[0]) == ("late", "quick", "late")
    assert all(0.19 <= took < 1 for _, took in (first, second))


def test_another_loop_is_watched_anew() -> None:
    patience = Patience(0.05)
    for _ in range(2):
        assert asyncio.run(told(patience, after(60, "never")))[0] == "late"


def test_who_rests_between_two_bodies_is_watched_again() -> None:
    patience = Patience(0.05)

    async def twice() -> list[str]:
        here = await told(patience, after(0, "here"))
        await asyncio.sleep(0.1)
        return [here[0], (await told(patience, after(60, "never")))[0]]

    assert asyncio.run(twice()) == ["here", "late"]


@pytest.mark.parametrize("end", [lambda task: task.cancel(), lambda task: task.cancel("of its own")])
def test_who_is_cancelled_by_others_is_not_late(end: Callable[["asyncio.Task[Any]"], bool]) -> None:
    patience = Patience(60)

    async def left() -> None:
        task = asyncio.create_task(_read(patience))
        await asyncio.sleep(0)
        end(task)
        with pytest.raises(asyncio.CancelledError):
            await task

    def _read(patience: Patience) -> Coroutine[Any, Any, str]:
        return patience.read(after(60, "never"))

    asyncio.run(left())
