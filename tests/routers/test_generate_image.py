"""`POST /generate-image/`."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from fastapi.routing import APIRoute

from app.dependencies import idempotency_key, job_service, may_generate, sync_wait, webhook_receivers
from app.errors import JobFailedError, ProviderUnavailableError
from app.models import GenerationRequest, JobStatus
from app.routers import generate_image
from tests.routers.stand_ins import GENERATION, PAINTED, StandInJobs


async def test_a_form_gives_the_pictures(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    response = await edge.post("/generate-image/", data={"prompt": "a cat"})

    assert response.status_code == 200
    assert response.json() == {
        "generated_image_url": "/get-image/generated_image_4f1c_1.webp",
        "generated_image_urls": ["/get-image/generated_image_4f1c_1.webp"],
        "job_id": "4f1c",
        "status": "succeeded",
        "seed": 7,
        "provider": "sandbox",
        "model": "black-forest-labs/flux-dev",
        "version": None,
        "passed_over": [],
        "ignored": ["lora_scale"],
        "notice": None,
        "warnings": [],
        "timings": {"queued": 1.0, "predict": 2.25, "total": 3.5},
    }
    assert stand_in_jobs.asked == [GenerationRequest(prompt="a cat", options={})]
    assert stand_in_jobs.waits == [timedelta(seconds=55)]


@pytest.mark.parametrize("path", ["/generate-image", "/generate-image/"])
async def test_the_slash_at_the_end_does_not_matter(edge: httpx.AsyncClient, path: str) -> None:
    assert (await edge.post(path, data={"prompt": "a cat"})).status_code == 200


async def test_form_and_json_ask_for_the_same(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    fields = {"prompt": "ein Käfer 🪲", "seed": "7", "width": "768", "lora_scale": "-0.5", "num_outputs": "2"}

    await edge.post("/generate-image/", data=fields)
    await edge.post("/generate-image/", files={name: (None, value) for name, value in fields.items()})
    await edge.post(
        "/generate-image/",
        json={"prompt": "ein Käfer 🪲", "seed": 7, "width": 768, "lora_scale": -0.5, "num_outputs": 2},
    )

    expected = GenerationRequest(
        prompt="ein Käfer 🪲", seed=7, options={"width": 768, "num_outputs": 2, "lora_scale": -0.5}
    )
    assert stand_in_jobs.asked == [expected] * 3


async def test_further_fields_are_passed_on(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    await edge.post(
        "/generate-image/", json={"prompt": "a cat", "go_fast": True, "model": "schnell", "megapixels": None}
    )

    assert stand_in_jobs.asked == [
        GenerationRequest(prompt="a cat", model="schnell", options={"go_fast": True})
    ]


async def test_empty_fields_of_a_form_count_as_not_given(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    await edge.post("/generate-image/", data={"prompt": "a cat", "seed": "", "extra_lora": "", "model": ""})

    assert stand_in_jobs.asked == [GenerationRequest(prompt="a cat", options={})]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"width": "0"}, "width", "0 is too small; 1 to 16384 is allowed."),
        ({"height": "99999"}, "height", "99999 is too large; 1 to 16384 is allowed."),
        ({"width": "wide"}, "width", "'wide' is not a whole number; 1 to 16384 is allowed."),
        ({"num_outputs": "1.5"}, "num_outputs", "'1.5' is not a whole number; 1 to 4 is allowed."),
        ({"lora_scale": "nan"}, "lora_scale", "'nan' is not a finite number; -1 to 2 is allowed."),
        ({"seed": "-1"}, "seed", "-1 is too small; 0 to 4294967295 is allowed."),
        (
            {"output_format": "gif"},
            "output_format",
            "'gif' is not one of the choices; webp, jpg, jpeg or png is allowed.",
        ),
        (
            {"disable_safety_checker": "perhaps"},
            "disable_safety_checker",
            "'perhaps' is not true or false; true or false is allowed.",
        ),
        ({"prompt": ""}, "prompt", "empty; 1 to 10,000 characters are allowed."),
        ({"prompt": " \n"}, "prompt", "blank; 1 to 10,000 characters are allowed, not all of them spaces."),
        (
            {"prompt": "x" * 10_001},
            "prompt",
            f"'{'x' * 80}'… is too long; 1 to 10,000 characters are allowed.",
        ),
        ({"prompt": "a\0b"}, "prompt", "the text holds a null byte, which is not allowed."),
    ],
)
async def test_a_bad_field_is_named_with_its_value_and_what_is_allowed(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, fields: dict[str, str], field: str, sentence: str
) -> None:
    response = await edge.post("/generate-image/", data={"prompt": "a cat", **fields})

    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": field, "message": sentence}]
    assert response.json()["detail"] == f"{field}: {sentence}"
    assert not stand_in_jobs.asked


async def test_a_missing_prompt_is_named(edge: httpx.AsyncClient) -> None:
    response = await edge.post("/generate-image/")

    assert response.status_code == 422
    assert response.json()["detail"] == "prompt: missing, but required."


async def test_true_is_not_a_number(edge: httpx.AsyncClient) -> None:
    response = await edge.post("/generate-image/", json={"prompt": "a cat", "seed": True})

    assert response.json()["detail"] == "seed: true is not a number; 0 to 4294967295 is allowed."


async def test_who_asks_for_it_gets_the_job_at_once(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.job = GENERATION

    response = await edge.post(
        "/generate-image/", data={"prompt": "a cat"}, headers={"Prefer": "respond-async"}
    )

    assert response.status_code == 202
    assert response.headers["Location"] == "/jobs/4f1c"
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.json()["id"] == "4f1c"
    assert response.json()["status"] == "queued"
    assert stand_in_jobs.waits == [None]


async def test_a_long_wait_becomes_a_job(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = replace(GENERATION, status=JobStatus.PROCESSING)

    response = await edge.post("/generate-image/", data={"prompt": "a cat"})

    assert response.status_code == 202
    assert response.headers["Location"] == "/jobs/4f1c"
    assert "Preference-Applied" not in response.headers
    assert response.json()["message"] == "Painting."


@pytest.mark.parametrize(
    ("prefer", "wait"),
    [
        ("wait=5", timedelta(seconds=5)),
        ("wait=900", timedelta(seconds=55)),
        ("wait=0", None),
        ("wait", timedelta(seconds=55)),
        ("wait=soon", timedelta(seconds=55)),
        ('Wait="5"', timedelta(seconds=5)),
        ("respond-async, wait=10", timedelta(seconds=10)),
        ("return=minimal; x=1, respond-async", None),
        ("wait=" + "9" * 400, timedelta(seconds=55)),
        (";;,=", timedelta(seconds=55)),
    ],
)
async def test_the_caller_may_say_how_long_it_waits(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, prefer: str, wait: timedelta | None
) -> None:
    await edge.post("/generate-image/", data={"prompt": "a cat"}, headers={"Prefer": prefer})

    assert stand_in_jobs.waits == [wait]


async def test_the_idempotency_key_is_passed_on(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    await edge.post("/generate-image/", data={"prompt": "a cat"}, headers={"Idempotency-Key": "order 66"})

    assert stand_in_jobs.keys == ["order 66"]


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
async def test_an_impossible_idempotency_key_is_refused(edge: httpx.AsyncClient, key: str) -> None:
    response = await edge.post(
        "/generate-image/", data={"prompt": "a cat"}, headers=[(b"Idempotency-Key", key.encode())]
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_failed_job_is_a_problem_that_names_it(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.error = JobFailedError("4f1c", "content_moderated", "The picture was withheld.")

    response = await edge.post("/generate-image/", data={"prompt": "a cat"})

    assert response.status_code == 400
    assert response.json()["code"] == "content_moderated"
    assert response.json()["job_id"] == "4f1c"


async def test_the_provider_s_retry_after_is_passed_on(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.error = ProviderUnavailableError("Overloaded.", retry_after=timedelta(seconds=9.2))

    response = await edge.post("/generate-image/", data={"prompt": "a cat"})

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"


async def test_fewer_pictures_come_with_a_notice(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = replace(PAINTED, notice="1 of 2 pictures was withheld.")

    response = await edge.post("/generate-image/", data={"prompt": "a cat", "num_outputs": "2"})

    assert response.status_code == 200
    assert response.json()["notice"] == "1 of 2 pictures was withheld."


async def test_the_description_offers_form_and_json(edge: httpx.AsyncClient) -> None:
    description = (await edge.get("/openapi.json")).json()

    body = description["paths"]["/generate-image/"]["post"]["requestBody"]["content"]
    assert list(body) == ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"]
    assert {kind["schema"]["$ref"] for kind in body.values()} == {"#/components/schemas/GenerateImageIn"}
    fields = description["components"]["schemas"]["GenerateImageIn"]["properties"]
    assert fields["width"] == {
        "default": 512,
        "description": "In pixels: 256 to 1440 for FLUX at Replicate, other models have ranges of their own.",
        "maximum": 16384,
        "minimum": 1,
        "title": "Width",
        "type": "integer",
    }
    assert "default" not in fields["seed"]
    assert "/generate-image" not in description["paths"]


def test_what_the_routes_declare_is_what_they_call() -> None:
    for route in generate_image.router.routes:
        assert isinstance(route, APIRoute)
        declared = [dependency.call for dependency in route.dependant.dependencies]
        called = {may_generate, job_service, webhook_receivers, idempotency_key, sync_wait}
        # And the body, which comes with its turn.
        assert called < set(declared)
        assert len(declared) == len(called) + 1
