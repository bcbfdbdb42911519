"""`POST /fine-tune/`."""

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.errors import FieldError, JobFailedError, TrainingSetRefusedError
from app.models import JobStatus, TrainingRequest
from tests.routers.stand_ins import TRAINING, StandInDatasets, StandInJobs

URL = "https://files.example/dl/cats.zip"


@pytest.fixture(autouse=True)
def _a_training(stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = TRAINING


async def test_a_url_starts_a_training(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, stand_in_datasets: StandInDatasets
) -> None:
    response = await edge.post("/fine-tune/", data={"training_images_url": URL, "trigger_word": " TOK "})

    assert response.status_code == 200
    assert response.json() == {
        "training_id": "77aa",
        "status": "Training started",
        "job_id": "77aa",
        "status_url": "/training-status/77aa",
        "destination_model": "me/cats",
        "dataset_id": "ab" * 32,
        "warnings": ["The training set has 2 pictures."],
        "ignored": ["notes.doc"],
    }
    assert response.headers["Location"] == "/training-status/77aa"
    assert stand_in_datasets.urls == [URL]
    assert stand_in_jobs.asked == [
        TrainingRequest(trigger_word="TOK", training_set="ab" * 32, options={}, secrets={})
    ]


async def test_pictures_can_be_uploaded(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, stand_in_datasets: StandInDatasets
) -> None:
    files = [("training_images", (name, name.encode(), "image/png")) for name in ("a.png", "b.png")]

    response = await edge.post(
        "/fine-tune", data={"trigger_word": "TOK", "steps": "300", "lora_rank": "8"}, files=files
    )

    assert response.status_code == 200
    assert response.json()["warnings"] == ["The training set has 2 pictures."]
    assert response.json()["ignored"] == ["notes.doc"]
    assert stand_in_datasets.taken == {"a.png": b"a.png", "b.png": b"b.png"}
    assert stand_in_jobs.asked == [
        TrainingRequest(
            trigger_word="TOK", training_set="ab" * 32, options={"steps": 300, "lora_rank": "8"}, secrets={}
        )
    ]


async def test_secrets_are_passed_on_apart_from_the_options(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    response = await edge.post(
        "/fine-tune/",
        json={
            "training_images_url": URL,
            "trigger_word": "TOK",
            "destination_model": "me/cats",
            "hf_token": "hf_12345",
            "wandb_api_key": "w-6789",
            "optimizer": "adamw",
        },
    )

    assert stand_in_jobs.asked == [
        TrainingRequest(
            trigger_word="TOK",
            training_set="ab" * 32,
            destination="me/cats",
            options={"optimizer": "adamw"},
            secrets={"hf_token": "hf_12345", "wandb_api_key": "w-6789"},
        )
    ]
    assert "hf_12345" not in response.text


async def test_a_destination_needs_no_owner(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    await edge.post(
        "/fine-tune/",
        data={"training_images_url": URL, "trigger_word": "TOK", "destination_model": "my-cats"},
    )

    [request] = stand_in_jobs.asked
    assert isinstance(request, TrainingRequest)
    assert request.destination == "my-cats"


async def test_a_bad_secret_is_not_repeated(edge: httpx.AsyncClient) -> None:
    response = await edge.post(
        "/fine-tune/", json={"training_images_url": URL, "trigger_word": "TOK", "hf_token": ["hf_12345"]}
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "hf_token"
    assert "hf_12345" not in response.text


async def test_a_training_that_waits_says_so(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = replace(TRAINING, status=JobStatus.QUEUED, upstream_id=None)

    response = await edge.post(
        "/fine-tune/",
        data={"training_images_url": URL, "trigger_word": "TOK"},
        headers={"Prefer": "wait=3", "Idempotency-Key": "once"},
    )

    assert response.status_code == 202
    assert response.json()["status"] == "Training queued"
    assert stand_in_jobs.waits == [timedelta(seconds=3)]
    assert stand_in_jobs.keys == ["once"]


async def test_a_training_without_pictures_is_refused(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    response = await edge.post("/fine-tune/", data={"trigger_word": "TOK"})

    assert response.status_code == 422
    assert response.json()["detail"] == (
        "training_images_url: none was given; give either the URL of a zip, or an upload as "
        "'training_images', or the 'dataset_id' of a dataset."
    )
    assert not stand_in_jobs.asked


async def test_a_training_with_two_sources_is_refused(edge: httpx.AsyncClient) -> None:
    response = await edge.post(
        "/fine-tune/",
        data={"trigger_word": "TOK", "training_images_url": URL},
        files={"training_images": ("cats.zip", b"PK")},
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["message"].startswith("more than one was given;")


async def test_a_file_s_name_in_place_of_the_file_is_explained(edge: httpx.AsyncClient) -> None:
    response = await edge.post("/fine-tune/", data={"trigger_word": "TOK", "training_images": "cats.zip"})

    assert response.status_code == 422
    assert "-F 'training_images=@pictures.zip'" in response.json()["detail"]


async def test_a_file_under_another_name_is_refused(edge: httpx.AsyncClient) -> None:
    response = await edge.post(
        "/fine-tune/", data={"trigger_word": "TOK"}, files={"pictures": ("cats.zip", b"PK")}
    )

    assert response.json()["errors"] == [
        {"field": "pictures", "message": "files are taken as 'training_images' only."}
    ]


async def test_a_file_input_that_was_left_empty_counts_as_none(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    response = await edge.post(
        "/fine-tune/",
        data={"trigger_word": "TOK", "training_images_url": URL},
        files={"training_images": ("", b"")},
    )

    assert response.status_code == 200


async def test_an_upload_beyond_the_limit_is_refused(edge: httpx.AsyncClient) -> None:
    response = await edge.post(
        "/fine-tune/",
        data={"trigger_word": "TOK"},
        files={"training_images": ("cats.zip", bytes(4_000_000))},
    )

    assert response.status_code == 413
    assert response.json()["code"] == "payload_too_large"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("trigger_word", "x" * 65, "is too long; 1 to 64 characters are allowed."),
        ("trigger_word", "   ", "blank; 1 to 64 characters are allowed, such as TOK."),
        (
            "trigger_word",
            "T\nK",
            "holds line breaks or control characters; plain text such as TOK is allowed.",
        ),
        ("steps", "0", "0 is too small; 1 to 100000 is allowed."),
        (
            "destination_model",
            "me/../cats",
            "is not a model's name; name or owner/name is allowed, as in my-model or me/my-model.",
        ),
    ],
)
async def test_a_bad_field_is_named_with_what_is_allowed(
    edge: httpx.AsyncClient, field: str, value: str, sentence: str
) -> None:
    response = await edge.post(
        "/fine-tune/", data={"training_images_url": URL, "trigger_word": "TOK", field: value}
    )

    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == field
    assert error["message"].endswith(sentence)


async def test_a_refused_training_is_a_problem(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.error = JobFailedError("77aa", "provider_out_of_credit", "The account has no credit left.")

    response = await edge.post("/fine-tune/", data={"training_images_url": URL, "trigger_word": "TOK"})

    assert response.status_code == 503
    assert response.json()["code"] == "provider_out_of_credit"


async def test_the_description_offers_the_upload(edge: httpx.AsyncClient) -> None:
    description = (await edge.get("/openapi.json")).json()

    body = description["paths"]["/fine-tune/"]["post"]["requestBody"]["content"]
    assert body["multipart/form-data"]["schema"]["$ref"].endswith("/FineTuneInWithFiles")
    properties = description["components"]["schemas"]["FineTuneInWithFiles"]["properties"]
    assert properties["training_images"]["items"] == {"type": "string", "format": "binary"}


async def test_an_upload_that_finds_no_place_is_no_fault_of_the_caller(
    edge: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python keeps larger uploads where TMPDIR says.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    response = await edge.post(
        "/fine-tune/", data={"trigger_word": "TOK"}, files={"training_images": bytes(1_500_000)}
    )

    assert response.status_code == 503
    assert response.json()["code"] == "storage_unavailable"
    assert "No such file or directory" in response.json()["detail"]


async def test_a_dataset_that_is_there_can_be_trained_on(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    response = await edge.post("/fine-tune/", json={"dataset_id": "cd" * 32, "trigger_word": "TOK"})

    assert response.status_code == 200
    assert response.json()["dataset_id"] == "cd" * 32
    assert stand_in_jobs.asked == [
        TrainingRequest(trigger_word="TOK", training_set="cd" * 32, options={}, secrets={})
    ]


async def test_a_refused_set_is_a_problem_with_its_report(
    edge: httpx.AsyncClient, stand_in_datasets: StandInDatasets
) -> None:
    stand_in_datasets.error = TrainingSetRefusedError(
        [FieldError("training_images", "No zip.")], report={"errors": [{"code": "not_a_zip"}]}
    )

    response = await edge.post(
        "/fine-tune/", data={"trigger_word": "TOK"}, files={"training_images": ("cats.zip", b"PK")}
    )

    assert response.status_code == 422
    assert response.json()["code"] == "training_set_refused"
    assert response.json()["report"] == {"errors": [{"code": "not_a_zip"}]}
