"""System E, the image generation studio, as its user walks through it with its form."""

import io

import pytest
from PIL import Image

from tests.systems.studio import MODEL, Studio

pytestmark = pytest.mark.endtoend

FORM = {
    "width": "1024",
    "height": "768",
    "steps": "28",
    "prompt_upsampling": "true",
    "seed": "7",
    "guidance": "3",
    "safety_tolerance": "2",
}


async def test_a_user_submits_the_form_follows_the_task_and_sees_the_picture(studio: Studio) -> None:
    await studio.open(pace=1)
    submitted = await studio.submit("a lighthouse", **FORM)
    assert submitted["status"] == "queued"

    started = await studio.until_shown_as(submitted, "starting")
    assert started["provider_id"]
    ended = await studio.ended(submitted)

    assert ended["status"] == "succeeded"
    assert (ended["provider"], ended["model"], ended["seed"]) == ("bfl", MODEL, 7)
    assert ended["input"] == {
        "prompt": "a lighthouse",
        "width": 1024,
        "height": 768,
        "steps": 28,
        "prompt_upsampling": True,
        "seed": 7,
        "guidance": 3,
        "safety_tolerance": 2,
    }
    fetched = await studio.service.client.get(ended["generated_image_urls"][0])
    assert fetched.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(fetched.content)) as picture:
        picture.load()
        assert picture.size == (1024, 768)
    assert await studio.tasks() == (1, 1)
    assert (await studio.machine.counts())["bfl_keys_leaked"] == 0


async def test_the_bounds_of_every_field_are_taken(studio: Studio) -> None:
    await studio.open(pace=0)
    least = {"width": "256", "height": "256", "steps": "1", "guidance": "1.5", "safety_tolerance": "0"}
    most = {"width": "1440", "height": "1440", "steps": "50", "guidance": "5", "safety_tolerance": "6"}

    jobs = [await studio.submit("a boat", **fields) for fields in (least, most, {})]
    images = [(await studio.ended(job))["images"][0] for job in jobs]

    # Black Forest Labs chooses what the form leaves out.
    sizes = [(image["width"], image["height"]) for image in images]
    assert sizes == [(256, 256), (1440, 1440), (1024, 768)]


async def test_every_wrong_field_is_listed_with_its_value_and_what_is_allowed(studio: Studio) -> None:
    await studio.open(pace=0)
    wrong = {
        "width": "1000",
        "height": "1472",
        "steps": "51",
        "prompt_upsampling": "perhaps",
        "guidance": "1.4",
        "safety_tolerance": "7",
    }

    answer = await studio.service.client.post(
        "/generate-image/", data={"model": MODEL, "prompt": "a boat", **wrong}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    told = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert told == {
        "width": "1000 is not possible with bfl/flux-dev; it takes multiples of 32 from 256 to 1440.",
        "height": "1472 is too high for bfl/flux-dev; it takes multiples of 32 from 256 to 1440.",
        "steps": "51 is too high for bfl/flux-dev; it takes 1 to 50.",
        "prompt_upsampling": "'perhaps' is not true or false, which is what bfl/flux-dev takes.",
        "guidance": "1.4 is too low for bfl/flux-dev; it takes 1.5 to 5.",
        "safety_tolerance": "7 is too high for bfl/flux-dev; it takes 0 to 6.",
    }
    without_prompt = await studio.service.client.post("/generate-image/", data={"model": MODEL})
    assert [error["field"] for error in without_prompt.json()["errors"]] == ["prompt"]
    assert await studio.tasks() == (0, 0)


async def test_every_status_of_a_task_is_shown_for_what_it_is(studio: Studio) -> None:
    await studio.open(pace=0.2)
    words = ("slow-start", "reasoning", "lost-task", "moved", "flagged", "moderated", "failed")
    tasks = {word: await studio.submit(f"sandbox:{word} a fox") for word in words}

    # Pending, and Reasoning.
    assert (await studio.until_shown_as(tasks["slow-start"], "starting"))["failure"] is None
    assert (await studio.until_shown_as(tasks["reasoning"], "processing"))["failure"] is None

    request_moderated = (await studio.ended(tasks["flagged"]))["failure"]
    assert request_moderated["code"] == "content_moderated"
    assert (
        "refused the request before anything was made, and nothing was charged" in request_moderated["detail"]
    )
    assert request_moderated["provider_details"] == {"Moderation Reasons": ["Safety Filter"]}

    content_moderated = (await studio.ended(tasks["moderated"]))["failure"]
    assert content_moderated["code"] == "content_moderated"
    assert "withheld the finished picture, and nothing was charged" in content_moderated["detail"]

    error = (await studio.ended(tasks["failed"]))["failure"]
    assert error["code"] == "prediction_failed"
    assert error["detail"].endswith("An unexpected error occurred while running the model (E1000)")
    assert error["provider_details"] == {
        "error": "An unexpected error occurred while running the model (E1000)"
    }

    # "Task not found" may be another cluster's word, so it is no end until it has been said for an hour.
    assert (await studio.ended(tasks["moved"]))["status"] == "succeeded"
    lost = await studio.until(tasks["lost-task"], lambda job: bool(job["notice"]))
    assert lost["notice"] == "The provider does not know this run at the moment; it is asked again."
    assert lost["status"] == "starting"
    assert await studio.tasks() == (7, 7)


async def test_whoever_stays_for_the_picture_gets_the_apis_own_words(studio: Studio) -> None:
    await studio.open(pace=0)

    answer = await studio.service.client.post(
        "/generate-image/", data={"model": MODEL, "prompt": "sandbox:flagged a fox"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "content_moderated")
    assert answer.json()["provider_details"] == {"Moderation Reasons": ["Safety Filter"]}
    assert (await studio.seen({"id": answer.json()["job_id"]}))["status"] == "failed"


async def test_without_a_key_one_sentence_says_what_to_set(studio: Studio) -> None:
    await studio.open(pace=0, BFL_API_KEY="", REPLICATE_API_TOKEN="any")  # noqa: S106 - the sandbox takes any

    answer = await studio.service.client.post("/generate-image/", data={"model": MODEL, "prompt": "a fox"})

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_token_refused")
    assert answer.json()["detail"] == "Set BFL_API_KEY to use the models of Black Forest Labs."
    assert (await studio.service.client.get("/jobs")).json()["jobs"] == []
    models = (await studio.service.client.get("/models")).json()["models"]
    assert "bfl" not in {model["provider"] for model in models}


async def test_a_key_that_is_refused_is_told_and_not_shown(studio: Studio) -> None:
    await studio.open(pace=0, BFL_API_KEY="bfl_invalid_key")

    answer = await studio.service.client.post("/generate-image/", data={"model": MODEL, "prompt": "a fox"})

    assert (answer.status_code, answer.json()["code"]) == (503, "provider_token_refused")
    assert answer.json()["detail"] == (
        "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."
    )
    assert "bfl_invalid_key" not in answer.text + studio.service.server.log.read_text()
