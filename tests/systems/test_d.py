"""System D, the local SDXL server, as its user walks through it with JSON.

The models are tiny and really loaded, so all of it needs the packages of `requirements-local.txt`.
"""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL.Image import Image

from tests.systems.sdxl_server import SdxlServer, most_different, picture_in, picture_of

pytest.importorskip("diffusers", reason="requirements-local.txt is not installed; make test-local does it")

pytestmark = pytest.mark.endtoend


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's folder of models."""
    from tests.systems.tiny_models import put_models

    folder = tmp_path_factory.mktemp("operator")
    put_models(folder / "models", folder / "scratch")
    return folder / "models"


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SdxlServer]:
    """A server for all tests that leave it as it is."""
    server = SdxlServer(models, tmp_path_factory.mktemp("server"), VARIANT="fp16")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def other_server(models: Path, tmp_path: Path) -> Iterator[SdxlServer]:
    """A server that a test may kill, not started yet."""
    server = SdxlServer(models, tmp_path)
    yield server
    server.kill()


def test_the_start_page_lists_what_is_loaded_and_what_is_available(server: SdxlServer) -> None:
    page = server.until_loaded("my_sdxl_model")

    assert page["available_models"] == ["in_a_folder", "my_sdxl_model", "sdxl_turbo", "velvet"]
    browser = server.client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (browser.status_code, browser.headers["location"]) == (307, "/docs")


def test_the_answer_holds_the_very_file_that_stays(server: SdxlServer) -> None:
    made = server.generate("my_sdxl_model", seed=7)

    kept = server.client.get(made["image_url"])
    assert kept.headers["content-type"] == made["media_type"]
    assert base64.b64decode(made["image"], validate=True) == kept.content
    assert picture_in(made).size == (64, 64)
    assert (made["model"], made["seed"], made["ignored"]) == ("local/my_sdxl_model", 7, [])


def test_steps_and_guidance_follow_from_the_model_where_nobody_says_otherwise(server: SdxlServer) -> None:
    chosen = {
        model: server.job(server.generate(model)["job_id"])["input"]
        for model in ("my_sdxl_model", "sdxl_turbo")
    }
    said = server.generate("sdxl_turbo", num_inference_steps=3, guidance_scale=1.5)

    assert {
        model: (given["num_inference_steps"], given["guidance_scale"]) for model, given in chosen.items()
    } == {"my_sdxl_model": (25, 7.5), "sdxl_turbo": (1, 0.0)}
    given = server.job(said["job_id"])["input"]
    assert (given["num_inference_steps"], given["guidance_scale"]) == (3, 1.5)


def test_the_negative_prompt_and_the_seed_decide_about_the_picture(server: SdxlServer) -> None:
    usual = {"seed": 7, "num_inference_steps": 4}
    plain, again, without_blue, other_seed = (
        server.generate("my_sdxl_model", **fields)["image"]
        for fields in (usual, usual, {**usual, "negative_prompt": "blue"}, {**usual, "seed": 8})
    )

    assert plain == again
    assert len({plain, without_blue, other_seed}) == 3


def test_the_settings_of_single_models_and_the_variant_count(
    server: SdxlServer, other_server: SdxlServer
) -> None:
    other_server.start()
    usual = {"seed": 7, "num_inference_steps": 4}

    # All three have the same weights, but for the folder's variant, which only one server prefers.
    plain, v_prediction, in_variant = (
        server.generate(model, **usual)["image"] for model in ("my_sdxl_model", "velvet", "in_a_folder")
    )
    assert len({plain, v_prediction, in_variant}) == 3
    assert other_server.generate("in_a_folder", **usual)["image"] == plain


def test_files_that_are_no_models_are_refused_by_name(server: SdxlServer) -> None:
    refused = {file["name"]: file["reason"] for file in server.client.get("/").json()["unusable_models"]}

    assert refused.keys() == {"old.ckpt", "truncated.safetensors"}
    assert refused["old.ckpt"].startswith("old.ckpt is a pickle, which can run any code when it is read")
    for name, reason in refused.items():
        answer = server.client.post(f"/generate/{name}", json={"prompt": "a red house"})
        assert answer.status_code == 404
        assert answer.json()["detail"].endswith(reason)


def test_a_model_that_is_not_there_is_answered_with_those_that_are(server: SdxlServer) -> None:
    answer = server.client.post("/generate/nobody", json={"prompt": "a red house"})

    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
    assert answer.json()["detail"] == (
        "No local model is called 'nobody'; there is: "
        "local/in_a_folder, local/my_sdxl_model, local/sdxl_turbo, local/velvet."
    )


