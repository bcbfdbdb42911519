"""A job's changes as Server-Sent Events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from datetime import timedelta

from app.models import Job
from app.schemas.jobs import JobOut

HEARTBEAT = timedelta(seconds=15)
"""How long a connection may be silent; proxies give up on silent ones, often after 30 or 60 seconds."""

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_RECONNECT = b"retry: 2000\n\n"
_STILL_HERE = b": still here\n\n"


async def event_stream(
    changes: AsyncIterator[Job], stopping: asyncio.Event, *, heartbeat: timedelta = HEARTBEAT
) -> AsyncGenerator[bytes, None]:
    """The wire form of `changes`: an event for each, comments in between so that nobody hangs up.

    Ends with them, or when the server is `stopping`; clients come back by themselves.
    """
    yield _RECONNECT
    stop = asyncio.ensure_future(stopping.wait())
    upcoming: asyncio.Task[Job | None] | None = None
    try:
        while True:
            # The task lives on through heartbeats: cancelling it would end the changes.
            upcoming = upcoming or asyncio.ensure_future(anext(changes, None))
            await asyncio.wait(
                {upcoming, stop}, timeout=heartbeat.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
            if not upcoming.done():
                if stop.done():
                    return
                yield _STILL_HERE
                continue
            job = upcoming.result()
            upcoming = None
            if job is None:
                return
            yield f"id: {job.revision}\nevent: job\ndata: {JobOut.of(job).model_dump_json()}\n\n".encode()
    finally:
        stop.cancel()
        if upcoming is not None:
            upcoming.cancel()
            with suppress(asyncio.CancelledError):
                await upcoming
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()


def last_seen(header: str | None, query: str | None, current: int) -> int | None:
    """The revision that a client saw last, None for a client without one that makes sense.

    `current` is the job's revision: nobody has seen a later one.
    """
    given = header or query
    if not given or not (given.isascii() and given.isdecimal()) or len(given) > 15:
        return None
    return int(given) if int(given) <= current else None
