"""What Black Forest Labs' endpoints take and refuse, and how they answer an order."""

from typing import Any

import httpx
import pytest

from app.sandbox.bfl.catalogue import ENDPOINTS
from tests.sandbox.conftest import Connect, Encoded, Make, Order

EDITS = ("fill", "expand", "tools", "vto")


@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if not name.endswith("-finetuned")])
async def test_every_endpoint_takes_an_order_and_says_where_to_ask(
    order: Order, encoded: Encoded, endpoint: str
) -> None:
    given: dict[str, Any] = {"prompt": "a cat"}
    if any(word in endpoint for word in EDITS):
        given["image"] = encoded()
    created = await order(endpoint, **given)
    assert created["polling_url"] == f"https://api.eu2.bfl.ai/v1/get_result?id={created['id']}"
    assert created["cost"] == ENDPOINTS[endpoint].cost
    assert created["output_mp"] > 0


async def test_with_a_webhook_there_is_no_polling_url(order: Order) -> None:
    created = await order(prompt="a cat", webhook_url="https://example.com/hook")
    assert set(created) == {"id", "status", "webhook_url", "cost", "input_mp", "output_mp"}
    assert (created["status"], created["webhook_url"]) == ("Pending", "https://example.com/hook")


@pytest.mark.parametrize("key", [None, "", " ", "bfl_invalid", "bfl_invalid_2"])
async def test_a_missing_or_wrong_key_is_a_403(bfl: httpx.AsyncClient, key: str | None) -> None:
    del bfl.headers["x-key"]
    headers = {} if key is None else {"X-Key": key}
    for response in (
        await bfl.post("flux-dev", json={}, headers=headers),
        await bfl.get("credits", headers=headers),
        await bfl.get("my_finetunes", headers=headers),
    ):
        assert (response.status_code, response.json()) == (403, {"detail": "Not authenticated"})


@pytest.mark.parametrize(
    ("endpoint", "given", "field", "kind", "message"),
    [
        ("flux-dev", {"width": 300}, "width", "multiple_of", "Input should be a multiple of 32"),
        (
            "flux-dev",
            {"height": 224},
            "height",
            "greater_than_equal",
            "Input should be greater than or equal to 256",
        ),
        ("flux-dev", {"steps": 51}, "steps", "less_than_equal", "Input should be less than or equal to 50"),
        (
            "flux-dev",
            {"guidance": 5.5},
            "guidance",
            "less_than_equal",
            "Input should be less than or equal to 5",
        ),
        ("flux-dev", {"prompt": None}, "prompt", "string_type", "Input should be a valid string"),
        (
            "flux-dev",
            {"output_format": "jpg"},
            "output_format",
            "enum",
            "Input should be 'jpeg', 'png' or 'webp'",
        ),
        (
            "flux-pro-1.1",
            {"safety_tolerance": 7},
            "safety_tolerance",
            "less_than_equal",
            "Input should be less than or equal to 6",
        ),
        (
            "flux-pro-1.1-ultra",
            {"aspect_ratio": "3:1"},
            "aspect_ratio",
            "value_error",
            "Value error, aspect_ratio must be from 21:9 to 9:21, not '3:1'",
        ),
        ("flux-kontext-pro", {}, "prompt", "missing", "Field required"),
        (
            "flux-2-pro",
            {"prompt": "a", "safety_tolerance": 6},
            "safety_tolerance",
            "less_than_equal",
            "Input should be less than or equal to 5",
        ),
        (
            "flux-2-pro",
            {"prompt": "a", "width": 100},
            "width",
            "value_error",
            "Value error, must be 0 or a multiple of 16 from 64 on, not 100",
        ),
        (
            "flux-3-image",
            {"prompt": "a", "seed": 1},
            "seed",
            "extra_forbidden",
            "Extra inputs are not permitted",
        ),
        (
            "flux-3-image",
            {"prompt": "a", "images": ["a"] * 11},
            "images",
            "too_long",
            "List should have at most 10 items after validation, not 11",
        ),
        ("flux-pro-1.0-fill", {"prompt": "a"}, "image", "missing", "Field required"),
        (
            "flux-pro-1.0-fill",
            {"image": "a", "steps": 14},
            "steps",
            "greater_than_equal",
            "Input should be greater than or equal to 15",
        ),
        (
            "flux-pro-1.0-expand",
            {"image": "a", "top": 2049},
            "top",
            "less_than_equal",
            "Input should be less than or equal to 2048",
        ),
        ("flux-pro-1.1-ultra-finetuned", {}, "finetune_id", "missing", "Field required"),
        (
            "flux-dev",
            {"webhook_url": "nowhere"},
            "webhook_url",
            "url_parsing",
            "Input should be a valid URL, relative URL without a base",
        ),
    ],
)
async def test_what_does_not_fit_is_refused_as_fastapi_does_it(
    order: Order, endpoint: str, given: dict[str, Any], field: str, kind: str, message: str
) -> None:
    (wrong,) = (await order(endpoint, status=422, **given))["detail"]
    assert (wrong["loc"], wrong["type"], wrong["msg"]) == (["body", field], kind, message)
    assert "input" in wrong


