"""Every wait for Replicate has an end, also where an answer trickles in and never falls silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import httpx
import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import GenerationRequest, JobKind, Run
from app.services.provider_wire.aiohttp_transport import ProviderTransport
from app.services.provider_wire.time_limits import CallLimit
from app.services.replicate_client.time_limits import TimeLimits
from tests.services.replicate_client.conftest import Build
from tests.services.replicate_client.scripted import OFFICIAL, PINNED, HastyClock, Upstream

SHORT = CallLimit(read_seconds=10, total_seconds=0.05)
LIMITS = TimeLimits(answer=SHORT, lookup=SHORT, upload=SHORT)


@pytest.fixture
async def trickle() -> AsyncIterator[str]:
    """The address of a server that answers everything byte by byte, without an end."""

    answering = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(cast(asyncio.Task[None], asyncio.current_task()))
        with closing(writer), suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.001)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/v1"
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


@pytest.fixture
async def real_build(build: Build) -> AsyncIterator[Build]:
    """Like `build`, with a client that goes through real sockets."""
    transport = ProviderTransport()
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
        yield partial(build, http=http, transport=transport)


async def test_an_order_whose_answer_trickles_may_have_run(real_build: Build, trickle: str) -> None:
    client = real_build(base_url=trickle, limits=LIMITS)
    async with asyncio.timeout(5):
        with pytest.raises(ProviderAnswerLostError):
            await client.create(OFFICIAL, wait=None, secrets={})


async def test_an_order_that_waits_has_its_end_too(real_build: Build, trickle: str) -> None:
    limits = replace(LIMITS, beyond_wait_seconds=-0.95)
    client = real_build(base_url=trickle, limits=limits)
    async with asyncio.timeout(5):
        with pytest.raises(ProviderAnswerLostError):
            await client.create(PINNED, wait=timedelta(seconds=1), secrets={})


async def test_a_question_whose_answer_trickles_is_asked_again_and_then_given_up(
    real_build: Build, trickle: str, clock: HastyClock
) -> None:
    client = real_build(base_url=trickle, limits=LIMITS)
    async with asyncio.timeout(5):
        for attempt in (
            client.fetch(Run(JobKind.GENERATION, "abc")),
            client.cancel(Run(JobKind.GENERATION, "abc")),
            client.plan_generation(GenerationRequest("a cat")),
        ):
            with pytest.raises(ProviderUnavailableError):
                await attempt
    assert clock.slept == [1.0, 2.0, 4.0] * 3


async def test_an_upload_whose_answer_trickles_is_given_up(
    real_build: Build, trickle: str, tmp_path: Path
) -> None:
    zipped = tmp_path / "set.zip"
    zipped.write_bytes(b"PK")
    client = real_build(base_url=trickle, limits=replace(LIMITS, upload_bytes_per_second=1e9))
    async with asyncio.timeout(5):
        with pytest.raises(ProviderUnavailableError):
            await client.upload(zipped)


@pytest.mark.parametrize(
    ("wait", "limit"), [(None, CallLimit(30, 60)), (1, CallLimit(11, 21)), (60, CallLimit(70, 80))]
)
def test_an_order_may_take_as_long_as_it_waits_and_a_little_more(wait: int | None, limit: CallLimit) -> None:
    assert TimeLimits().create(wait) == limit


def test_an_upload_may_take_the_time_that_its_size_needs() -> None:
    limits = TimeLimits()
    assert limits.upload_of(0).total_seconds == 120
    assert limits.upload_of(100_000_000).total_seconds == 920
    assert limits.upload_of(100_000_000).read_seconds == 120


async def test_a_caller_who_waits_for_a_plan_hears_soon_that_replicate_does_not_answer(
    build: Build, upstream: Upstream, clock: HastyClock
) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        clock.advance(10)
        raise httpx.ReadTimeout("slow", request=request)

    upstream.on("GET /account", slow).on("GET /models/zoe/cat", slow)
    began = clock.now()
    for model in ("cat", "zoe/cat"):
        with pytest.raises(ProviderUnavailableError):
            await build().plan_generation(GenerationRequest("a cat", model=model))
    assert clock.now() - began <= timedelta(seconds=2 * 22)
    assert len(upstream.seen) == 4


def test_an_attempt_never_outlives_the_time_that_is_left() -> None:
    assert CallLimit(30, 60).within(12) == CallLimit(30, 12)
    assert CallLimit(30, 60).within(90) == CallLimit(30, 60)