def test_wrong_values_are_named_with_what_is_allowed(server: SdxlServer) -> None:
    fields = {"prompt": "", "guidance_scale": -1, "num_inference_steps": 0}
    answer = server.client.post("/generate/my_sdxl_model", json=fields)
    too_small = server.client.post("/generate/my_sdxl_model", json={"prompt": "a house", "width": 32})

    assert (answer.status_code, too_small.status_code) == (422, 422)
    assert {error["field"]: error["message"] for error in answer.json()["errors"]} == {
        "prompt": "empty; 1 to 10,000 characters are allowed.",
        "guidance_scale": "-1 is too small; 0 to 100 is allowed.",
        "num_inference_steps": "0 is too small; 1 to 1000 is allowed.",
    }
    assert too_small.json()["detail"] == (
        "width: 32 is too low for local/my_sdxl_model; it takes multiples of 8 from 64 to 2048."
    )


def test_requests_and_operations_are_logged(server: SdxlServer) -> None:
    server.generate("my_sdxl_model", "a secret wish", num_inference_steps=3)

    for line in (
        "model my_sdxl_model: Stable Diffusion XL",
        "local model refused: old.ckpt is a pickle",
        "model my_sdxl_model is being loaded",
        "model my_sdxl_model is loaded: 3 MiB",
        "1 x text to image of 64 x 64 pixels in 3 steps with the model my_sdxl_model",
        "succeeded",
        "POST /generate/{model_name} 200",
    ):
        assert line in server.log
    assert "a secret wish" not in server.log


def test_64_requests_at_once_get_the_pictures_that_they_get_one_by_one(server: SdxlServer) -> None:
    def paint(seed: int) -> Image:
        wanted = {"seed": seed, "num_inference_steps": 3, "output_format": "png"}
        return picture_in(server.generate("my_sdxl_model", f"house {seed}", **wanted))

    with ThreadPoolExecutor(64) as callers:
        together = list(callers.map(paint, range(64)))

    assert len({picture.tobytes() for picture in together}) == 64
    for seed in range(0, 64, 8):
        assert most_different(paint(seed), together[seed]) <= 1


def test_a_cancel_stops_the_painting_within_a_step(server: SdxlServer) -> None:
    server.until_loaded("my_sdxl_model")
    job_id = server.submit("my_sdxl_model", num_inference_steps=400)["id"]
    server.until(job_id, lambda job: job["progress"] is not None)

    began = time.monotonic()
    answer = server.client.post(f"/jobs/{job_id}/cancel")
    canceled_after = time.monotonic() - began
    server.generate("my_sdxl_model", num_inference_steps=1)
    free_after = time.monotonic() - began

    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["progress"]["step"] < 100
    assert canceled_after < 1
    assert free_after < 5
    assert server.job(job_id)["images"] == []


def test_pictures_that_were_being_painted_survive_a_kill(other_server: SdxlServer) -> None:
    other_server.start()
    other_server.until_loaded("my_sdxl_model")
    wanted = {"num_inference_steps": 100, "output_format": "png"}
    jobs = [other_server.submit("my_sdxl_model", seed=seed, **wanted)["id"] for seed in range(3)]
    other_server.until(jobs[0], lambda job: job["progress"] is not None)
    other_server.kill()

    other_server.start()

    other_server.until(jobs[0], lambda job: job["attempt"] == 2)
    for seed, job_id in enumerate(jobs):
        ended = other_server.until(job_id, lambda job: job["completed_at"] is not None)
        assert (ended["status"], ended["failure"]) == ("succeeded", None)
        painted = other_server.client.get(ended["images"][0]["url"]).content
        anew = other_server.generate("my_sdxl_model", seed=seed, **wanted)
        assert most_different(picture_of(painted), picture_in(anew)) <= 1


def test_a_model_of_the_hub_is_not_fetched_unasked(models: Path, tmp_path: Path) -> None:
    server = SdxlServer(
        models, tmp_path, LOAD_MODELS_FROM_LOCAL="false", DEFAULT_MODEL_IDENTIFIER="stabilityai/sdxl-turbo"
    )
    server.start()
    try:
        page = server.client.get("/").json()
    finally:
        server.kill()

    assert (page["loaded_models"], page["available_models"]) == ([], [])
    reasons = {file["name"]: file["reason"] for file in page["unusable_models"]}
    assert reasons["stabilityai/sdxl-turbo"] == (
        "stabilityai/sdxl-turbo is not on this machine; set LOCAL_ALLOW_DOWNLOADS=true to have it fetched."
    )
