"""Every fault of the provider, and what callers of the service get to see of it."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from app.config import Settings
from app.provider_settings import SandboxMode
from app.sandbox import Pace, SandboxTransport, create_sandbox
from app.sandbox.faults import Fault
from tests.conftest import Serve
from tests.manual_clock import ManualClock

TOKEN = "r8_never_to_be_shown"  # noqa: S105 - it opens nothing

UNKNOWN = "Replicate failed for an unknown reason."
INTERRUPTED = "Replicate interrupted the run before it was done."
FLAGGED = "The safety filter withheld the pictures. Another prompt or another seed may pass."


@dataclass(frozen=True)
class Outcome:
    """How a generation ends: the answer to a caller who waits, the job, and what the provider saw."""

    status: int = 200
    code: str | None = None
    sentence: str | None = None
    job: str = "succeeded"
    asked: int = 1
    pictures: int = 1
    runs: int = 1
    creates: int = 1


OUTCOMES = {
    Fault.MODERATED: Outcome(400, "content_moderated", FLAGGED, "failed"),
    Fault.PARTLY_MODERATED: Outcome(asked=3, pictures=2),
    Fault.FLAGGED: Outcome(400, "content_moderated", FLAGGED, "failed"),
    Fault.FAILED: Outcome(
        502, "interrupted", f"Given up after 2 runs. {UNKNOWN}", "failed", runs=2, creates=2
    ),
    Fault.OUT_OF_MEMORY: Outcome(
        502,
        "out_of_memory",
        "The model ran out of memory. Ask for fewer outputs or smaller pictures;"
        " a training takes less with a smaller batch size or resolution.",
        "failed",
    ),
    Fault.INTERRUPTED: Outcome(runs=2, creates=2),
    Fault.ALWAYS_INTERRUPTED: Outcome(
        502, "interrupted", f"Given up after 3 runs. {INTERRUPTED}", "failed", runs=3, creates=3
    ),
    Fault.SLOW_START: Outcome(202),
    Fault.ABORTED: Outcome(
        502, "interrupted", "Replicate ended the run before it had begun.", "canceled", pictures=0
    ),
    Fault.NO_CREDIT: Outcome(
        503,
        "provider_out_of_credit",
        "Replicate takes no more work from this service at present."
        " Its operator has to look at the Replicate account.",
        "failed",
        runs=0,
    ),
    Fault.THROTTLED: Outcome(creates=3),
    Fault.SERVER_ERROR: Outcome(creates=2),
    Fault.BAD_GATEWAY: Outcome(creates=2),
    Fault.BAD_GATEWAY_AFTER: Outcome(),
    Fault.LOST_ANSWER: Outcome(202),
    Fault.TRUNCATED: Outcome(),
    Fault.EXPIRED: Outcome(
        502,
        "outputs_lost",
        "The pictures were made but could not be fetched:"
        " The picture at replicate.delivery was answered with status 404.",
        "failed",
    ),
    Fault.DATA_URI: Outcome(),
    Fault.HTML: Outcome(creates=2),
    # Replicate knows nothing of these: they are for Black Forest Labs.
    Fault.LOST_TASK: Outcome(),
    Fault.MOVED: Outcome(),
    Fault.REASONING: Outcome(),
    Fault.FAILED_UNAVAILABLE: Outcome(),
}

TRAININGS = {
    # Accepted is what a caller waits for, so a later failure shows in the job alone.
    Fault.FAILED: replace(OUTCOMES[Fault.FAILED], status=200),
    Fault.OUT_OF_MEMORY: replace(OUTCOMES[Fault.OUT_OF_MEMORY], status=200),
    Fault.ABORTED: replace(OUTCOMES[Fault.ABORTED], status=200),
    Fault.INTERRUPTED: OUTCOMES[Fault.INTERRUPTED],
    Fault.NO_CREDIT: OUTCOMES[Fault.NO_CREDIT],
    Fault.THROTTLED: OUTCOMES[Fault.THROTTLED],
    Fault.SERVER_ERROR: OUTCOMES[Fault.SERVER_ERROR],
    Fault.BAD_GATEWAY: OUTCOMES[Fault.BAD_GATEWAY],
    Fault.BAD_GATEWAY_AFTER: OUTCOMES[Fault.BAD_GATEWAY_AFTER],
    Fault.HTML: OUTCOMES[Fault.HTML],
    Fault.SLOW_START: Outcome(),
    Fault.LOST_ANSWER: Outcome(),
}

Ended = Callable[[str], Awaitable[dict[str, Any]]]
Pictures = list[tuple[str, tuple[str, bytes, str]]]


@pytest.fixture
async def _time_passes(clock: ManualClock) -> AsyncIterator[None]:
    """Let the clock run, many times as fast as a real one."""

    async def run() -> None:
        while True:
            await asyncio.sleep(0.001)  # Threads need some time of the machine's.
            clock.advance(0.1)

    running = asyncio.create_task(run())
    yield
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def wire(tmp_path: Path, clock: ManualClock, _time_passes: None) -> AsyncIterator[SandboxTransport]:
    """The way to a sandbox that is outside of the service."""
    sandbox = create_sandbox(directory=tmp_path / "sandbox", clock=clock, pace=Pace().scaled(0))
    async with sandbox.router.lifespan_context(sandbox):
        yield SandboxTransport(sandbox)


@pytest.fixture
async def upstream(wire: SandboxTransport) -> AsyncIterator[httpx.AsyncClient]:
    """A look at the provider's side."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = "https://api.replicate.com"
    async with httpx.AsyncClient(transport=wire, base_url=url, headers=headers) as upstream:
        yield upstream


