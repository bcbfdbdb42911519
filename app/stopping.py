"""Learns early that the process is about to stop.

Servers let every answer end before they tell the application that it is over. A stream of events, or a
caller who waits for a picture, would keep them from stopping for as long as it lasts.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_noticed() -> Iterator[asyncio.Event]:
    """An event that is set once the server is told to stop, by a signal that the server handles.

    The signal goes on to whoever handled it before. Nothing happens where nobody did, as under pytest, or
    where the event loop does not run in the main thread.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}

    def notice(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        handlers[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for caught in _SIGNALS:
            handler = signal.getsignal(caught)
            if callable(handler):
                handlers[caught] = handler
                signal.signal(caught, notice)
    try:
        yield stopping
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is notice:
                signal.signal(number, handler)
