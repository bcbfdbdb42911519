"""A server that is told to stop is noticed, and still stops."""

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from app.stopping import stop_noticed

Handled = list[int]


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> signal.Signals:
    """The signal that a server is stopped with."""
    signal_number: signal.Signals = request.param
    return signal_number


@pytest.fixture
def handled(number: signal.Signals) -> Iterator[Handled]:
    """The signals that the server's own handler has seen."""
    seen: Handled = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(number, handle)
    yield seen
    signal.signal(number, before)


async def test_a_stop_is_noticed_and_passed_on(number: signal.Signals, handled: Handled) -> None:
    with stop_noticed() as stopping:
        assert not stopping.is_set()
        signal.raise_signal(number)
        await asyncio.wait_for(stopping.wait(), 5)
    assert handled == [number]


async def test_the_handler_is_put_back(number: signal.Signals, handled: Handled) -> None:
    before = signal.getsignal(number)
    with stop_noticed():
        assert signal.getsignal(number) is not before
    assert signal.getsignal(number) is before


async def test_two_services_in_one_process_both_notice(number: signal.Signals, handled: Handled) -> None:
    with stop_noticed() as first, stop_noticed() as second:
        signal.raise_signal(number)
        await asyncio.wait_for(first.wait(), 5)
        await asyncio.wait_for(second.wait(), 5)
    assert handled == [number]


async def test_a_signal_that_nobody_handles_is_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with stop_noticed():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_loop_in_another_thread_goes_without() -> None:
    async def serve() -> bool:
        with stop_noticed() as stopping:
            return stopping.is_set()

    async def in_a_thread() -> bool:
        return await asyncio.to_thread(asyncio.run, serve())

    assert asyncio.run(in_a_thread()) is False
