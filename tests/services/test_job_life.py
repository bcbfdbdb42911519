"""The rules of a job's life, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import ProviderUnavailableError
from app.models import Failure, FailureCode, Job, JobKind, JobStatus, Order, Progress
from app.services.jobs import life
from app.services.provider import Report

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SETTLED_AFTER = (timedelta(seconds=15), timedelta(minutes=2), timedelta(minutes=10))
LATER = NOW + timedelta(seconds=3)
UPSTREAM = "ufawqhfynnddngldkgtslldrkq"


@pytest.fixture
def job() -> Job:
    """A generation of two pictures that is being sent."""
    return Job(
        id="a" * 32,
        order=Order("replicate", JobKind.GENERATION, "owner/name", None, {"prompt": "x"}, expected_outputs=2),
        status=JobStatus.QUEUED,
        created_at=NOW,
        updated_at=NOW,
        deadline=NOW + timedelta(hours=1),
        due_at=NOW,
        sent_at=NOW,
    )


@pytest.mark.parametrize("before", list(JobStatus))
@pytest.mark.parametrize("said", [s for s in JobStatus if s is not JobStatus.QUEUED])
def test_every_report_against_every_status(job: Job, before: JobStatus, said: JobStatus) -> None:
    known = replace(job, status=before, upstream_id=UPSTREAM)
    report = Report(said, UPSTREAM, outputs=("a", "b"), logs="new words")
    after = life.advance(known, report, LATER)

    order = [JobStatus.QUEUED, JobStatus.STARTING, JobStatus.PROCESSING]
    is_old_news = before.is_final or (not said.is_final and order.index(said) < order.index(before))
    assert (after is known) == is_old_news
    if not is_old_news:
        assert (after.status, after.revision, after.updated_at) == (said, 2, LATER)


def test_the_same_report_twice_changes_nothing(job: Job) -> None:
    report = Report(JobStatus.PROCESSING, UPSTREAM, logs="one line")
    once = life.advance(job, report, NOW)
    assert life.advance(once, report, LATER) is once


def test_a_report_of_another_run_changes_nothing(job: Job) -> None:
    known = replace(job, upstream_id=UPSTREAM, status=JobStatus.STARTING)
    assert life.advance(known, Report(JobStatus.SUCCEEDED, "another", outputs=("a",)), NOW) is known


def test_fewer_pictures_than_asked_for_are_a_success_that_says_so(job: Job) -> None:
    after = life.advance(job, Report(JobStatus.SUCCEEDED, UPSTREAM, outputs=("a",)), NOW)
    assert after.status is JobStatus.SUCCEEDED
    assert after.notice is not None
    assert after.notice.startswith("1 of 2 pictures")


@pytest.mark.parametrize(
    ("removed", "code"), [(True, FailureCode.OUTPUTS_LOST), (False, FailureCode.PREDICTION_FAILED)]
)
def test_no_picture_at_all_is_a_failure(job: Job, removed: bool, code: FailureCode) -> None:
    report = Report(JobStatus.SUCCEEDED, UPSTREAM, outputs_removed=removed)
    after = life.advance(job, report, NOW)
    assert after.status is JobStatus.FAILED
    assert after.failure is not None
    assert after.failure.code is code


def test_an_interrupted_run_is_repeated_until_three_were_tried(job: Job) -> None:
    failure = Failure(FailureCode.INTERRUPTED, "Prediction interrupted; please retry (code: PA)")
    statuses = []
    for run in ("first", "second", "third"):
        job = replace(life.advance(job, Report(JobStatus.FAILED, run, failure=failure, reruns=2), NOW))
        statuses.append((job.status, job.attempt, job.tried))
        job = job if job.status.is_final else life.sent(job, NOW)
    assert statuses == [
        (JobStatus.QUEUED, 2, ("first",)),
        (JobStatus.QUEUED, 3, ("first", "second")),
        (JobStatus.FAILED, 3, ("first", "second")),
    ]
    assert job.failure is not None
    assert job.failure.detail.startswith("Given up after 3 runs.")


def test_the_end_of_an_earlier_run_does_not_end_the_next_one(job: Job) -> None:
    again = replace(job, tried=("first",), attempt=2)
    assert life.advance(again, Report(JobStatus.CANCELED, "first"), NOW) is again


def test_progress_never_goes_back(job: Job) -> None:
    half = Report(JobStatus.PROCESSING, UPSTREAM, progress=Progress("training", 50))
    less = Report(JobStatus.PROCESSING, UPSTREAM, progress=Progress("training", 40))
    assert life.advance(life.advance(job, half, NOW), less, NOW).progress == Progress("training", 50)


def test_a_job_held_back_counts_as_never_sent(job: Job) -> None:
    error = ProviderUnavailableError("Too many requests.", retry_after=timedelta(seconds=7))
    after = life.held_back(job, error, timedelta(seconds=7), NOW)
    assert (after.sent_at, after.due_at) == (None, NOW + timedelta(seconds=7))


def test_a_lost_answer_is_looked_for_soon_and_then_with_patience(job: Job) -> None:
    pauses = []
    now = NOW
    for _ in range(5):
        job = life.answer_lost(job, None, now)
        assert job.due_at is not None
        pauses.append((job.due_at - now).total_seconds())
        now = job.due_at
    assert pauses == [1, 2, 4, 8, 16]
    assert not life.surely_absent(job, NOW + timedelta(seconds=14), SETTLED_AFTER)
    assert life.surely_absent(job, NOW + timedelta(seconds=15), SETTLED_AFTER)


def test_a_job_is_sent_again_twice_and_then_given_up(job: Job) -> None:
    settled = []
    now = NOW
    while not job.status.is_final:
        job = life.sent(job, now)
        lost_at = now
        job = life.answer_lost(job, None, now)
        while not life.surely_absent(job, now, SETTLED_AFTER):
            now += timedelta(seconds=1)
        settled.append((now - lost_at).total_seconds())
        job = life.unsent(job, now, SETTLED_AFTER)
    assert settled == [15, 120, 600]
    assert job.failure is not None
    assert job.failure.code is FailureCode.ANSWER_LOST


def test_missing_pictures_are_tried_for_an_hour_and_vanished_ones_for_seconds(job: Job) -> None:
    waiting = life.pictures_waiting(job, "connection reset", gone=False, now=NOW)
    assert waiting.status is JobStatus.PROCESSING
    assert not life.pictures_given_up(waiting, gone=False, now=NOW + timedelta(minutes=59))
    assert life.pictures_given_up(waiting, gone=False, now=NOW + timedelta(minutes=60))
    vanished = life.pictures_waiting(waiting, "404", gone=True, now=NOW + timedelta(minutes=10))
    assert not life.pictures_given_up(vanished, gone=True, now=NOW + timedelta(minutes=10, seconds=19))
    assert life.pictures_given_up(vanished, gone=True, now=NOW + timedelta(minutes=10, seconds=20))


@pytest.mark.parametrize(("elapsed", "pause"), [(0, 8), (5, 3), (8, 0.5), (12, 1), (100, 5)])
def test_runs_are_looked_at_when_their_model_is_usually_done(job: Job, elapsed: int, pause: float) -> None:
    now = NOW + timedelta(seconds=elapsed)
    assert life.next_look(job, now, usual_seconds=8) == now + timedelta(seconds=pause)
