"""Trainings outlive the service, wherever in their life it dies."""

import asyncio
import io

import pytest
from PIL import Image

from tests.endtoend.machine import Machine, until
from tests.endtoend.proxy import Course, let_pass

pytestmark = pytest.mark.endtoend

STAGES = ("uploading", "unsent", "unanswered", "running")


@pytest.fixture
def uploads() -> dict[str, list[tuple[str, tuple[str, bytes, str]]]]:
    """For each stage ten pictures with its name."""
    content = io.BytesIO()
    Image.new("RGB", (512, 512), "teal").save(content, "png")
    return {
        stage: [("training_images", (f"{stage}-{n}.png", content.getvalue(), "image/png")) for n in range(10)]
        for stage in STAGES
    }


async def test_trainings_survive_a_kill_at_every_stage_of_their_start(
    machine: Machine, uploads: dict[str, list[tuple[str, tuple[str, bytes, str]]]]
) -> None:
    way = await machine.start_sandbox(pace=1)

    def lose(call: str, body: bytes) -> Course:
        if call == "POST /v1/files" and b"uploading-" in body:
            return Course.LOSE_REQUEST
        if call.endswith("/trainings") and b'"unsent"' in body:
            return Course.LOSE_REQUEST
        if call.endswith("/trainings") and b'"unanswered"' in body:
            return Course.LOSE_ANSWER
        return Course.PASS

    way.rule = lose
    first = await machine.start_service()
    asking = [
        first.client.post(
            "/fine-tune/",
            data={"trigger_word": stage, "steps": "100"},
            files=uploads[stage],
            headers={"Prefer": "respond-async"},
        )
        for stage in STAGES
    ]
    started = dict(zip(STAGES, [answer.json() for answer in await asyncio.gather(*asking)], strict=True))
    await until(lambda: (way.lost_requests, way.lost_answers) == (2, 1))
    await machine.until_counted("trainings", 2)
    await first.server.kill()
    way.rule = let_pass

    second = await machine.start_service()
    await second.all_succeeded(4)
    counts = await machine.counts()
    assert (counts["trainings"], counts["creates_received"]) == (4, 4)
    for stage in STAGES:
        status = (await second.client.get(started[stage]["status_url"])).json()
        assert await machine.versions(started[stage]["destination_model"]) == [status["version"]]
