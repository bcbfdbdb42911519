"""Webhooks of the provider: verified, once each, and through the same door as everything else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.errors import (
    InvalidRequestError,
    JobNotFoundError,
    ProviderAnswerLostError,
    ProviderUnavailableError,
    StorageUnavailableError,
    WebhookNotVerifiedError,
    WebhookRepeatedError,
)
from app.models import GenerationRequest, Job, JobStatus
from app.services.jobs.door import JobDoor
from app.services.provider import Report
from app.services.providers import Providers
from app.services.webhook_intake import WebhookIntake
from app.signing import new_secret, sign
from app.storage.database import Database
from app.storage.seen_webhooks import SeenWebhooks
from tests.fake_provider import FakeProvider, Process
from tests.manual_clock import ManualClock


@pytest.fixture
async def database(ours: Process, tmp_path: Path) -> AsyncIterator[Database]:
    """The records, where ids of webhooks are kept."""
    database = Database(f"sqlite:///{tmp_path / 'fluxgate.db'}")
    await database.start()
    yield database
    await database.aclose()


@pytest.fixture
async def intake(
    ours: Process, database: Database, provider: FakeProvider, clock: ManualClock
) -> AsyncIterator[WebhookIntake]:
    """Takes webhooks in for the process that most tests need."""
    intake = WebhookIntake(
        store=ours.store,
        door=ours.door,
        providers=Providers(provider),
        seen=SeenWebhooks(database),
        clock=clock,
    )
    yield intake
    await intake.aclose()


class Sender:
    """The provider's side: signs what it says about a run."""

    def __init__(self, provider: FakeProvider, clock: ManualClock) -> None:
        self._provider = provider
        self._clock = clock
        self._sent = 0

    async def tell(
        self,
        intake: WebhookIntake,
        upstream_id: str,
        job_id: str | None,
        *,
        message_id: str | None = None,
        at: datetime | None = None,
        secret: str | None = None,
        body: bytes | None = None,
    ) -> Job:
        """Send a webhook about that run, one that is right unless told otherwise."""
        self._sent += 1
        headers = sign(
            [secret or self._provider.secret],
            message_id=message_id or f"msg_{self._sent}",
            at=at or self._clock.now(),
            body=upstream_id,
        )
        return await intake.take(headers=headers, body=body or upstream_id.encode(), job_id=job_id)


@pytest.fixture
def sender(provider: FakeProvider, clock: ManualClock) -> Sender:
    """Who sends the webhooks."""
    return Sender(provider, clock)