async def test_too_many_megapixels_are_refused(order: Order) -> None:
    (wrong,) = (await order("flux-2-flex", status=422, prompt="a", width=4096, height=4096))["detail"]
    assert wrong["loc"] == ["body"]
    assert "at most 4 megapixels" in wrong["msg"]


async def test_all_that_is_wrong_is_named_at_once(order: Order) -> None:
    wrong = (await order(status=422, width=300, height=1.5, steps="many"))["detail"]
    assert [entry["loc"][1] for entry in wrong] == ["width", "height", "steps"]


async def test_an_unknown_field_is_passed_over_by_all_but_flux_3(order: Order) -> None:
    await order(prompt="a", num_images=4)


@pytest.mark.parametrize(
    ("content", "content_type", "location", "kind"),
    [
        (b"", "application/json", ["body"], "missing"),
        (b"{bad", "application/json", ["body", 1], "json_invalid"),
        (b'{"seed": NaN}', "application/json", ["body", 0], "json_invalid"),
        (b"[]", "application/json", ["body"], "model_attributes_type"),
        (b"{}", "text/plain", ["body"], "model_attributes_type"),
        (b"a=b", "application/x-www-form-urlencoded", ["body"], "model_attributes_type"),
    ],
)
async def test_a_body_has_to_be_a_json_object(
    bfl: httpx.AsyncClient, content: bytes, content_type: str, location: list[str | int], kind: str
) -> None:
    response = await bfl.post("flux-dev", content=content, headers={"content-type": content_type})
    (wrong,) = response.json()["detail"]
    assert (response.status_code, wrong["loc"], wrong["type"]) == (422, location, kind)


async def test_a_tool_wants_a_picture_under_any_name_that_speaks_of_one(
    order: Order, encoded: Encoded
) -> None:
    (wrong,) = (await order("flux-tools/vto-v1", status=422, prompt="a coat"))["detail"]
    assert "a picture is needed" in wrong["msg"]
    await order("flux-tools/vto-v1", person_image=encoded(), garment_image=encoded("blue"))


async def test_unknown_paths_and_methods_are_answered_as_bfl_does(bfl: httpx.AsyncClient) -> None:
    missing = await bfl.post("flux-9", json={"prompt": "a"})
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    wrong = await bfl.get("flux-dev")
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed"})


async def test_both_apis_share_a_host_when_bfl_has_none_of_its_own(make: Make, connect: Connect) -> None:
    url = "http://127.0.0.1:9000"
    shared = connect(
        make(api_url=f"{url}/v1", bfl_url=url, bfl_cluster_url=url, bfl_delivery_url=f"{url}/bfl-delivery")
    )
    key = {"x-key": "bfl_anything"}
    created = (await shared.post(f"{url}/v1/flux-dev", json={}, headers=key)).json()
    assert created["polling_url"].startswith(f"{url}/v1/get_result?id=")
    # Whatever name the machine goes by, the task is known.
    assert (await shared.get(created["polling_url"].replace("127.0.0.1", "localhost"))).status_code == 200
    assert (await shared.get(f"{url}/v1/account")).status_code == 200
    del shared.headers["authorization"]
    assert (await shared.get(f"{url}/v1/account")).status_code == 401
    assert (await shared.post(f"{url}/v1/flux-9", headers=key)).json() == {"detail": "Not Found"}


async def test_replicates_host_knows_nothing_of_bfl(api: httpx.AsyncClient) -> None:
    assert (await api.post("flux-dev", json={}, headers={"x-key": "bfl_anything"})).status_code == 404
