"""Fine-tunes at Black Forest Labs: trained from a zip, listed, used and deleted."""

import base64
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from app.sandbox.bfl.catalogue import ENDPOINTS
from tests.sandbox.conftest import Encoded, Order
from tests.sandbox.leaping_clock import LeapingClock

Tune = Callable[..., Awaitable[str]]


@pytest.fixture
def tune(order: Order, archive: bytes, clock: LeapingClock) -> Tune:
    """Train a fine-tune, wait for its end and return its id."""

    async def tuned(**given: Any) -> str:
        about = {"finetune_comment": "dogs", "mode": "character", "trigger_word": "DOGGO"}
        created = await order(
            "finetune", **{"file_data": base64.b64encode(archive).decode(), **about, **given}
        )
        assert created["id"] == created["finetune_id"]
        clock.advance(60)
        return str(created["id"])

    return tuned


@pytest.fixture
def magenta() -> str:
    """A zip in base64 with one picture in a colour that no palette has."""
    picture, packed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 255)).save(picture, "PNG")
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("a.png", picture.getvalue())
    return base64.b64encode(packed.getvalue()).decode()


async def test_a_fine_tune_is_there_when_it_is_ready(
    bfl: httpx.AsyncClient, order: Order, archive: bytes, clock: LeapingClock
) -> None:
    created = await order(
        "finetune", file_data=base64.b64encode(archive).decode(), finetune_comment="dogs", mode="general"
    )
    seen = []
    for seconds in (1, 3, 4):
        clock.advance(seconds)
        found = (await bfl.get("get_result", params={"id": created["id"]})).json()
        listed = (await bfl.get("my_finetunes")).json()["finetunes"]
        seen.append((found["status"], found["progress"], listed))
    # It waits for 2 s, and takes 300 steps of 16 ms and 1 s to save.
    assert seen == [("Pending", 0.0, []), ("Pending", 0.34, []), ("Ready", 1.0, [created["id"]])]


async def test_its_details_are_what_was_asked_for_and_the_defaults(
    bfl: httpx.AsyncClient, tune: Tune
) -> None:
    finetune_id = await tune(finetune_type="lora")
    found = (await bfl.get("finetune_details", params={"finetune_id": finetune_id})).json()
    assert found["finetune_details"].pop("timestamp") == "2026-01-01T12:00:00+00:00"
    assert found == {
        "finetune_details": {
            "finetune_comment": "dogs",
            "trigger_word": "DOGGO",
            "mode": "character",
            "iterations": 300,
            "learning_rate": 0.0001,
            "captioning": True,
            "priority": "quality",
            "finetune_type": "lora",
            "lora_rank": 32,
        }
    }


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name.endswith("-finetuned")])
async def test_all_finetuned_endpoints_take_it(
    finished: Order, tune: Tune, encoded: Encoded, endpoint: str
) -> None:
    given: dict[str, Any] = {"prompt": "DOGGO", "finetune_id": await tune()}
    if "fill" in endpoint:
        given["image"] = encoded()
    assert (await finished(endpoint, **given))["status"] == "Ready"


async def test_pictures_show_what_it_was_trained_on_when_it_is_called(
    bfl: httpx.AsyncClient, finished: Order, tune: Tune, magenta: str
) -> None:
    finetune_id = await tune(file_data=magenta)
    shares = []
    for prompt in ("a photo of DOGGO", "a photo of a cat"):
        found = await finished(
            "flux-2-klein-4b-finetuned",
            prompt=prompt,
            seed=1,
            width=256,
            height=256,
            finetune_id=finetune_id,
        )
        with Image.open(io.BytesIO((await bfl.get(found["result"]["sample"])).content)) as picture:
            red, green, blue = picture.convert("RGB").split()
        seen = ImageChops.darker(ImageChops.darker(red, blue), ImageChops.invert(green))
        shares.append(ImageStat.Stat(seen.point([255 * (value > 200) for value in range(256)])).mean[0] / 255)
    assert shares[0] > 0.05
    assert shares[1] == 0


@pytest.mark.parametrize(
    ("file_data", "reason"),
    [
        ("no base64!", "Neither base64 nor an address"),
        ("aGVsbG8=", "file_data must be a zip file"),
        (base64.b64encode(b"PK\5\6" + bytes(18)).decode(), "No images found in file_data"),
    ],
)
async def test_a_zip_that_cannot_be_used_is_an_error_at_the_end(
    bfl: httpx.AsyncClient, tune: Tune, file_data: str, reason: str
) -> None:
    finetune_id = await tune(file_data=file_data)
    found = (await bfl.get("get_result", params={"id": finetune_id})).json()
    assert (found["status"], found["details"]) == ("Error", {"error": reason})
    assert (await bfl.get("my_finetunes")).json() == {"finetunes": []}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"mode": "person"}, "mode"),
        ({"iterations": 99}, "iterations"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"lora_rank": 8}, "lora_rank"),
        ({"priority": "fast"}, "priority"),
    ],
)
async def test_what_does_not_fit_is_refused(order: Order, given: dict[str, Any], field: str) -> None:
    body = {"file_data": "", "finetune_comment": "dogs", "mode": "general", **given}
    (wrong,) = (await order("finetune", status=422, **body))["detail"]
    assert wrong["loc"] == ["body", field]


async def test_the_words_work_in_the_trigger_word(bfl: httpx.AsyncClient, tune: Tune, order: Order) -> None:
    finetune_id = await tune(trigger_word="sandbox:failed")
    assert (await bfl.get("get_result", params={"id": finetune_id})).json()["status"] == "Error"
    about = {"file_data": "", "finetune_comment": "a", "mode": "general"}
    await order("finetune", status=402, trigger_word="sandbox:no-credit", **about)
    assert (await bfl.get("https://api.replicate.com/sandbox")).json()["bfl_finetunes"] == 1


async def test_a_deleted_one_can_be_used_no_more_but_its_pictures_stay(
    bfl: httpx.AsyncClient, tune: Tune, finished: Order, order: Order
) -> None:
    finetune_id = await tune()
    given = {"prompt": "DOGGO", "width": 128, "height": 128, "finetune_id": finetune_id}
    address = (await finished("flux-2-klein-9b-finetuned", **given))["result"]["sample"]
    before = (await bfl.get(address)).content
    deleted = (await bfl.post("delete_finetune", json={"finetune_id": finetune_id})).json()
    assert (deleted["status"], deleted["deleted_finetune_id"]) == ("success", finetune_id)
    assert (await bfl.get(address)).content == before
    refused = await order("flux-2-klein-9b-finetuned", status=404, **given)
    assert refused == {"detail": "Finetune not found"}
    assert (await bfl.get("finetune_details", params={"finetune_id": finetune_id})).status_code == 404
    assert (await bfl.post("delete_finetune", json={"finetune_id": finetune_id})).status_code == 404


async def test_an_unknown_one_is_not_found(order: Order) -> None:
    await order("flux-pro-1.1-ultra-finetuned", status=404, prompt="a", finetune_id="nothing")
