"""Long texts in inputs, as pictures in base64: out of the records, and back in what is sent."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.models import GenerationRequest, JobStatus, JsonValue, Order
from app.services.long_inputs import SET_ASIDE_FROM
from app.storage.long_texts import LongTexts
from tests.fake_provider import FakeProvider, Process, process
from tests.manual_clock import ManualClock

PICTURE = "iVBORw0KGgo" * 10_000


class WithPictures(FakeProvider):
    """Plans orders with the options of the request as their input."""

    async def plan_generation(self, request: GenerationRequest) -> Order:
        order = await super().plan_generation(request)
        given: dict[str, JsonValue] = {**order.input, **(request.options or {})}
        return Order(
            order.provider, order.kind, order.model, None, given, expected_outputs=1, seed=order.seed
        )


@pytest.fixture
def provider(clock: ManualClock) -> WithPictures:
    return WithPictures(clock)


@pytest.fixture
async def ours(tmp_path: Path, provider: WithPictures, clock: ManualClock) -> AsyncIterator[Process]:
    async with process(tmp_path, provider, clock) as ours:
        yield ours


def edit(**options: JsonValue) -> GenerationRequest:
    return GenerationRequest("make it blue", options=options)


async def test_what_is_long_is_sent_whole_and_recorded_short(ours: Process, provider: WithPictures) -> None:
    request = edit(image=PICTURE, images=[PICTURE, "https://a.example/b.png"], steps=4)
    job = await ours.at_rest(await ours.jobs.generate(request, wait=None))
    [made] = provider.made.values()
    assert made.order.input["image"] == PICTURE
    assert made.order.input["images"] == [PICTURE, "https://a.example/b.png"]
    stored = (await ours.jobs.get(job.id)).order.input
    assert len(str(stored)) < 1000
    assert (stored["prompt"], stored["steps"]) == ("make it blue", 4)


async def test_a_prompt_is_recorded_as_it_is(ours: Process) -> None:
    job = await ours.generate("x" * (SET_ASIDE_FROM - 1))
    assert job.order.input["prompt"] == "x" * (SET_ASIDE_FROM - 1)


async def test_another_process_sends_what_was_set_aside(
    ours: Process, tmp_path: Path, provider: WithPictures, clock: ManualClock
) -> None:
    provider.arriving.clear()
    job = await ours.jobs.generate(edit(image=PICTURE), wait=None)
    await provider.until_called("create")
    await ours.runs.aclose()
    provider.arriving.set()
    async with process(tmp_path, provider, clock) as other:
        for _ in range(30):
            clock.advance(10)
            await other.reconciler.run_once()
        assert (await other.jobs.get(job.id)).status is JobStatus.STARTING
    assert [made.order.input["image"] for made in provider.made.values()] == [PICTURE]


async def test_a_job_whose_pictures_are_gone_is_refused_with_a_sentence(
    ours: Process, tmp_path: Path, provider: WithPictures, clock: ManualClock
) -> None:
    provider.arriving.clear()
    job = await ours.jobs.generate(edit(image=PICTURE), wait=None)
    await provider.until_called("create")
    await ours.runs.aclose()
    for path in (tmp_path / "long_inputs").iterdir():
        path.unlink()
    async with process(tmp_path, provider, clock) as other:
        for _ in range(30):
            clock.advance(10)
            await other.reconciler.run_once()
        failure = (await other.jobs.get(job.id)).failure
    assert failure is not None
    assert failure.detail.endswith("no longer on the disk; send it again.")
    assert provider.made == {}


def test_a_text_is_found_by_its_hash_and_kept_once(tmp_path: Path) -> None:
    texts = LongTexts(tmp_path / "texts")
    assert texts.put("a long text") == texts.put("a long text")
    assert texts.get(texts.put("a long text")) == "a long text"
    assert len(list((tmp_path / "texts").iterdir())) == 1


def test_a_text_that_was_half_written_is_written_anew(tmp_path: Path) -> None:
    texts = LongTexts(tmp_path / "texts")
    sha256 = texts.put("a long text")
    (tmp_path / "texts" / sha256).write_text("a lo")
    texts.put("a long text")
    assert texts.get(sha256) == "a long text"


def test_only_old_texts_are_swept(tmp_path: Path) -> None:
    texts = LongTexts(tmp_path / "texts")
    sha256 = texts.put("a long text")
    texts.sweep(timedelta(days=1))
    assert texts.get(sha256) == "a long text"
    texts.sweep(timedelta(seconds=-10))
    with pytest.raises(FileNotFoundError):
        texts.get(sha256)
