"""Fine-tunes: made with the pictures in the order, where that is switched on; listed and deleted anyway."""

import asyncio
import base64
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import (
    DreamBooth,
    FailureCode,
    JobStatus,
    JsonValue,
    Order,
    Progress,
    TrainingRequest,
    TrainingResult,
)
from app.services.bfl_client import BflClient
from app.services.provider_fine_tunes import FineTuneLibrary, ProviderFineTune
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import ASK_CLUSTER, CLUSTER, KEY, TASK_ID, TRAINING_RUN, task
from tests.services.replicate_client.scripted import Upstream

CREATE = f"POST {CLUSTER}/v1/finetune"
DETAILS = f"GET {CLUSTER}/v1/finetune_details?finetune_id=cats"
DELETE = f"POST {CLUSTER}/v1/delete_finetune"


@pytest.fixture
def trainer(build: Build) -> BflClient:
    return build(fine_tuning=True)


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """A zip as it is sent: pictures and captions."""
    path = tmp_path / "training set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", b"jpeg")
            archive.writestr(f"{number}.txt", b"a cat")
    return path


def request(options: dict[str, JsonValue] | None = None, **changed: str) -> TrainingRequest:
    given = {"mode": "character", **(options or {})}
    return TrainingRequest(
        "TOK", training_set="0" * 64, options=given, destination=changed.get("destination")
    )


async def ready(trainer: BflClient, training_set: Path) -> Order:
    order = await trainer.plan_training(request({"steps": 500}))
    return await trainer.prepare(order, (await trainer.upload(training_set)).address)


async def test_a_fine_tune_is_planned_in_bfls_words(trainer: BflClient) -> None:
    options: dict[str, JsonValue] = {
        "steps": 500,
        "learning_rate": "0.0001",
        "lora_rank": 16,
        "priority": "speed",
    }
    order = await trainer.plan_training(request(options, destination="zoe/cats"))
    assert (order.model, order.version, order.destination) == ("bfl/finetune", None, "zoe/cats")
    assert order.input == {
        "trigger_word": "TOK",
        "finetune_comment": "zoe/cats",
        "mode": "character",
        "iterations": 500,
        "learning_rate": 0.0001,
        "lora_rank": 16,
        "priority": "speed",
    }


