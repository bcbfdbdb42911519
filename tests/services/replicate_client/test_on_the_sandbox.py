"""The client and the sandbox, each written from the same facts and sharing no code, understand each other."""

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from PIL import Image as Picture

from app.errors import (
    DownloadError,
    ProviderAnswerLostError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, GenerationRequest, JobKind, JobStatus, Run, TrainingRequest
from app.sandbox import Pace, SandboxTransport, create_sandbox
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.conftest import Build
from tests.services.replicate_client.scripted import HastyClock


@pytest.fixture
async def transport(clock: HastyClock, tmp_path: Path) -> AsyncIterator[httpx.AsyncBaseTransport]:
    sandbox = create_sandbox(directory=tmp_path / "sandbox", clock=clock, pace=Pace().scaled(0))
    async with sandbox.router.lifespan_context(sandbox):
        yield SandboxTransport(sandbox)


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """A zip of pictures that are small, but pictures."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            picture = io.BytesIO()
            Picture.new("RGB", (64, 64), (number * 60, 90, 120)).save(picture, "PNG")
            archive.writestr(f"{number}.png", picture.getvalue())
    return path


async def test_a_picture_is_ordered_made_and_fetched(client: ReplicateClient) -> None:
    order = await client.plan_generation(
        GenerationRequest("a red fox", seed=7, options={"num_outputs": 2, "output_format": "png"})
    )
    report = await client.create(order, wait=timedelta(seconds=5), secrets={})
    assert report.status is JobStatus.SUCCEEDED
    assert len(report.outputs) == 2
    body = b"".join([piece async for piece in client.download(report.outputs[0])])
    assert Picture.open(io.BytesIO(body)).format == "PNG"
    fetched = await client.fetch(Run(JobKind.GENERATION, report.upstream_id))
    assert (fetched.status, len(fetched.outputs)) == (JobStatus.SUCCEEDED, 2)
    assert fetched.completed_at is not None
    swept = await client.sweep(JobKind.GENERATION, since=fetched.completed_at - timedelta(minutes=1))
    assert swept[report.upstream_id].outputs == fetched.outputs


async def test_a_run_is_found_again(client: ReplicateClient, clock: HastyClock) -> None:
    order = await client.plan_generation(GenerationRequest("a red fox", seed=7))
    report = await client.create(order, wait=None, secrets={})
    found = await client.find(order, since=clock.now(), exclude=())
    assert found is not None
    assert found.upstream_id == report.upstream_id
    assert await client.find(order, since=clock.now(), exclude=[report.upstream_id]) is None
    other = replace(order, input={**order.input, "seed": 8})
    assert await client.find(other, since=clock.now(), exclude=()) is None


async def test_a_run_from_which_the_data_was_removed_is_not_taken_for_absent(
    client: ReplicateClient, clock: HastyClock
) -> None:
    order = await client.plan_generation(GenerationRequest("a red fox", seed=7))
    sent_at = clock.now()
    await client.create(order, wait=None, secrets={})
    clock.advance(2 * 3600)
    with pytest.raises(ProviderAnswerLostError):
        await client.find(order, since=sent_at, exclude=())


async def test_a_fine_tune_is_trained_and_used(client: ReplicateClient, training_set: Path) -> None:
    order = await client.plan_training(
        TrainingRequest("FOXY", training_set="0" * 64, destination="foxes", options={"steps": 30})
    )
    order = await client.prepare(order, (await client.upload(training_set)).address)
    assert (order.destination, order.training_set) == ("sandbox/foxes", None)
    started = await client.create(order, wait=None, secrets={"hf_token": "hf_abcdefghijkl"})
    done = await client.fetch(Run(JobKind.TRAINING, started.upstream_id))
    assert done.status is JobStatus.SUCCEEDED
    assert done.result is not None
    assert done.logs is not None
    assert "hf_abcdefghijkl" not in done.logs
    assert done.progress is not None
    assert done.progress.step == 30
    use = await client.plan_generation(GenerationRequest("FOXY in the snow", model="foxes"))
    assert f"{use.model}:{use.version}" == done.result.version
    picture = await client.create(use, wait=timedelta(seconds=5), secrets={})
    assert picture.status is JobStatus.SUCCEEDED
    found = await client.find(order, since=HastyClock().now(), exclude=())
    assert found is not None
    assert found.upstream_id == started.upstream_id


async def test_canceling_what_is_done_changes_nothing(client: ReplicateClient) -> None:
    order = await client.plan_generation(GenerationRequest("a red fox"))
    report = await client.create(order, wait=timedelta(seconds=5), secrets={})
    canceled = await client.cancel(Run(JobKind.GENERATION, report.upstream_id))
    assert canceled.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "status", "code", "transient"),
    [
        ("moderated", JobStatus.FAILED, FailureCode.CONTENT_MODERATED, False),
        ("flagged", JobStatus.FAILED, FailureCode.CONTENT_MODERATED, False),
        ("out-of-memory", JobStatus.FAILED, FailureCode.OUT_OF_MEMORY, False),
        ("interrupted", JobStatus.FAILED, FailureCode.INTERRUPTED, True),
        ("aborted", JobStatus.CANCELED, FailureCode.INTERRUPTED, False),
    ],
)
async def test_runs_that_fail_say_why(
    client: ReplicateClient, fault: str, status: JobStatus, code: FailureCode, transient: bool
) -> None:
    order = await client.plan_generation(GenerationRequest(f"a fox sandbox:{fault}"))
    started = await client.create(order, wait=None, secrets={})
    report = await client.fetch(Run(JobKind.GENERATION, started.upstream_id))
    assert report.failure is not None
    assert (report.status, report.failure.code, report.transient) == (status, code, transient)


async def test_a_run_with_withheld_pictures_succeeds_with_fewer(client: ReplicateClient) -> None:
    request = GenerationRequest("a fox sandbox:partly-moderated", options={"num_outputs": 3})
    order = await client.plan_generation(request)
    started = await client.create(order, wait=None, secrets={})
    report = await client.fetch(Run(JobKind.GENERATION, started.upstream_id))
    assert report.status is JobStatus.SUCCEEDED
    assert len(report.outputs) < order.expected_outputs


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no-credit", ProviderRefusedError),
        ("throttled", ProviderUnavailableError),
        ("server-error", ProviderAnswerLostError),
        ("bad-gateway", ProviderAnswerLostError),
        ("bad-gateway-after", ProviderAnswerLostError),
        ("html", ProviderAnswerLostError),
    ],
)
async def test_creates_that_fail_are_sorted_and_can_be_looked_for(
    client: ReplicateClient, clock: HastyClock, fault: str, error: type[ProviderError]
) -> None:
    order = await client.plan_generation(GenerationRequest(f"a fox sandbox:{fault}"))
    with pytest.raises(error):
        await client.create(order, wait=None, secrets={})
    found = await client.find(order, since=clock.now(), exclude=())
    assert (found is not None) is (fault == "bad-gateway-after")


@pytest.mark.parametrize(("fault", "gone"), [("expired", True), ("truncated", False)])
async def test_pictures_that_cannot_be_had_are_sorted(
    client: ReplicateClient, fault: str, gone: bool
) -> None:
    order = await client.plan_generation(GenerationRequest(f"a fox sandbox:{fault}"))
    report = await client.create(order, wait=timedelta(seconds=5), secrets={})
    with pytest.raises(DownloadError) as caught:
        [piece async for piece in client.download(report.outputs[0])]
    assert caught.value.gone is gone


async def test_a_picture_may_come_in_the_answer_itself(client: ReplicateClient) -> None:
    order = await client.plan_generation(GenerationRequest("a fox sandbox:data-uri"))
    report = await client.create(order, wait=timedelta(seconds=5), secrets={})
    assert report.status is JobStatus.SUCCEEDED
    assert report.outputs[0].startswith("data:image/webp;base64,")
    body = b"".join([piece async for piece in client.download(report.outputs[0])])
    assert Picture.open(io.BytesIO(body)).format == "WEBP"


async def test_the_models_are_there(build: Build) -> None:
    client = build(default_model="sandbox/flux-toy-robot")
    assert [model.name for model in await client.models()] == [
        "sandbox/flux-toy-robot",
        "black-forest-labs/flux-dev",
        "black-forest-labs/flux-schnell",
    ]