@pytest.fixture
async def service(
    serve: Serve, settings: Settings, wire: SandboxTransport
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, which takes the sandbox for Replicate."""
    changes = {
        "sandbox": SandboxMode.OFF,
        "replicate_api_token": SecretStr(TOKEN),
        # The clock runs much faster than a busy machine does.
        "sync_wait_seconds": 3600,
    }
    real = settings.model_copy(update=changes)
    async with serve(real, transport=wire) as client:
        yield client


@pytest.fixture
def ended(service: httpx.AsyncClient) -> Ended:
    """Follow a job until it has ended."""

    async def follow(job_id: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                job: dict[str, Any] = (await service.get(f"/jobs/{job_id}")).json()
                if job["status"] in ("succeeded", "failed", "canceled"):
                    return job
                await asyncio.sleep(0.005)

    return follow


@pytest.fixture
def pictures() -> Pictures:
    """Ten pictures to learn from, as an upload."""
    uploads: Pictures = []
    for number in range(10):
        content = io.BytesIO()
        Image.new("RGB", (512, 512), (number * 20, 90, 160)).save(content, "png")
        uploads.append(("training_images", (f"{number}.png", content.getvalue(), "image/png")))
    return uploads


def test_every_fault_has_its_outcome() -> None:
    assert set(OUTCOMES) == set(Fault)


@pytest.mark.parametrize("fault", OUTCOMES)
async def test_a_caller_who_waits_is_told_the_outcome(
    service: httpx.AsyncClient,
    ended: Ended,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = OUTCOMES[fault]
    caplog.set_level("INFO")
    body = {"prompt": f"a cat sandbox:{fault}", "num_outputs": outcome.asked, "seed": 7}
    patience = {"Prefer": "wait=20"} if outcome.status == 202 else {}
    answer = await service.post("/generate-image/", json=body, headers=patience)

    assert answer.status_code == outcome.status, answer.text
    told = answer.json()
    if outcome.status == 200:
        assert len(told["generated_image_urls"]) == outcome.pictures
        assert told["seed"] == 7
    elif outcome.status == 202:
        assert answer.headers["Location"] == f"/jobs/{told['id']}"
        assert (await ended(told["id"]))["status"] == outcome.job
    else:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (told["code"], told["detail"]) == (outcome.code, outcome.sentence)
        assert (await ended(told["job_id"]))["status"] == outcome.job

    seen = f"{answer.text} {answer.headers} {caplog.text}"
    assert not [secret for secret in (TOKEN, "billing", "Insufficient") if secret in seen]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("fault", OUTCOMES)
async def test_a_job_ends_as_its_fault_has_it_and_nothing_is_lost_or_paid_twice(
    service: httpx.AsyncClient,
    upstream: httpx.AsyncClient,
    ended: Ended,
    fault: Fault,
) -> None:
    outcome = OUTCOMES[fault]
    body = {"prompt": f"a cat sandbox:{fault}", "num_outputs": outcome.asked}
    answer = await service.post("/generate-image/", json=body, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    job = await ended(answer.json()["id"])

    assert job["status"] == outcome.job
    if outcome.sentence is None:
        assert job["failure"] is None
        assert len(job["images"]) == outcome.pictures
    else:
        assert job["failure"] == {
            "code": outcome.code,
            "detail": outcome.sentence,
            "provider_details": None,
        }
        assert job["images"] == []
    for image in job["images"]:
        picture = await service.get(image["url"])
        assert len(picture.content) == image["size_bytes"]
        with Image.open(io.BytesIO(picture.content)) as decoded:
            decoded.load()
            assert decoded.size == (image["width"], image["height"])

    counts = (await upstream.get("/sandbox")).json()
    assert (counts["predictions"], counts["creates_received"]) == (outcome.runs, outcome.creates)


async def test_fewer_pictures_than_asked_for_come_with_a_sentence(service: httpx.AsyncClient) -> None:
    body = {"prompt": "a cat sandbox:partly-moderated", "num_outputs": 3}
    answer = (await service.post("/generate-image/", json=body)).json()
    assert answer["notice"] == "2 of 3 pictures were delivered; the safety filter withheld 1."


@pytest.mark.parametrize("fault", TRAININGS)
async def test_a_training_ends_as_its_fault_has_it_and_is_paid_once(
    service: httpx.AsyncClient,
    upstream: httpx.AsyncClient,
    ended: Ended,
    pictures: Pictures,
    fault: Fault,
) -> None:
    outcome = TRAININGS[fault]
    words = {"trigger_word": "TOK", "autocaption_prefix": f"sandbox:{fault}", "steps": "10"}
    answer = await service.post("/fine-tune/", data=words, files=pictures)
    assert answer.status_code == outcome.status, answer.text
    told = answer.json()
    job = await ended(told["job_id"])

    assert job["status"] == outcome.job
    if outcome.sentence is None:
        assert job["failure"] is None
    else:
        assert job["failure"] == {
            "code": outcome.code,
            "detail": outcome.sentence,
            "provider_details": None,
        }
    versions = (await upstream.get("/v1/models/sandbox/tok/versions")).json()["results"]
    made = [f"sandbox/tok:{version['id']}" for version in versions]
    assert made == ([job["trained_version"]] if outcome.job == "succeeded" else [])
    counts = (await upstream.get("/sandbox")).json()
    assert (counts["trainings"], counts["creates_received"]) == (outcome.runs, outcome.creates)


async def test_a_word_that_the_sandbox_does_not_know_is_refused_with_those_it_knows(
    service: httpx.AsyncClient, ended: Ended
) -> None:
    answer = await service.post("/generate-image/", json={"prompt": "sandbox:gremlins"})
    assert answer.is_error
    assert "sandbox:lost-answer" in answer.json()["detail"]
