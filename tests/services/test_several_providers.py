"""Several providers: whose model it is, who stands in for whom, and how much each is sent at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import (
    InvalidRequestError,
    JobFailedError,
    ModelNotFoundError,
    ProviderAnswerLostError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import (
    Failure,
    FailureCode,
    GenerationRequest,
    Job,
    JobStatus,
    JsonValue,
    Limits,
    Order,
    PassedOver,
    Run,
)
from app.services.jobs import life
from app.services.provider import Report
from tests.fake_provider import FakeProvider, Process, process
from tests.manual_clock import ManualClock

LOST = ProviderAnswerLostError("No answer came.")
BUSY = ProviderUnavailableError("Too many tasks are under way.")
NO_KEY = ProviderRefusedError(
    "There is no key.", failure_code=FailureCode.PROVIDER_TOKEN_REFUSED, upstream_status=403
)
NO_CREDIT = ProviderRefusedError(
    "There is no credit.", failure_code=FailureCode.PROVIDER_OUT_OF_CREDIT, upstream_status=402
)
NOT_SO = ProviderRefusedError(
    "That is not possible.", failure_code=FailureCode.INPUT_REFUSED, upstream_status=422
)
ALIASES = {"FLUX": ("bfl/flux-dev", "black-forest-labs/flux-dev")}


class ByName(FakeProvider):
    """Plans orders for the model that was asked for, unless `refused` says why not."""

    refused: Exception | None = None

    async def plan_generation(self, request: GenerationRequest) -> Order:
        if self.refused is not None:
            raise self.refused
        order = await super().plan_generation(request)
        return replace(order, model=request.model or "default")


@pytest.fixture
def provider(clock: ManualClock) -> ByName:
    return ByName(clock)


@pytest.fixture
def forest(clock: ManualClock) -> ByName:
    """A provider as Black Forest Labs is: its runs cannot be found, and its webhooks are not signed."""
    return ByName(clock, name="bfl", settled_after=(), signs_webhooks=False, run_ids="task")


@pytest.fixture
async def ours(
    tmp_path: Path, provider: ByName, forest: ByName, clock: ManualClock
) -> AsyncIterator[Process]:
    async with process(tmp_path, provider, clock, forest, aliases=ALIASES) as ours:
        yield ours


async def asked_for(process: Process, model: str | None, prompt: str = "a lighthouse") -> Job:
    """A generation with that model, once it was sent or has to wait."""
    job = await process.jobs.generate(GenerationRequest(prompt, model=model), wait=None)
    return await process.at_rest(job)


@pytest.mark.parametrize(
    ("model", "whose"),
    [
        (None, "replicate"),
        ("dev", "replicate"),
        ("bfl/flux-dev", "bfl"),
        ("bfl", "replicate"),
        ("black-forest-labs/flux-dev", "replicate"),
        ("bflabs/flux-dev", "replicate"),
        ("FLUX", "bfl"),
        ("flux", "bfl"),
    ],
)
async def test_the_name_of_a_model_says_who_makes_the_picture(
    ours: Process, model: str | None, whose: str
) -> None:
    assert (await asked_for(ours, model)).order.provider == whose


@pytest.mark.parametrize("fault", [BUSY, NO_KEY, NO_CREDIT], ids=["busy", "no key", "no credit"])
async def test_the_next_model_is_used_when_the_first_surely_cost_nothing(
    ours: Process, provider: ByName, forest: ByName, fault: ProviderError
) -> None:
    forest.faults.append(fault)
    job = await asked_for(ours, "FLUX")
    assert (job.order.provider, job.order.model) == ("replicate", "black-forest-labs/flux-dev")
    assert job.passed_over == (PassedOver("bfl/flux-dev", fault.detail),)
    assert (forest.calls["create"], len(forest.made), len(provider.made)) == (1, 0, 1)


async def test_whoever_makes_it_the_seed_is_the_same(ours: Process, forest: ByName, provider: ByName) -> None:
    forest.faults.append(BUSY)
    job = await asked_for(ours, "FLUX")
    [made] = provider.made.values()
    assert made.order.input["seed"] == job.order.seed == 1000


@pytest.mark.parametrize("fault", [LOST, NOT_SO], ids=["lost answer", "input refused"])
async def test_no_other_model_is_tried_where_it_may_cost_or_the_request_is_at_fault(
    ours: Process, provider: ByName, forest: ByName, fault: ProviderError
) -> None:
    forest.faults.append(fault)
    job = await asked_for(ours, "FLUX")
    assert (job.order.provider, job.passed_over) == ("bfl", ())
    assert provider.made == {}


async def test_a_run_that_failed_for_nothing_is_made_elsewhere(
    ours: Process, provider: ByName, forest: ByName
) -> None:
    job = await asked_for(ours, "FLUX")
    failure = Failure(FailureCode.OUT_OF_MEMORY, "It does not fit.")
    job = await ours.door.apply(job, Report(JobStatus.FAILED, "task1", failure=failure, cost_nothing=True))
    assert (job.status, job.order.provider) == (JobStatus.QUEUED, "replicate")
    await ours.reconciler.run_once()
    provider.finish("run1")
    job = await ours.jobs.get(job.id)
    assert job.run is not None
    job = await ours.door.apply(job, await provider.fetch(job.run))
    assert (job.status, job.passed_over) == (
        JobStatus.SUCCEEDED,
        (PassedOver("bfl/flux-dev", "It does not fit."),),
    )


async def test_a_run_that_failed_and_was_paid_for_is_the_end(ours: Process, provider: ByName) -> None:
    job = await asked_for(ours, "FLUX")
    failure = Failure(FailureCode.PREDICTION_FAILED, "It broke.")
    job = await ours.door.apply(job, Report(JobStatus.FAILED, "task1", failure=failure))
    assert job.status is JobStatus.FAILED
    assert provider.made == {}


@pytest.mark.parametrize("fault", [NO_KEY, ModelNotFoundError("There is no such model.")])
async def test_a_model_that_cannot_be_had_is_passed_over_before_anything_is_sent(
    ours: Process, forest: ByName, fault: ProviderError
) -> None:
    forest.refused = fault
    job = await asked_for(ours, "FLUX")
    assert job.order.provider == "replicate"
    assert job.passed_over == (PassedOver("bfl/flux-dev", fault.detail),)


async def test_what_the_request_gets_wrong_is_told_of_the_first_model(ours: Process, forest: ByName) -> None:
    forest.refused = InvalidRequestError([], detail="The width is odd.")
    with pytest.raises(InvalidRequestError, match="The width is odd"):
        await asked_for(ours, "FLUX")


async def test_the_reason_of_the_first_is_told_when_no_model_can_be_had(
    ours: Process, provider: ByName, forest: ByName
) -> None:
    forest.refused, provider.refused = NO_KEY, ModelNotFoundError("There is no such model.")
    with pytest.raises(ProviderRefusedError, match="There is no key"):
        await asked_for(ours, "FLUX")


async def test_the_last_model_is_waited_for(ours: Process, provider: ByName, forest: ByName) -> None:
    forest.faults.append(BUSY)
    provider.faults.append(BUSY)
    job = await asked_for(ours, "FLUX")
    assert (job.status, job.order.provider) == (JobStatus.QUEUED, "replicate")
    assert (job.notice or "").startswith("Waiting to be sent again")


async def test_one_provider_that_asks_for_patience_holds_up_no_other(
    ours: Process, provider: ByName, forest: ByName
) -> None:
    forest.faults.append(BUSY)
    waiting = await asked_for(ours, "bfl/flux-dev")
    other = await asked_for(ours, None)
    assert (waiting.status, other.status) == (JobStatus.QUEUED, JobStatus.STARTING)


async def places(process: Process, jobs: Sequence[Job]) -> list[int | None]:
    return [await process.jobs.place(await process.jobs.get(job.id)) for job in jobs]


async def test_no_more_is_sent_than_a_provider_takes_and_the_rest_know_their_place(
    ours: Process, forest: ByName, clock: ManualClock
) -> None:
    forest.allowed = Limits(in_all=2)
    jobs = []
    for number in range(5):
        clock.advance(0.01)
        jobs.append(await asked_for(ours, "bfl/flux-dev", f"picture {number}"))
    assert len(forest.made) == 2
    assert await places(ours, jobs) == [None, None, 1, 2, 3]
    forest.finish("task1")
    for _ in range(4):
        clock.advance(1)
        await ours.reconciler.run_once()
    assert [made.order.input["prompt"] for made in forest.made.values()] == [
        "picture 0",
        "picture 1",
        "picture 2",
    ]
    assert await places(ours, jobs) == [None, None, None, 1, 2]


async def test_a_model_with_a_limit_of_its_own_holds_up_no_other_model(
    ours: Process, forest: ByName, clock: ManualClock
) -> None:
    forest.allowed = Limits(in_all=10, of_model=1)
    for model in ("bfl/kontext-max", "bfl/kontext-max", "bfl/flux-dev"):
        clock.advance(0.01)
        await asked_for(ours, model)
    assert [made.order.model for made in forest.made.values()] == ["bfl/kontext-max", "bfl/flux-dev"]


async def test_a_new_job_does_not_overtake_those_that_wait(
    ours: Process, forest: ByName, clock: ManualClock
) -> None:
    forest.allowed = Limits(in_all=1)
    first, _ = [await asked_for(ours, "bfl/flux-dev", f"picture {number}") for number in range(2)]
    await ours.door.apply(first, forest.finish("task1"))
    clock.advance(0.01)
    late = await asked_for(ours, "bfl/flux-dev", "picture 2")
    assert await ours.jobs.place(late) == 2
    clock.advance(1)
    await ours.reconciler.run_once()
    assert [made.order.input["prompt"] for made in forest.made.values()] == ["picture 0", "picture 1"]


async def test_the_limit_holds_over_all_processes(
    ours: Process, tmp_path: Path, provider: ByName, forest: ByName, clock: ManualClock
) -> None:
    forest.allowed = Limits(in_all=3)
    async with process(tmp_path, provider, clock, forest) as other:
        await asyncio.gather(
            *(asked_for(each, "bfl/flux-dev", f"{n}") for each in (ours, other) for n in range(6))
        )
        assert 1 <= len(forest.made) <= 3
        for _ in range(3):
            clock.advance(1)
            await asyncio.gather(ours.reconciler.run_once(), other.reconciler.run_once())
            assert len(forest.made) <= 3
        assert len(forest.made) == 3


async def test_a_run_that_cannot_be_found_is_unknown_and_never_sent_again(
    ours: Process, forest: ByName, clock: ManualClock
) -> None:
    forest.faults.append(LOST)
    job = await asked_for(ours, "bfl/flux-dev")
    for _ in range(20):
        clock.advance(60)
        await ours.reconciler.run_once()
    job = await ours.jobs.get(job.id)
    assert (job.status, job.unknown_since is not None) == (JobStatus.QUEUED, True)
    assert "might be paid twice" in (job.notice or "")
    clock.advance(life.UNKNOWN_FOR.total_seconds())
    await ours.reconciler.run_once()
    job = await ours.jobs.get(job.id)
    assert (job.status, job.failure and job.failure.code) == (JobStatus.FAILED, FailureCode.ANSWER_LOST)
    assert forest.calls["create"] == 1


async def test_a_process_that_died_before_the_answer_leaves_an_unknown_run(
    ours: Process, tmp_path: Path, provider: ByName, forest: ByName, clock: ManualClock
) -> None:
    forest.answering.clear()
    job = await ours.jobs.generate(GenerationRequest("a cat", model="bfl/flux-dev"), wait=None)
    await forest.until_made()
    clock.advance(16)  # And the lease is over, as if the process were gone.
    async with process(tmp_path, provider, clock, forest) as other:
        await other.reconciler.run_once()
        job = await other.jobs.get(job.id)
        assert job.unknown_since is not None
        assert forest.calls["create"] == 1
    forest.answering.set()


async def test_an_unknown_run_can_be_canceled_with_a_warning(ours: Process, forest: ByName) -> None:
    forest.faults.append(LOST)
    job = await asked_for(ours, "bfl/flux-dev")
    job = await ours.jobs.cancel(job.id)
    assert job.status is JobStatus.CANCELED
    assert "may have been charged" in (job.failure.detail if job.failure else "")


async def test_where_the_provider_wants_to_be_asked_is_kept(ours: Process, forest: ByName) -> None:
    job = await asked_for(ours, "bfl/flux-dev")
    url = "https://api.eu2.bfl.ai/v1/get_result?id=task1"
    job = await ours.door.apply(job, Report(JobStatus.PROCESSING, "task1", url=url))
    job = await ours.door.apply(job, Report(JobStatus.PROCESSING, "task1", logs="step 1"))
    assert (await ours.jobs.get(job.id)).run == Run(job.kind, "task1", url)


async def test_what_the_provider_says_itself_reaches_a_waiting_caller(ours: Process, forest: ByName) -> None:
    job = await asked_for(ours, "bfl/flux-dev")
    details: JsonValue = {"Moderation Reasons": ["Derivative Works Filter"]}
    failure = Failure(FailureCode.CONTENT_MODERATED, "It was withheld.", details)
    await ours.door.apply(job, Report(JobStatus.FAILED, "task1", failure=failure))
    again = GenerationRequest("a lighthouse", model="bfl/flux-dev")
    stored = await ours.jobs.get(job.id)
    assert stored.failure == failure
    forest.faults.append(
        ProviderRefusedError(
            "No.",
            failure_code=FailureCode.INPUT_REFUSED,
            upstream_status=422,
            provider_details=[{"loc": ["body", "width"]}],
        )
    )
    with pytest.raises(JobFailedError) as refused:
        await ours.jobs.generate(again, wait=timedelta(seconds=5))
    assert refused.value.provider_details == [{"loc": ["body", "width"]}]


async def test_models_of_one_that_is_down_are_left_out(ours: Process, forest: ByName) -> None:
    forest.down = BUSY
    assert [model.name for model in await ours.jobs.models()] == ["FLUX"]


async def test_a_default_model_may_be_an_alias_or_another_providers(
    tmp_path: Path, provider: ByName, forest: ByName, clock: ManualClock
) -> None:
    for default in ("bfl/flux-dev", "flux"):
        async with process(tmp_path, provider, clock, forest, aliases=ALIASES, default_model=default) as ours:
            assert (await asked_for(ours, None)).order.model == "bfl/flux-dev"
            assert (await asked_for(ours, "dev")).order.provider == "replicate"