async def test_what_is_left_out_is_left_to_bfl(trainer: BflClient) -> None:
    order = await trainer.plan_training(request())
    assert order.input == {"trigger_word": "TOK", "finetune_comment": "TOK", "mode": "character"}


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"steps": 99}, "steps", "99 is too low for bfl/finetune; it takes 100 to 1000."),
        ({"iterations": 1001}, "iterations", "1001 is too high for bfl/finetune; it takes 100 to 1000."),
        ({"mode": "cat"}, "mode",
         "'cat' is not possible with bfl/finetune; it takes general, character, style or product."),
        ({"mode": None}, "mode", "is missing; bfl/finetune cannot run without it."),
        ({"lora_rank": 8}, "lora_rank", "8 is not possible with bfl/finetune; it takes 16 or 32."),
        ({"learning_rate": 1}, "learning_rate",
         "1 is too high for bfl/finetune; it takes 1e-06 to 0.005."),
        ({"resolution": "512"}, "resolution", None),
        ({"input_images": "file:///etc/passwd"}, "input_images", None),
        ({"file_data": "UEsDBA=="}, "file_data", None),
    ],
)  # fmt: skip
async def test_options_that_bfl_would_refuse_are_refused_here(
    trainer: BflClient, options: dict[str, JsonValue], field: str, message: str | None
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await trainer.plan_training(request(options))
    assert [error.field for error in refused.value.errors] == [field]
    if message is not None:
        assert refused.value.errors[0].message == message


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (TrainingRequest("TOK", training_set="0", trainer="ostris/trainer"), "trainer_version"),
        (TrainingRequest("TOK", training_images_url="https://example.com/a.zip"), "training_images_url"),
    ],
)
async def test_other_trainers_and_pictures_elsewhere_are_refused(
    trainer: BflClient, asked: TrainingRequest, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await trainer.plan_training(asked)
    assert [error.field for error in refused.value.errors] == [field]


async def test_the_words_of_the_old_dreambooth_are_understood(trainer: BflClient) -> None:
    old = DreamBooth("a photo of sks dog", "a photo of a dog", 400, {"mode": "character"})
    order = await trainer.plan_training(TrainingRequest("", training_set="0" * 64, dreambooth=old))
    assert (order.input["iterations"], order.input["trigger_word"]) == (400, "sks")


async def test_without_the_switch_nothing_is_trained(client: BflClient, upstream: Upstream) -> None:
    with pytest.raises(ProviderRefusedError, match="Set BFL_FINE_TUNING=true"):
        await client.plan_training(request())
    assert upstream.seen == []


async def test_the_pictures_go_along_with_the_order(
    trainer: BflClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on(CREATE, httpx.Response(200, json={"id": TASK_ID}))
    order = await ready(trainer, training_set)
    assert order.training_set is None
    report = await trainer.create(order, wait=None, secrets={}, webhook="https://app.example.com/webhook/1")
    assert (report.status, report.upstream_id) == (JobStatus.STARTING, TASK_ID)
    assert report.url == f"{CLUSTER}/v1/get_result?id={TASK_ID}"
    sent = upstream.body()
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(sent.pop("file_data")))) as archive:
        assert archive.read("2.jpg") == b"jpeg"
    assert sent == {
        "trigger_word": "TOK",
        "finetune_comment": "TOK",
        "mode": "character",
        "iterations": 500,
        "webhook_url": "https://app.example.com/webhook/1",
    }
    assert upstream.seen[0].headers["x-key"] == KEY


