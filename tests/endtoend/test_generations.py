"""Generations outlive the service: whenever it dies, no picture is lost and none is paid for twice."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from tests.endtoend.machine import Machine, Service, until
from tests.endtoend.proxy import Course, Proxy, let_pass

pytestmark = pytest.mark.endtoend

CREATES = "POST /v1/models/"
DOWNLOADS = "GET /delivery/"


@pytest.fixture
def lose() -> Callable[[Proxy, str, Course], None]:
    """Let the way to the provider lose all calls that begin so, or their answers."""

    def lose(way: Proxy, calls: str, course: Course) -> None:
        way.rule = lambda call, _: course if call.startswith(calls) else Course.PASS

    return lose


async def test_fifty_generations_under_way_survive_a_kill(machine: Machine) -> None:
    await machine.start_sandbox(pace=3)
    first = await machine.start_service()
    prompts = [f"a lighthouse, number {number}" for number in range(50)]
    asking = asyncio.gather(
        *(first.generate(prompt, waits=n % 2 == 0, key=prompt) for n, prompt in enumerate(prompts))
    )
    await machine.until_counted("predictions", 50)
    await first.server.kill()
    answers = await asking
    assert answers.count(None) == 25  # Those who were waiting.

    second = await machine.start_service()
    again = await asyncio.gather(*(second.generate(prompt, waits=True, key=prompt) for prompt in prompts))
    assert [answer and answer.status_code for answer in again] == [200] * 50
    jobs = await second.all_succeeded(50)
    assert {job["input"]["prompt"] for job in jobs} == set(prompts)
    await second.check_pictures(jobs)
    counts = await machine.counts()
    assert (counts["predictions"], counts["creates_received"]) == (50, 50)


@pytest.mark.parametrize("course", [Course.LOSE_REQUEST, Course.LOSE_ANSWER])
async def test_generations_survive_a_kill_between_their_create_and_its_answer(
    machine: Machine, lose: Callable[[Proxy, str, Course], None], course: Course
) -> None:
    way = await machine.start_sandbox(pace=1)
    lose(way, CREATES, course)
    first = await machine.start_service()
    asking = asyncio.gather(*(first.generate(f"a boat, number {n}", waits=n % 2 == 0) for n in range(30)))
    await until(lambda: way.lost_requests + way.lost_answers == 30)
    await first.server.kill()
    await asking
    way.rule = let_pass

    second = await machine.start_service()
    jobs = await second.all_succeeded(30)
    await second.check_pictures(jobs)
    counts = await machine.counts()
    assert (counts["predictions"], counts["creates_received"]) == (30, 30)


async def test_generations_survive_a_kill_of_the_process_that_writes_pictures(machine: Machine) -> None:
    way = await machine.start_sandbox(pace=0)
    way.rule = lambda call, _: Course.HOLD_ANSWER if call.startswith(DOWNLOADS) else Course.PASS
    service = await machine.start_service()
    asking = asyncio.gather(*(service.generate(f"a fox, number {n}", waits=True) for n in range(60)))
    await until(lambda: way.held_answers == 60)
    way.go_on()
    os.kill(await machine.picture_writer(), signal.SIGKILL)
    assert [answer and answer.status_code for answer in await asking] == [200] * 60
    jobs = await service.all_succeeded(60)
    await service.check_pictures(jobs)
    assert "The process that writes pictures ended" in service.server.log.read_text()
    counts = await machine.counts()
    assert (counts["predictions"], counts["creates_received"]) == (60, 60)


async def test_generations_survive_a_kill_while_their_pictures_are_fetched(
    machine: Machine, lose: Callable[[Proxy, str, Course], None]
) -> None:
    way = await machine.start_sandbox(pace=0)
    lose(way, DOWNLOADS, Course.LOSE_ANSWER)
    first = await machine.start_service()
    asking = asyncio.gather(*(first.generate(f"a tree, number {n}", waits=True) for n in range(20)))
    await until(lambda: way.lost_answers == 20)
    await first.server.kill()
    await asking
    way.rule = let_pass

    second = await machine.start_service()
    await second.check_pictures(await second.all_succeeded(20))
    assert (await machine.counts())["predictions"] == 20


async def test_a_stop_sends_those_who_wait_to_their_jobs(machine: Machine) -> None:
    await machine.start_sandbox(pace=2)
    first = await machine.start_service()
    waiting = asyncio.gather(*(first.generate(f"a tower, number {n}", waits=True) for n in range(10)))
    leaving = asyncio.gather(*(first.generate(f"a bridge, number {n}", waits=False) for n in range(10)))
    await machine.until_counted("predictions", 20)
    await leaving
    await first.server.stop()
    # Whoever had no picture yet is not kept waiting, and does not keep the process from stopping.
    assert {answer and answer.status_code for answer in await waiting} <= {200, 202}

    second = await machine.start_service()
    await second.check_pictures(await second.all_succeeded(20))
    assert (await machine.counts())["predictions"] == 20


async def test_a_stop_that_cannot_wait_loses_nothing(
    machine: Machine, lose: Callable[[Proxy, str, Course], None]
) -> None:
    way = await machine.start_sandbox(pace=1)
    lose(way, CREATES, Course.LOSE_ANSWER)
    first = await machine.start_service("--timeout-graceful-shutdown", "1")
    asking = asyncio.gather(*(first.generate(f"an owl, number {n}", waits=True) for n in range(10)))
    await until(lambda: way.lost_answers == 10)
    await first.server.stop()
    await asking
    way.rule = let_pass

    second = await machine.start_service()
    await second.check_pictures(await second.all_succeeded(10))
    assert (await machine.counts())["predictions"] == 10


async def test_two_processes_on_the_same_records_send_every_generation_once(machine: Machine) -> None:
    await machine.start_sandbox(pace=1)
    services = await asyncio.gather(machine.start_service(), machine.start_service())
    asking = [services[n % 2].generate(f"a garden, number {n}", waits=n % 4 < 2) for n in range(40)]
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers if answer) == [200] * 20 + [202] * 20
    for service in services:
        await service.check_pictures(await service.all_succeeded(40))
    counts = await machine.counts()
    assert (counts["predictions"], counts["creates_received"]) == (40, 40)


async def test_workers_share_keys_and_jobs(machine: Machine) -> None:
    await machine.start_sandbox(pace=1)
    service: Service = await machine.start_service(WORKERS="2")
    asking = [
        service.generate(f"a fox, number {n}", waits=True, key=f"key-{n}") for n in range(10) for _ in "ab"
    ]
    answers = await asyncio.gather(*asking)
    assert [answer.status_code for answer in answers if answer] == [200] * 20
    assert len({answer.json()["job_id"] for answer in answers if answer}) == 10
    await service.check_pictures(await service.all_succeeded(10))
    assert (await machine.counts())["predictions"] == 10