async def test_a_webhook_ends_a_job_without_a_question_to_the_provider(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.finish("run1")

    await sender.tell(intake, "run1", job.id)

    ended = await ours.jobs.get(job.id)
    assert ended.status is JobStatus.SUCCEEDED
    assert len(ended.images) == 1
    assert provider.calls["fetch"] == 0


async def test_without_a_job_in_the_address_the_run_tells_which_job_it_is(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    await ours.generate()
    job = await ours.generate()
    provider.finish("run2")

    assert (await sender.tell(intake, "run2", None)).id == job.id

    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_a_webhook_may_be_faster_than_the_answer_to_the_create(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    provider.answering.clear()
    job = await ours.jobs.generate(GenerationRequest("a lighthouse"), wait=None)
    await provider.until_made()
    provider.finish("run1")

    await sender.tell(intake, "run1", job.id)
    told = await ours.jobs.get(job.id)
    provider.answering.set()
    after = await ours.at_rest(job)

    assert (told.status, told.upstream_id) == (JobStatus.SUCCEEDED, "run1")
    assert after == told
    assert (provider.calls["create"], provider.calls["cancel"]) == (1, 0)


async def test_a_webhook_finds_the_run_whose_answer_was_lost(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    provider.faults.append(ProviderAnswerLostError("No answer came."))
    job = await ours.generate()

    await sender.tell(intake, "run1", job.id)

    found = await ours.jobs.get(job.id)
    assert (job.upstream_id, found.upstream_id, found.status) == (None, "run1", JobStatus.STARTING)


async def test_the_same_webhook_is_refused_when_it_comes_again(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    await sender.tell(intake, "run1", job.id, message_id="msg_same")
    before = await ours.jobs.get(job.id)
    provider.finish("run1")

    with pytest.raises(WebhookRepeatedError):
        await sender.tell(intake, "run1", job.id, message_id="msg_same")

    assert await ours.jobs.get(job.id) == before


async def test_of_two_processes_one_takes_a_webhook_in(
    ours: Process,
    other: Process,
    database: Database,
    provider: FakeProvider,
    clock: ManualClock,
    intake: WebhookIntake,
    sender: Sender,
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    second = WebhookIntake(
        store=other.store,
        door=other.door,
        providers=Providers(provider),
        seen=SeenWebhooks(database),
        clock=clock,
    )

    came = await asyncio.gather(
        *(sender.tell(each, "run1", job.id, message_id="msg_same") for each in (intake, second)),
        return_exceptions=True,
    )
    await second.aclose()

    assert sorted(isinstance(outcome, WebhookRepeatedError) for outcome in came) == [False, True]
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_the_same_end_under_two_ids_changes_a_job_once(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    await sender.tell(intake, "run1", job.id)
    first = await ours.jobs.get(job.id)

    await sender.tell(intake, "run1", job.id)

    assert await ours.jobs.get(job.id) == first
    assert provider.calls["download"] == 1


async def test_a_webhook_that_comes_late_changes_nothing(
    ours: Process, provider: FakeProvider, clock: ManualClock, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    clock.advance(60)
    await ours.reconciler.run_once()
    ended = await ours.jobs.get(job.id)

    await sender.tell(intake, "run1", job.id)

    assert ended.status is JobStatus.SUCCEEDED
    assert await ours.jobs.get(job.id) == ended


async def test_a_start_that_comes_after_the_end_changes_nothing(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    start = provider.runs["run1"]
    provider.finish("run1")
    await sender.tell(intake, "run1", job.id)
    ended = await ours.jobs.get(job.id)
    provider.runs["run1"] = start

    await sender.tell(intake, "run1", job.id)

    assert await ours.jobs.get(job.id) == ended


async def test_a_webhook_about_a_run_that_was_given_up_changes_nothing(
    ours: Process, provider: FakeProvider, clock: ManualClock, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.interrupt("run1")
    await sender.tell(intake, "run1", job.id)
    waiting = await ours.jobs.get(job.id)
    provider.finish("run1")

    await sender.tell(intake, "run1", job.id)

    assert (waiting.status, waiting.tried) == (JobStatus.QUEUED, ("run1",))
    assert await ours.jobs.get(job.id) == waiting


async def test_a_webhook_about_another_jobs_run_changes_nothing(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    first, second = await ours.generate(), await ours.generate()
    provider.finish("run2")

    await sender.tell(intake, "run2", first.id)

    assert [(await ours.jobs.get(job.id)).status for job in (first, second)] == [JobStatus.STARTING] * 2


async def test_a_webhook_for_a_job_that_nobody_knows_is_refused(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    await ours.generate()

    with pytest.raises(JobNotFoundError):
        await sender.tell(intake, "run1", "0" * 32)
    with pytest.raises(JobNotFoundError):
        await sender.tell(intake, "run9", None)


async def test_what_is_not_verified_is_refused_and_changes_nothing(
    ours: Process, provider: FakeProvider, clock: ManualClock, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    now = clock.now()

    for wrong in (
        {"secret": new_secret()},
        {"at": now - timedelta(minutes=5, seconds=1)},
        {"at": now + timedelta(minutes=5, seconds=1)},
        {"body": b"run2"},
        {"body": b"\xff"},
    ):
        with pytest.raises(WebhookNotVerifiedError):
            await sender.tell(intake, "run1", job.id, message_id="msg_same", **wrong)

    assert (await ours.jobs.get(job.id)).status is JobStatus.STARTING
    # The id of what was refused is still free.
    await sender.tell(intake, "run1", job.id, message_id="msg_same")
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_an_id_that_is_too_long_is_refused(
    ours: Process, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()

    with pytest.raises(InvalidRequestError):
        await sender.tell(intake, "run1", job.id, message_id="m" * 256)


async def test_the_provider_is_asked_for_its_secret_once(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()

    await asyncio.gather(*(sender.tell(intake, "run1", job.id) for _ in range(5)))

    assert provider.calls["webhook_secret"] == 1


async def test_a_secret_that_is_given_is_used_and_the_provider_not_asked(
    ours: Process, database: Database, provider: FakeProvider, clock: ManualClock, sender: Sender
) -> None:
    job = await ours.generate()
    secret = new_secret()
    intake = WebhookIntake(
        store=ours.store,
        door=ours.door,
        providers=Providers(provider),
        seen=SeenWebhooks(database),
        clock=clock,
        secret=secret,
    )

    await sender.tell(intake, "run1", job.id, secret=secret)
    with pytest.raises(WebhookNotVerifiedError):
        await sender.tell(intake, "run1", job.id)

    assert provider.calls["webhook_secret"] == 0


async def test_a_new_secret_of_the_provider_is_learnt_but_asked_for_rarely(
    ours: Process, provider: FakeProvider, clock: ManualClock, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    await sender.tell(intake, "run1", job.id)
    provider.secret = new_secret()

    with pytest.raises(WebhookNotVerifiedError):
        await sender.tell(intake, "run1", job.id)
    clock.advance(600)
    await sender.tell(intake, "run1", job.id)
    for _ in range(3):
        with pytest.raises(WebhookNotVerifiedError):
            await sender.tell(intake, "run1", job.id, secret=new_secret())

    assert provider.calls["webhook_secret"] == 2


async def test_while_the_secret_is_not_known_nothing_is_taken_in(
    ours: Process, provider: FakeProvider, intake: WebhookIntake, sender: Sender
) -> None:
    job = await ours.generate()
    provider.down = ProviderUnavailableError("Replicate cannot be reached.")

    with pytest.raises(ProviderUnavailableError):
        await sender.tell(intake, "run1", job.id)
    provider.down = None
    await sender.tell(intake, "run1", job.id)


class DoorWithoutDisk(JobDoor):
    """A door that can write nothing down."""

    def __init__(self) -> None:
        """It needs nothing."""

    async def apply(self, job: Job, report: Report) -> Job:
        raise StorageUnavailableError("The disk is full.")


async def test_what_could_not_be_taken_in_may_come_again(
    ours: Process,
    database: Database,
    provider: FakeProvider,
    clock: ManualClock,
    intake: WebhookIntake,
    sender: Sender,
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    seen = SeenWebhooks(database)
    failing = WebhookIntake(
        store=ours.store, door=DoorWithoutDisk(), providers=Providers(provider), seen=seen, clock=clock
    )

    with pytest.raises(StorageUnavailableError):
        await sender.tell(failing, "run1", job.id, message_id="msg_same")
    await sender.tell(intake, "run1", job.id, message_id="msg_same")

    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_ids_are_forgotten_once_their_webhooks_are_too_old_to_be_taken(
    database: Database, clock: ManualClock
) -> None:
    seen = SeenWebhooks(database)

    async def claim() -> bool:
        return await seen.claim("msg", now=clock.now(), forget_before=clock.now() - timedelta(minutes=10))

    first = await claim()
    clock.advance(600)
    at_the_limit = await claim()
    clock.advance(1)
    after_it = await claim()

    assert (first, at_the_limit, after_it) == (True, False, True)
