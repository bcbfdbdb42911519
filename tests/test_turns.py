"""Work that arrives in a burst begins a few at a time, in the order in which it came."""

import asyncio

import pytest

from app.turns import LONGEST_SECONDS, Turn, Turns


@pytest.fixture
def turns() -> Turns:
    return Turns(at_once=2)


async def taken(*waiting: "asyncio.Task[Turn]") -> list[bool]:
    """Whose turn it is."""
    for _ in range(3):
        await asyncio.sleep(0)
    return [task.done() for task in waiting]


async def test_who_comes_first_is_first(turns: Turns) -> None:
    waiting = [asyncio.create_task(turns.take()) for _ in range(5)]
    assert await taken(*waiting) == [True, True, False, False, False]
    waiting[1].result().over()
    assert await taken(*waiting) == [True, True, True, False, False]
    with waiting[0].result(), waiting[2].result():
        pass
    assert await taken(*waiting) == [True] * 5


async def test_a_turn_that_is_over_is_over_once(turns: Turns) -> None:
    waiting = [asyncio.create_task(turns.take()) for _ in range(5)]
    await taken(*waiting)
    with waiting[0].result() as turn:
        turn.over()
        turn.over()
    assert await taken(*waiting) == [True, True, True, False, False]


async def test_who_leaves_takes_no_turn(turns: Turns) -> None:
    waiting = [asyncio.create_task(turns.take()) for _ in range(4)]
    await taken(*waiting)
    waiting[2].cancel()
    waiting[0].result().over()
    assert (await taken(*waiting))[3]
    # One who leaves just as the turn comes passes it on.
    late = [asyncio.create_task(turns.take()) for _ in range(2)]
    await taken(*late)
    waiting[1].result().over()
    late[0].cancel()
    assert await taken(*late) == [True, True]
    assert not late[1].cancelled()


async def test_who_waits_for_the_world_holds_nobody_up(turns: Turns) -> None:
    async with asyncio.timeout(20 * LONGEST_SECONDS):
        for _ in range(5):
            await turns.take()