async def test_an_id_may_come_under_its_other_name(
    trainer: BflClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on(CREATE, httpx.Response(200, json={"finetune_id": "cats"}))
    report = await trainer.create(await ready(trainer, training_set), wait=None, secrets={})
    assert report.upstream_id == "cats"


async def test_refused_inputs_have_the_names_that_callers_know(
    trainer: BflClient, upstream: Upstream, training_set: Path
) -> None:
    detail = [{"loc": ["body", "iterations"], "msg": "too many", "input": 500}]
    upstream.on(CREATE, httpx.Response(422, json={"detail": detail}))
    with pytest.raises(ProviderRefusedError) as caught:
        await trainer.create(await ready(trainer, training_set), wait=None, secrets={})
    assert [error.field for error in caught.value.errors] == ["steps"]


async def test_a_zip_stays_where_it_is(trainer: BflClient, training_set: Path) -> None:
    file = await trainer.upload(training_set)
    assert file.address == training_set.as_uri()
    assert await trainer.has_file(file.address)
    await asyncio.to_thread(training_set.unlink)
    assert not await trainer.has_file(file.address)
    assert not await trainer.has_file("https://api.replicate.com/v1/files/1")


async def test_a_zip_that_is_gone_is_not_ordered_for(
    trainer: BflClient, upstream: Upstream, training_set: Path
) -> None:
    order = await ready(trainer, training_set)
    await asyncio.to_thread(training_set.unlink)
    with pytest.raises(ProviderRefusedError) as caught:
        await trainer.create(order, wait=None, secrets={})
    assert caught.value.failure_code == FailureCode.TRAINING_SET_REFUSED
    assert upstream.seen == []


async def test_more_than_20_pictures_are_refused(trainer: BflClient, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(21):
            archive.writestr(f"{number}.jpg", b"jpeg")
    with pytest.raises(
        ProviderRefusedError, match="21 pictures; Black Forest Labs takes 20 at most"
    ) as caught:
        await trainer.upload(path)
    assert caught.value.failure_code == FailureCode.TRAINING_SET_REFUSED


async def test_an_order_without_its_pictures_is_a_mistake_of_ours(trainer: BflClient) -> None:
    order = await trainer.plan_training(request())
    with pytest.raises(ValueError, match="needs the address of its zip"):
        await trainer.prepare(order, None)


@pytest.mark.parametrize(
    ("result", "finetune_id"),
    [({"finetune_id": "cats"}, "cats"), ({}, TASK_ID), (None, TASK_ID)],
)
async def test_a_finished_fine_tune_is_a_model_to_use(
    trainer: BflClient, upstream: Upstream, result: JsonValue, finetune_id: str
) -> None:
    upstream.on(ASK_CLUSTER, httpx.Response(200, json=task("Ready", result=result)))
    report = await trainer.fetch(TRAINING_RUN)
    assert report.status is JobStatus.SUCCEEDED
    assert report.outputs == ()
    assert report.result == TrainingResult(f"bfl/flux-pro-1.1-ultra-finetuned:{finetune_id}")


async def test_a_fine_tune_tells_how_far_it_is(trainer: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_CLUSTER, httpx.Response(200, json=task("Pending", progress=0.4)))
    report = await trainer.fetch(TRAINING_RUN)
    assert (report.status, report.progress) == (JobStatus.PROCESSING, Progress("training", percent=40))


async def test_fine_tunes_are_listed(client: BflClient, upstream: Upstream) -> None:
    library: FineTuneLibrary = client
    upstream.on(f"GET {CLUSTER}/v1/my_finetunes", httpx.Response(200, json={"finetunes": ["a", "b", 7]}))
    assert list(await library.fine_tunes()) == ["a", "b"]


async def test_a_list_that_makes_no_sense_is_no_empty_list(client: BflClient, upstream: Upstream) -> None:
    upstream.on(f"GET {CLUSTER}/v1/my_finetunes", httpx.Response(200, json={"error": "oh"}))
    with pytest.raises(ProviderUnavailableError):
        await client.fine_tunes()


async def test_a_fine_tune_tells_what_it_was_trained_with(client: BflClient, upstream: Upstream) -> None:
    details = {
        "finetune_comment": "zoe/cats",
        "trigger_word": "TOK",
        "mode": "character",
        "iterations": 300,
        "timestamp": "2026-01-01T12:00:00",
    }
    upstream.on(DETAILS, httpx.Response(200, json={"finetune_details": details}))
    assert await client.fine_tune("cats") == ProviderFineTune(
        id="cats",
        models=("bfl/flux-pro-1.1-ultra-finetuned:cats", "bfl/flux-pro-1.0-fill-finetuned:cats"),
        comment="zoe/cats",
        trigger_word="TOK",
        created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        options={"mode": "character", "iterations": 300},
    )


async def test_a_fine_tune_is_deleted(client: BflClient, upstream: Upstream) -> None:
    upstream.on(DELETE, httpx.Response(500), httpx.Response(200, json={"status": "success"}))
    await client.delete_fine_tune("cats")
    assert [json.loads(sent.content) for sent in upstream.seen] == [{"finetune_id": "cats"}] * 2


@pytest.mark.parametrize("fine_tune_id", ["cats", "../credits", ""])
async def test_a_fine_tune_that_is_not_there_is_not_found(client: BflClient, fine_tune_id: str) -> None:
    for attempt in (client.fine_tune(fine_tune_id), client.delete_fine_tune(fine_tune_id)):
        with pytest.raises(ModelNotFoundError, match="Black Forest Labs has no fine-tune"):
            await attempt


async def test_another_base_keeps_its_fine_tunes_itself(build: Build, upstream: Upstream) -> None:
    upstream.on("GET http://127.0.0.1:9000/v1/my_finetunes", httpx.Response(200, json={"finetunes": []}))
    upstream.on("GET https://api.eu1.bfl.ai/v1/my_finetunes", httpx.Response(200, json={"finetunes": []}))
    assert await build(base_url="http://127.0.0.1:9000").fine_tunes() == []
    assert await build(cluster_url="https://api.eu1.bfl.ai").fine_tunes() == []
