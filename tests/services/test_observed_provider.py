"""Every call to a provider leaves its time and what came of it."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.errors import (
    AppError,
    DownloadError,
    ModelNotFoundError,
    ProviderAnswerLostError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, GenerationRequest, Run, TrainingRequest
from app.services.observed_provider import ObservedProvider
from app.services.provider import Provider
from tests.fake_provider import OUTPUT, FakeProvider
from tests.manual_clock import ManualClock

ROBOTS = Path(__file__).parents[2] / "examples" / "training_pictures.zip"


class Told:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.bytes = 0

    def provider_called(self, provider: str, call: str, outcome: str, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.calls.append((provider, call, outcome))

    def provider_downloaded(self, provider: str, size: int) -> None:
        self.bytes += size


@pytest.fixture
def told() -> Told:
    """What was counted."""
    return Told()


@pytest.fixture
def provider(clock: ManualClock) -> FakeProvider:
    """The provider that is observed."""
    return FakeProvider(clock)


async def test_calls_are_counted_by_name(provider: FakeProvider, told: Told) -> None:
    observed: Provider = ObservedProvider(provider, told)
    order = await observed.plan_generation(GenerationRequest("a cat"))
    report = await observed.create(await observed.prepare(order, None), wait=None, secrets={})
    await observed.fetch(Run(order.kind, report.upstream_id))
    await observed.find(order, since=provider.clock.now(), exclude=())
    await observed.sweep(order.kind, since=provider.clock.now())
    await observed.cancel(Run(order.kind, report.upstream_id))
    await observed.models()
    training = await observed.plan_training(TrainingRequest("TOK"))
    await observed.prepare(training, (await observed.upload(ROBOTS)).address)
    await observed.has_file("https://api.replicate.com/v1/files/1")

    assert {(name, outcome) for name, _, outcome in told.calls} == {("replicate", "ok")}
    assert [call for _, call, _ in told.calls] == [
        *("plan_generation", "create", "fetch", "find", "sweep", "cancel", "models", "plan_training"),
        *("upload", "prepare", "has_file"),
    ]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (ProviderUnavailableError("Busy."), "unavailable"),
        (ProviderAnswerLostError("Lost."), "answer_lost"),
        (ProviderRefusedError("No.", failure_code=FailureCode.INPUT_REFUSED, upstream_status=422), "refused"),
        (ModelNotFoundError("nobody/nothing"), "refused"),
    ],
)
async def test_what_came_of_a_call_is_told(
    provider: FakeProvider, told: Told, fault: AppError, outcome: str
) -> None:
    provider.down = fault
    with pytest.raises(type(fault)):
        await ObservedProvider(provider, told).models()

    assert told.calls == [("replicate", "models", outcome)]


async def test_a_call_that_nobody_waits_for_any_more_is_no_fault(provider: FakeProvider, told: Told) -> None:
    order = await provider.plan_generation(GenerationRequest("a cat"))
    provider.arriving.clear()
    call = asyncio.create_task(ObservedProvider(provider, told).create(order, wait=None, secrets={}))
    await provider.until_called("create")
    call.cancel()
    await asyncio.wait([call])

    assert told.calls == [("replicate", "create", "canceled")]


async def test_the_bytes_of_pictures_are_counted(provider: FakeProvider, told: Told) -> None:
    pieces = [piece async for piece in ObservedProvider(provider, told).download(OUTPUT)]

    assert told.bytes == sum(map(len, pieces)) > 0
    assert told.calls == [("replicate", "download", "ok")]


async def test_a_download_that_fails_is_told_apart(provider: FakeProvider, told: Told) -> None:
    provider.down = DownloadError("The picture is gone.", gone=True)
    with pytest.raises(DownloadError):
        await anext(ObservedProvider(provider, told).download(OUTPUT))

    assert told.calls == [("replicate", "download", "download_failed")]


async def test_a_download_that_is_left_in_the_middle_is_closed(provider: FakeProvider, told: Told) -> None:
    download = ObservedProvider(provider, told).download(OUTPUT)
    assert isinstance(download, AsyncGenerator)
    await anext(download)
    await download.aclose()

    assert told.calls == [("replicate", "download", "canceled")]
