"""Jobs that are written at the same moment share statements, and stand on record as if each had its own."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from app.models import Failure, FailureCode, Image, Job, JobKind, JobStatus, Order, PassedOver
from app.storage.database import Database
from app.storage.jobs import JobStore, RunTakenError

NOW = datetime(2026, 3, 1, 9, 12, 44, 578123, tzinfo=UTC)
JOBS = 12

Together = Callable[..., Awaitable[list[Any]]]


def job(number: int, **changes: Any) -> Job:
    order = Order(
        provider="replicate",
        kind=JobKind.GENERATION,
        model="black-forest-labs/flux-dev",
        version=None,
        input={"prompt": f"a cat's 'view' {number}", "guidance": 3.5, "go_fast": True, "seed": 2**32 - 1},
        expected_outputs=2,
        seed=2**53 + number,
        ignored=("width",),
    )
    made = Job(
        id=f"{number:032x}",
        order=order,
        status=JobStatus.QUEUED,
        created_at=NOW + timedelta(microseconds=number),
        updated_at=NOW,
        deadline=NOW + timedelta(hours=1),
        due_at=NOW + timedelta(seconds=90),
        sent_at=NOW if number % 2 else None,
    )
    return replace(made, **changes)


def ended(before: Job, **changes: Any) -> Job:
    """The next revision of a job, with its pictures."""
    pictures = tuple(
        Image(f"{before.id}_{n}.webp", before.id, n, "image/webp", 512, 768, 200_000 + n, "0f" * 32, NOW)
        for n in (1, 2)
    )
    made = replace(
        before,
        status=JobStatus.SUCCEEDED,
        revision=before.revision + 1,
        upstream_id=f"run{before.id}",
        images=pictures,
        due_at=None,
        completed_at=NOW + timedelta(seconds=2),
        predict_seconds=1.25,
        tried=("another",),
        notice="Eins, zwei, drei: 🦊",
    )
    return replace(made, **changes)


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def together(held_up: Callable[[], AbstractAsyncContextManager[None]]) -> Together:
    """What these answer, or raise, when all of them wait at the same moment."""

    async def written(*writes: Awaitable[Any]) -> list[Any]:
        async with asyncio.timeout(10):
            async with held_up():
                tasks = [asyncio.ensure_future(write) for write in writes]
                await asyncio.sleep(0)
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    return written


@pytest.fixture
async def statements(database: Database) -> list[str]:
    """The first words of what the writer has SQLite do."""
    seen: list[str] = []

    def watch(connection: Connection) -> None:
        driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        driver.set_trace_callback(lambda statement: seen.append(" ".join(statement.split()[:3])))

    await database.write(watch)
    return seen


async def test_many_jobs_take_as_many_statements_as_one(
    store: JobStore, together: Together, statements: list[str]
) -> None:
    jobs = [job(number) for number in range(JOBS)]
    assert await together(*(store.add(each) for each in jobs)) == [True] * JOBS
    assert statements.count("INSERT INTO jobs") == 1
    assert await together(*(store.change(ended(each)) for each in jobs)) == [True] * JOBS
    assert statements.count("UPDATE jobs SET") == 1
    assert statements.count("INSERT INTO images") == 1


@pytest.mark.parametrize(
    "special",
    [
        {},
        {
            "idempotency_key": 'a "key"',
            "request_digest": "0f" * 32,
            "warnings": ("TOK is not in the prompt.",),
        },
        {"passed_over": (PassedOver("bfl/flux-dev", "Busy."),), "due_at": None},
        {
            "order": replace(
                job(3).order, input={"prompt": "before\0after", "images": [None, {"é": "\\u0000"}]}
            )
        },
        {"order": replace(job(3).order, seed=None, destination="me/cats", trigger_word="before\0after")},
        {"order": replace(job(3).order, alternatives=(job(4).order,), version="12345")},
    ],
    ids=lambda special: "+".join(special) or "plain",
)
async def test_a_job_is_the_same_on_record_whoever_was_written_with_it(
    store: JobStore, together: Together, special: dict[str, Any]
) -> None:
    jobs = [job(number, **(special if number == 3 else {})) for number in range(JOBS)]
    assert await together(*(store.add(each) for each in jobs)) == [True] * JOBS
    assert [await store.get(each.id) for each in jobs] == jobs
    after = [ended(each) for each in jobs]
    assert await together(*(store.change(each) for each in after)) == [True] * JOBS
    assert [await store.get(each.id) for each in jobs] == after


async def test_a_failure_is_the_same_on_record_whoever_was_written_with_it(
    store: JobStore, together: Together
) -> None:
    jobs = [job(number) for number in range(JOBS)]
    await together(*(store.add(each) for each in jobs))
    failure = Failure(FailureCode.CONTENT_MODERATED, "Withheld.", {"Reasons": ["a", None, 1.5]})
    after = [
        ended(each, status=JobStatus.FAILED, images=(), failure=failure, log_tail="line\nline")
        for each in jobs
    ]
    assert await together(*(store.change(each) for each in after)) == [True] * JOBS
    assert [await store.get(each.id) for each in jobs] == after


async def test_a_key_that_is_taken_is_no_others_fault(store: JobStore, together: Together) -> None:
    await store.add(job(99, idempotency_key="taken"))
    jobs = [job(number, idempotency_key="taken" if number == 5 else None) for number in range(JOBS)]
    answers = await together(*(store.add(each) for each in jobs))
    assert answers == [number != 5 for number in range(JOBS)]
    assert await store.get(jobs[5].id) is None
    assert await store.get(jobs[6].id) == jobs[6]


async def test_of_two_that_change_a_job_at_the_same_moment_one_wins(
    store: JobStore, together: Together
) -> None:
    jobs = [job(number) for number in range(JOBS)]
    await together(*(store.add(each) for each in jobs))
    after = [ended(each) for each in jobs]
    late = ended(jobs[0], notice="late", images=())
    answers = await together(*(store.change(each) for each in after), store.change(late))
    assert answers == [True] * JOBS + [False]
    assert await store.get(jobs[0].id) == after[0]


async def test_what_is_old_news_is_no_others_fault(store: JobStore, together: Together) -> None:
    jobs = [job(number) for number in range(JOBS)]
    await together(*(store.add(each) for each in jobs))
    old = ended(jobs[0], revision=7)
    after = [ended(each) for each in jobs[1:]]
    answers = await together(store.change(old), *(store.change(each) for each in after))
    assert answers == [False] + [True] * (JOBS - 1)
    assert await store.get(jobs[0].id) == jobs[0]
    assert await store.get(jobs[1].id) == after[0]


async def test_a_run_that_is_another_jobs_is_told_to_one_alone(store: JobStore, together: Together) -> None:
    jobs = [job(number) for number in range(JOBS)]
    await together(*(store.add(each) for each in jobs))
    thief = ended(jobs[4], upstream_id=f"run{jobs[0].id}")
    after = [ended(each) for each in jobs if each is not jobs[4]]
    answers = await together(*(store.change(each) for each in after), store.change(thief))
    assert answers[:-1] == [True] * (JOBS - 1)
    assert isinstance(answers[-1], RunTakenError)
    assert await store.get(jobs[4].id) == jobs[4]
