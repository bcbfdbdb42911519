"""System E at work: many tasks at once, processes that are killed, answers that are lost, no credit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.endtoend.machine import until
from tests.endtoend.processes import free_port
from tests.endtoend.proxy import Course, Proxy, let_pass
from tests.systems.studio import MODEL, Studio

pytestmark = pytest.mark.endtoend

CREATE = f"POST /v1/{MODEL.removeprefix('bfl/')}"
UNKNOWN = "Whether it runs is unknown, since the provider's answer was lost, and cannot be asked."


async def test_thirty_at_once_keep_to_the_24_tasks_that_may_be_active(studio: Studio) -> None:
    await studio.open(pace=2)

    submitted = await asyncio.gather(*(studio.submit(f"a fox, number {n}") for n in range(30)))
    await studio.machine.until_counted("bfl_tasks", 24)
    waiting = [job for job in [await studio.seen(job) for job in submitted] if job["queue_place"]]
    jobs = await studio.service.all_succeeded(30)

    # The sandbox refuses a 25th order as the real one does: none was ever sent.
    assert await studio.tasks() == (30, 30)
    assert sorted(job["queue_place"] for job in waiting) == list(range(1, len(waiting) + 1))
    assert 0 < len(waiting) <= 6
    assert len({job["provider_id"] for job in jobs}) == 30
    await studio.service.check_pictures(jobs)


async def test_tasks_under_way_survive_a_kill(studio: Studio) -> None:
    await studio.open(pace=3)
    await asyncio.gather(*(studio.submit(f"a boat, number {n}") for n in range(10)))
    await studio.machine.until_counted("bfl_tasks", 10)
    await studio.service.server.kill()

    await studio.serve()

    jobs = await studio.service.all_succeeded(10)
    await studio.service.check_pictures(jobs)
    assert await studio.tasks() == (10, 10)


async def test_a_task_whose_answer_died_with_the_process_is_unknown_and_not_sent_again(
    studio: Studio,
) -> None:
    await studio.open(pace=0)
    studio.way.rule = lambda call, _: Course.LOSE_ANSWER if call == CREATE else Course.PASS
    submitted = await studio.submit("a tower")
    await until(lambda: studio.way.lost_answers == 1)
    await studio.service.server.kill()
    studio.way.rule = let_pass

    await studio.serve()
    shown = await studio.until(submitted, lambda job: bool(job["notice"]))
    others = [await studio.submit(f"a bridge, number {n}") for n in range(3)]
    for job in others:
        assert (await studio.ended(job))["status"] == "succeeded"

    assert shown["notice"].startswith(UNKNOWN)
    assert (shown["status"], shown["provider_id"], shown["failure"]) == ("queued", None, None)
    assert await studio.tasks() == (4, 4)
    canceled = (await studio.service.client.post(f"/jobs/{submitted['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert canceled["failure"]["detail"] == (
        "Canceled while it was unknown whether it runs; it may have been charged."
    )


async def test_a_webhook_finds_the_task_whose_answer_was_lost(studio: Studio) -> None:
    port = free_port()
    await studio.open(pace=0.5, WEBHOOK_URL=f"http://127.0.0.1:{port}")
    studio.way.rule = lambda call, _: Course.LOSE_ANSWER if call == CREATE else Course.PASS
    way_in = Proxy(studio.service.server.url)
    await way_in.start(port)
    try:
        ended = await studio.ended(await studio.submit("a garden"))
    finally:
        await way_in.aclose()

    assert (ended["status"], len(ended["images"])) == ("succeeded", 1)
    assert await studio.tasks() == (1, 1)


async def test_what_a_webhook_says_is_asked_for_and_not_believed(studio: Studio) -> None:
    await studio.open(pace=0.2)
    running = await studio.until_shown_as(await studio.submit("sandbox:reasoning a fox"), "processing")
    made = await studio.ended(await studio.submit("a fox"))
    forged = {"status": "FAILED", "error": "none", "result": {"sample": "http://127.0.0.1:1/other.jpg"}}

    for job in (running, made):
        answer = await studio.service.client.post(
            f"/webhook/{job['id']}", json={"task_id": job["provider_id"], **forged}
        )
        assert answer.status_code == 204

    assert (await studio.seen(running))["status"] == "processing"
    assert await studio.seen(made) == made


@pytest.fixture
async def out_of_credit() -> AsyncIterator[str]:
    """The address of a Black Forest Labs whose account has no credit left."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"detail": "Insufficient credits"}, status=402)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_without_credit_the_next_model_of_the_alias_makes_the_picture(
    studio: Studio, out_of_credit: str
) -> None:
    await studio.open(
        pace=0,
        BFL_BASE_URL=out_of_credit,
        REPLICATE_API_TOKEN="any",  # noqa: S106 - the sandbox takes any
        MODEL_ALIASES=f"FLUX={MODEL},black-forest-labs/flux-dev",
    )

    answer = await studio.service.client.post(
        "/generate-image/", data={"model": "FLUX", "prompt": "a city", "seed": "7"}
    )

    made = answer.json()
    assert (answer.status_code, made["status"], made["seed"]) == (200, "succeeded", 7)
    assert (made["provider"], made["model"]) == ("replicate", "black-forest-labs/flux-dev")
    assert made["passed_over"] == [
        {
            "model": MODEL,
            "reason": "The credits of this service's account at Black Forest Labs are used up. "
            "Its operator has to add some.",
        }
    ]
    counts = await studio.machine.counts()
    assert (counts["predictions"], counts["bfl_tasks"]) == (1, 0)


async def test_without_credit_and_without_another_model_the_answer_says_so(
    studio: Studio, out_of_credit: str
) -> None:
    await studio.open(pace=0, BFL_BASE_URL=out_of_credit)

    answer = await studio.service.client.post("/generate-image/", data={"model": MODEL, "prompt": "a city"})

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_out_of_credit")
    assert (await studio.seen({"id": answer.json()["job_id"]}))["status"] == "failed"
