"""`GET /training-status/{training_id}`."""

import shlex
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from app.models import Failure, FailureCode, JobStatus, Progress, TrainingResult
from app.services.access import Access
from tests.routers.conftest import ServeEdge
from tests.routers.stand_ins import TRAINING, StandInJobs

PROCESSING = replace(TRAINING, status=JobStatus.PROCESSING)


async def test_progress_is_told_in_numbers_and_in_words(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    progress = Progress("training", percent=45, step=450, total_steps=1000, eta_seconds=350, loss=0.34)
    stand_in_jobs.job = replace(PROCESSING, progress=progress, log_tail="first\nlast")

    told = (await edge.get("/training-status/77aa")).json()

    assert told["status"] == "processing"
    assert told["message"] == "Training, 45 %, about 6 minutes left."
    assert (told["percent"], told["step"], told["total_steps"]) == (45, 450, 1000)
    assert (told["eta_seconds"], told["phase"], told["loss"]) == (350, "training", 0.34)
    assert told["log_tail"] == ["first", "last"]
    assert told["use_it"] is None


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        (None, "Training."),
        (Progress("preparing"), "Preparing the pictures."),
        (Progress("captioning", percent=30), "Writing captions, 30 %."),
        (Progress("training", percent=99, eta_seconds=4), "Training, 99 %, less than a minute left."),
        (Progress("training", percent=1, eta_seconds=70), "Training, 1 %, about 1 minute left."),
        (Progress("training", percent=1, eta_seconds=7200), "Training, 1 %, about 2 hours left."),
        (Progress("saving", percent=100), "Saving the model, 100 %."),
    ],
)
async def test_each_phase_has_its_sentence(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, progress: Progress | None, message: str
) -> None:
    stand_in_jobs.job = replace(PROCESSING, progress=progress)

    assert (await edge.get("/training-status/77aa/")).json()["message"] == message


async def test_a_finished_training_says_how_to_use_it(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.job = replace(
        TRAINING, status=JobStatus.SUCCEEDED, result=TrainingResult("me/cats:4ffd", "https://x.example/w.tar")
    )

    told = (await edge.get("/training-status/77aa")).json()

    assert (told["status"], told["percent"]) == ("succeeded", 100)
    assert (told["model"], told["version"]) == ("me/cats", "me/cats:4ffd")
    assert told["message"] == "Done. Generate with model 'me/cats:4ffd' and 'TOK' in the prompt."
    assert told["use_it"] == (
        "curl http://fluxgate/generate-image/ "
        "--data-urlencode 'prompt=a photo of TOK' --data-urlencode model=me/cats:4ffd"
    )


async def test_the_ready_line_holds_nothing_that_a_shell_would_run(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.job = replace(
        TRAINING,
        order=replace(TRAINING.order, trigger_word="$(reboot)'`;"),
        status=JobStatus.SUCCEEDED,
        result=TrainingResult("me/cats:4ffd"),
    )

    told = (await edge.get("/training-status/77aa", headers={"Host": "x;reboot"})).json()

    words = shlex.split(told["use_it"])
    assert words[0] == "curl"
    assert words[3] == "prompt=a photo of $(reboot)'`;"
    assert not any(word == "reboot" for word in shlex.shlex(told["use_it"], punctuation_chars=True))


async def test_the_ready_line_reminds_of_the_key(serve_edge: ServeEdge, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = replace(TRAINING, status=JobStatus.SUCCEEDED, result=TrainingResult("me/cats:4ffd"))
    async with serve_edge(access=Access(api_keys={"a": SecretStr("open sesame")})) as client:
        response = await client.get("/training-status/77aa", headers={"X-API-Key": "open sesame"})

    assert response.json()["use_it"].startswith('curl -H "Authorization: Bearer $API_KEY" http://fluxgate/')


async def test_a_failed_training_says_why(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    failure = Failure(FailureCode.OUT_OF_MEMORY, "The GPU ran out of memory.")
    stand_in_jobs.job = replace(TRAINING, status=JobStatus.FAILED, failure=failure)

    told = (await edge.get("/training-status/77aa")).json()

    assert told["message"] == "Failed: The GPU ran out of memory."
    assert told["error"] == {
        "code": "out_of_memory",
        "detail": "The GPU ran out of memory.",
        "provider_details": None,
    }


async def test_an_unknown_training_is_not_found(edge: httpx.AsyncClient) -> None:
    response = await edge.get("/training-status/nobody")

    assert response.status_code == 404
    assert response.json()["detail"] == "No job with id 'nobody'."
