"""Webhooks that nobody signs: they make us ask the provider, and nothing else in them is believed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError, WebhookNotVerifiedError
from app.models import Job, JobStatus, Limits
from app.services.providers import Providers
from app.services.webhook_intake import HINTS_APART, WebhookIntake
from app.storage.database import Database
from app.storage.seen_webhooks import SeenWebhooks
from tests.fake_provider import FakeProvider, Process
from tests.manual_clock import ManualClock

LOST = ProviderAnswerLostError("No answer came.")


@pytest.fixture
def provider(clock: ManualClock) -> FakeProvider:
    """One whose runs cannot be found, and whose webhooks are not signed."""
    return FakeProvider(clock, settled_after=(), signs_webhooks=False)


@pytest.fixture
async def intake(
    ours: Process, provider: FakeProvider, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[WebhookIntake]:
    database = Database(f"sqlite:///{tmp_path / 'fluxgate.db'}")
    await database.start()
    intake = WebhookIntake(
        store=ours.store,
        door=ours.door,
        providers=Providers(provider),
        seen=SeenWebhooks(database),
        clock=clock,
    )
    yield intake
    await intake.aclose()
    await database.aclose()


async def hint(intake: WebhookIntake, job: Job, upstream_id: str) -> None:
    await intake.take(headers={}, body=upstream_id.encode(), job_id=job.id)


async def test_a_hint_brings_the_picture_home(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    await hint(intake, job, "run1")
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_a_hint_is_not_believed(ours: Process, provider: FakeProvider, intake: WebhookIntake) -> None:
    job = await ours.generate()
    await hint(intake, job, "run1")
    assert (await ours.jobs.get(job.id)).status is JobStatus.STARTING
    assert provider.calls["fetch"] == 1


async def test_a_hint_finds_the_run_whose_answer_was_lost(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    provider.faults.append(LOST)
    job = await ours.generate()
    assert job.unknown_since is not None
    provider.finish("run1")
    await hint(intake, job, "run1")
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED
    assert provider.calls["create"] == 1


async def test_a_hint_about_a_run_that_the_provider_does_not_know_changes_nothing(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    provider.faults.append(LOST)
    job = await ours.generate()
    await hint(intake, job, "invented")
    after = await ours.jobs.get(job.id)
    assert (after.upstream_id, after.unknown_since) == (None, job.unknown_since)


async def test_a_hint_about_another_run_is_not_followed(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    job, other = await ours.generate("a cat"), await ours.generate("a dog")
    provider.finish("run2")
    await hint(intake, job, "run2")
    assert provider.calls["fetch"] == 0
    assert (await ours.jobs.get(other.id)).status is JobStatus.STARTING


async def test_a_run_of_another_job_is_not_adopted(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    await ours.generate("a cat")
    provider.faults.append(LOST)
    job = await ours.generate("a dog")
    await hint(intake, job, "run1")
    assert (await ours.jobs.get(job.id)).upstream_id is None


async def test_a_hint_about_a_job_that_was_never_sent_is_not_followed(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    provider.allowed = Limits(in_all=1)
    await ours.generate("a cat")
    waiting = await ours.generate("a dog")
    await hint(intake, waiting, "run1")
    assert provider.calls["fetch"] == 0


async def test_many_hints_make_us_ask_once_a_second(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, clock: ManualClock
) -> None:
    job = await ours.generate()
    for _ in range(10):
        await hint(intake, job, "run1")
    assert provider.calls["fetch"] == 1
    clock.advance(HINTS_APART.total_seconds())
    await hint(intake, job, "run1")
    assert provider.calls["fetch"] == 2


async def test_a_hint_does_no_harm_while_the_provider_is_down(
    ours: Process, provider: FakeProvider, intake: WebhookIntake
) -> None:
    job = await ours.generate()
    provider.down = ProviderUnavailableError("It is down.")
    await hint(intake, job, "run1")
    assert (await ours.jobs.get(job.id)).status is JobStatus.STARTING


async def test_a_hint_about_no_job_of_ours_is_refused(ours: Process, intake: WebhookIntake) -> None:
    with pytest.raises(WebhookNotVerifiedError):
        await intake.take(headers={}, body=b"run1", job_id="nobody")
