"""The client and the sandbox, each written from the same facts and sharing no code, understand each other."""

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image as Picture

from app.errors import (
    DownloadError,
    ModelNotFoundError,
    ProviderAnswerLostError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, GenerationRequest, JobKind, JobStatus, JsonValue, Run, TrainingRequest
from app.sandbox import Pace, SandboxTransport, create_sandbox
from app.services.bfl_client import BflClient
from app.services.bfl_client.endpoints import ENDPOINTS
from app.services.provider import Report
from tests.services.bfl_client.conftest import Build
from tests.services.replicate_client.scripted import HastyClock

TRY_ON = ("flux-tools/vto-v1", "vto-v2")
"""What the sandbox wants of these is not what they take."""


@pytest.fixture
async def transport(clock: HastyClock, tmp_path: Path) -> AsyncIterator[httpx.AsyncBaseTransport]:
    sandbox = create_sandbox(directory=tmp_path / "sandbox", clock=clock, pace=Pace().scaled(0))
    async with sandbox.router.lifespan_context(sandbox):
        yield SandboxTransport(sandbox)


@pytest.fixture
def picture() -> str:
    """A small picture in base64."""
    content = io.BytesIO()
    Picture.new("RGB", (64, 64), (90, 120, 150)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """A zip of pictures that are small, but pictures."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            content = io.BytesIO()
            Picture.new("RGB", (64, 64), (number * 60, 90, 120)).save(content, "PNG")
            archive.writestr(f"{number}.png", content.getvalue())
    return path


async def created(
    client: BflClient,
    prompt: str,
    options: dict[str, JsonValue] | None = None,
    *,
    model: str = "bfl/flux-dev",
) -> Report:
    request = GenerationRequest(prompt, model=model, seed=7, options=options)
    return await client.create(await client.plan_generation(request), wait=None, secrets={})


async def finished(client: BflClient, report: Report, kind: JobKind = JobKind.GENERATION) -> Report:
    return await client.fetch(Run(kind, report.upstream_id, report.url))


async def downloaded(client: BflClient, report: Report) -> bytes:
    return b"".join([piece async for piece in client.download(report.outputs[0])])


async def test_a_picture_is_ordered_made_and_fetched(client: BflClient) -> None:
    started = await created(client, "a red fox", {"width": 512, "height": 320, "output_format": "png"})
    assert str(started.url).startswith("https://api.eu2.bfl.ai/v1/get_result?id=")
    done = await finished(client, started)
    assert done.status is JobStatus.SUCCEEDED
    assert done.logs == "prompt: a red fox\nseed: 7"
    assert done.started_at is not None
    assert done.completed_at is not None
    assert done.predict_seconds is not None
    made = Picture.open(io.BytesIO(await downloaded(client, done)))
    assert (made.format, made.size) == ("PNG", (512, 320))


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if path not in TRY_ON])
async def test_every_endpoint_takes_what_is_planned_for_it(
    client: BflClient, path: str, picture: str
) -> None:
    endpoint = ENDPOINTS[path]
    options: dict[str, JsonValue] = {
        name: [picture] if name == "images" else picture for name in endpoint.pictures
    }
    if endpoint.is_finetuned:
        options["finetune_id"] = "cats"
    if "width" in endpoint.inputs:
        options |= {"width": 512, "height": 256}
    model = f"bfl/{path}"
    if endpoint.is_finetuned:
        with pytest.raises(ProviderRefusedError, match="Finetune not found"):
            await created(client, "a red fox", options, model=model)
        return
    done = await finished(client, await created(client, "a red fox", options, model=model))
    assert done.status is JobStatus.SUCCEEDED
    assert await downloaded(client, done)


async def test_a_task_is_known_to_its_cluster_alone(client: BflClient) -> None:
    started = await created(client, "a red fox")
    with pytest.raises(ProviderRefusedError) as caught:
        await client.fetch(Run(JobKind.GENERATION, started.upstream_id))
    assert caught.value.upstream_status == 404


async def test_a_fine_tune_is_trained_listed_used_and_deleted(build: Build, training_set: Path) -> None:
    client = build(fine_tuning=True)
    order = await client.plan_training(
        TrainingRequest("FOXY", training_set="0" * 64, options={"mode": "style", "steps": 100})
    )
    order = await client.prepare(order, (await client.upload(training_set)).address)
    started = await client.create(order, wait=None, secrets={})
    done = await finished(client, started, JobKind.TRAINING)
    assert done.status is JobStatus.SUCCEEDED
    assert done.result is not None
    assert await client.fine_tunes() == [started.upstream_id]
    found = await client.fine_tune(started.upstream_id)
    assert (found.trigger_word, found.comment, found.options["iterations"]) == ("FOXY", "FOXY", 100)
    assert done.result.version in found.models
    use = await created(client, "FOXY in the snow", model=done.result.version)
    assert (await finished(client, use)).status is JobStatus.SUCCEEDED
    await client.delete_fine_tune(started.upstream_id)
    assert await client.fine_tunes() == []
    with pytest.raises(ModelNotFoundError):
        await client.fine_tune(started.upstream_id)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("flagged", FailureCode.CONTENT_MODERATED),
        ("moderated", FailureCode.CONTENT_MODERATED),
        ("failed", FailureCode.PREDICTION_FAILED),
        ("failed-unavailable", FailureCode.PREDICTION_FAILED),
    ],
)
async def test_tasks_that_fail_say_why(client: BflClient, fault: str, code: FailureCode) -> None:
    report = await finished(client, await created(client, f"a fox sandbox:{fault}"))
    assert report.status is JobStatus.FAILED
    assert report.failure is not None
    assert report.failure.code is code
    assert report.failure.provider_details


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
async def test_orders_that_fail_are_sorted(client: BflClient, fault: str, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        await created(client, f"a fox sandbox:{fault}")


async def test_a_task_that_is_not_known_for_a_while_comes_back(client: BflClient) -> None:
    started = await created(client, "a fox sandbox:moved")
    outcomes = []
    for _ in range(3):
        try:
            outcomes.append((await finished(client, started)).status.value)
        except ProviderRefusedError as exc:
            outcomes.append(str(exc.upstream_status))
    assert outcomes == ["404", "404", "succeeded"]


@pytest.mark.parametrize(("fault", "gone"), [("expired", True), ("truncated", False)])
async def test_pictures_that_cannot_be_had_are_sorted(client: BflClient, fault: str, gone: bool) -> None:
    done = await finished(client, await created(client, f"a fox sandbox:{fault}"))
    with pytest.raises(DownloadError) as caught:
        await downloaded(client, done)
    assert caught.value.gone is gone


async def test_a_picture_is_gone_after_ten_minutes(client: BflClient, clock: HastyClock) -> None:
    done = await finished(client, await created(client, "a red fox"))
    clock.advance(601)
    with pytest.raises(DownloadError) as caught:
        await downloaded(client, done)
    assert caught.value.gone


async def test_a_wrong_key_is_refused(build: Build) -> None:
    with pytest.raises(ProviderRefusedError) as caught:
        await created(build(key="bfl_invalid_key"), "a red fox")
    assert caught.value.failure_code == FailureCode.PROVIDER_TOKEN_REFUSED


async def test_more_than_24_tasks_are_too_many(build: Build, clock: HastyClock, tmp_path: Path) -> None:
    sandbox = create_sandbox(directory=tmp_path / "slow", clock=clock, pace=Pace())
    async with sandbox.router.lifespan_context(sandbox):
        client = build(transport=SandboxTransport(sandbox))
        for _ in range(24):
            await created(client, "a red fox")
        with pytest.raises(ProviderUnavailableError):
            await created(client, "a red fox")
