"""Predictions from their creation to their removal."""

import asyncio
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.sandbox import Pace
from tests.manual_clock import ManualClock
from tests.sandbox.conftest import Connect, Make, Predict
from tests.sandbox.leaping_clock import LeapingClock

SCHNELL = "models/black-forest-labs/flux-schnell/predictions"


async def test_a_prediction_goes_through_its_states(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    created = await predict()
    seen = []
    for seconds in (0, 0.5, 0.9, 0.1, 60):
        clock.advance(seconds)
        seen.append((await api.get(f"predictions/{created['id']}")).json())
    assert [found["status"] for found in seen] == [
        "starting",
        "processing",
        "processing",
        "succeeded",
        "succeeded",
    ]
    assert [found["output"] is not None for found in seen] == [False, False, False, True, True]
    assert seen[3]["metrics"] == {"predict_time": 1.0, "total_time": 1.5, "image_output_count": 1}
    assert all(later["logs"].startswith(earlier["logs"]) for earlier, later in pairwise(seen))


async def test_the_answer_to_a_create_has_the_members_that_replicate_sends(predict: Predict) -> None:
    created = await predict()
    members = "id model version input logs output data_removed error status created_at urls"
    assert sorted(created) == sorted(members.split())
    assert created["version"] == "hidden"
    assert created["status"] == "starting"
    assert len(created["id"]) == 26


async def test_a_create_that_waits_has_its_outputs_before_the_prediction_has_ended(
    api: httpx.AsyncClient,
) -> None:
    response = await api.post(SCHNELL, json={"input": {"prompt": "a cat"}}, headers={"Prefer": "wait=10"})
    found = response.json()
    assert response.status_code == 201
    assert response.headers["preference-applied"] == "wait=10"
    assert found["status"] == "processing"
    assert found["output"][0].endswith("/out-0.webp")
    assert found["logs"] == ""
    assert not {"completed_at", "metrics"} & set(found)
    assert (await api.get(f"predictions/{found['id']}")).json()["status"] == "succeeded"


async def test_a_wait_that_is_too_short_ends_without_outputs(api: httpx.AsyncClient) -> None:
    response = await api.post(
        SCHNELL, json={"input": {"prompt": "sandbox:slow-start"}}, headers={"Prefer": "wait=3"}
    )
    found = response.json()
    assert (response.status_code, found["status"], found["output"]) == (202, "starting", None)
    assert response.headers["location"] == found["urls"]["get"]


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait", "60"), ("wait=99", "60"), ("respond-async, wait=5", "5"), ("wait=0", None)],
)
async def test_prefer_is_understood(
    predict: Predict, api: httpx.AsyncClient, prefer: str, applied: str | None
) -> None:
    response = await api.post(SCHNELL, json={"input": {"prompt": "a"}}, headers={"Prefer": prefer})
    assert response.headers.get("preference-applied") == (applied and f"wait={applied}")


async def test_a_wait_ends_when_somebody_else_cancels(make: Make, connect: Connect) -> None:
    api = connect(make(clock=ManualClock()))
    waiting = asyncio.create_task(
        api.post(SCHNELL, json={"input": {"prompt": "sandbox:slow-start"}}, headers={"Prefer": "wait"})
    )
    listed: list[Any] = []
    while not listed:
        listed = (await api.get("predictions")).json()["results"]
    await api.post(f"predictions/{listed[0]['id']}/cancel")
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (201, "canceled")


async def test_every_form_of_version_is_understood(api: httpx.AsyncClient) -> None:
    lora = (await api.get("models/sandbox/flux-toy-robot")).json()["latest_version"]["id"]
    dev = (await api.get("models/black-forest-labs/flux-dev")).json()["latest_version"]["id"]
    shown = []
    for version in (lora, f"sandbox/flux-toy-robot:{lora}", "black-forest-labs/flux-dev", dev):
        response = await api.post("predictions", json={"version": version, "input": {"prompt": "TOYBOT"}})
        shown.append((response.status_code, response.json()["model"], response.json()["version"]))
    assert shown == [
        (201, "sandbox/flux-toy-robot", lora),
        (201, "sandbox/flux-toy-robot", lora),
        (201, "black-forest-labs/flux-dev", "hidden"),
        (201, "black-forest-labs/flux-dev", "hidden"),
    ]


@pytest.mark.parametrize(
    "version",
    ["", "flux", "sandbox/flux-toy-robot", "nobody/nothing", "0" * 64, "a/b:", f"a/b:{'0' * 64}", "a/b:c"],
)
async def test_a_version_that_cannot_be_run_is_refused(api: httpx.AsyncClient, version: str) -> None:
    response = await api.post("predictions", json={"version": version, "input": {"prompt": "a"}})
    assert response.status_code == 422
    assert response.json()["title"] == "Invalid version or not permitted"


async def test_a_version_of_another_model_or_of_a_trainer_is_refused(api: httpx.AsyncClient) -> None:
    lora = (await api.get("models/sandbox/flux-toy-robot")).json()["latest_version"]["id"]
    trainer = (await api.get("models/ostris/flux-dev-lora-trainer")).json()["latest_version"]["id"]
    for version in (f"black-forest-labs/flux-dev:{lora}", trainer):
        response = await api.post("predictions", json={"version": version, "input": {"prompt": "a"}})
        assert response.status_code == 422


async def test_only_official_models_are_run_without_a_version(api: httpx.AsyncClient) -> None:
    for name in ("sandbox/flux-toy-robot", "nobody/nothing"):
        response = await api.post(f"models/{name}/predictions", json={"input": {"prompt": "a"}})
        assert response.status_code == 404
        assert response.json() == {"detail": "The requested resource could not be found.", "status": 404}


async def test_an_input_that_does_not_fit_is_refused_in_replicates_words(api: httpx.AsyncClient) -> None:
    response = await api.post(SCHNELL, json={"input": {"num_inference_steps": 9}})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["title"], body["status"]) == ("Input validation failed", 422)
    lines = ["- input: prompt is required", "- input.num_inference_steps: Must be less than or equal to 4"]
    assert body["detail"] == "\n".join(lines) + "\n"
    assert [field["type"] for field in body["invalid_fields"]] == ["required", "number_lte"]


@pytest.mark.parametrize(
    ("given", "kind", "field", "description"),
    [
        ({"num_outputs": 0}, "number_gte", "num_outputs", "Must be greater than or equal to 1"),
        ({"seed": "7"}, "invalid_type", "seed", "Invalid type. Expected: integer, given: string"),
        ({"go_fast": 1}, "invalid_type", "go_fast", "Invalid type. Expected: boolean, given: integer"),
        ({"image": "cat.png"}, "format", "image", "Does not match format 'uri'"),
        (
            {"megapixels": "2"},
            "enum",
            "megapixels",
            'megapixels must be one of the following: "1", "0.25"',
        ),
    ],
)
async def test_each_kind_of_wrong_value_has_its_words(
    predict: Predict, given: dict[str, Any], kind: str, field: str, description: str
) -> None:
    refused = await predict(status=422, **given)
    assert refused["invalid_fields"] == [
        {"type": kind, "field": f"input.{field}", "description": description}
    ]


async def test_the_body_is_closed(api: httpx.AsyncClient) -> None:
    response = await api.post(SCHNELL, json={"input": {"prompt": "a"}, "model": "x", "webhook": 3})
    assert [(field["type"], field["description"]) for field in response.json()["invalid_fields"]] == [
        ("additional_property_not_allowed", "Additional property model is not allowed"),
        ("invalid_type", "Invalid type. Expected: string, given: integer"),
    ]


async def test_a_body_that_is_no_json_object_is_refused(api: httpx.AsyncClient) -> None:
    deep = b'{"input": ' + b"[" * 100_000
    odd = (
        b'{"input": {"prompt": "\\ud800"}}',
        b'{"input": {"prompt": "a", "guidance": NaN}}',
        b'{"a": 1e999}',
    )
    for content in (b"{", b"[]", b"", b"\xff", deep, *odd):
        response = await api.post(SCHNELL, content=content)
        assert response.status_code == 400, content


async def test_cancelling_stops_a_prediction_and_leaves_a_finished_one_alone(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    early, late, done = await predict(), await predict(), await predict()
    first = (await api.post(f"predictions/{early['id']}/cancel")).json()
    clock.advance(1)
    second = (await api.post(f"predictions/{late['id']}/cancel")).json()
    clock.advance(1)
    third = (await api.post(f"predictions/{done['id']}/cancel")).json()
    assert [found["status"] for found in (first, second, third)] == ["canceled", "canceled", "succeeded"]
    assert ["started_at" in found for found in (first, second)] == [False, True]
    assert (await api.get(f"predictions/{early['id']}")).json() == first
    assert (await api.post("predictions/nothing/cancel")).status_code == 404


@pytest.mark.parametrize(
    ("prompt", "status"), [("sandbox:slow-start", "aborted"), ("a cat", "canceled"), ("quick", "succeeded")]
)
async def test_a_deadline_ends_what_has_not_ended(
    make: Make, connect: Connect, clock: LeapingClock, prompt: str, status: str
) -> None:
    api = connect(make(pace=Pace(picture=1.0 if prompt == "quick" else 100.0)))
    created = await api.post(SCHNELL, json={"input": {"prompt": prompt}}, headers={"Cancel-After": "5s"})
    clock.advance(10)
    found = (await api.get(f"predictions/{created.json()['id']}")).json()
    assert found["status"] == status
    assert found["deadline"].startswith("2026-01-01T12:00:05.")


@pytest.mark.parametrize("duration", ["4", "soon", "", "1h1h", "5x"])
async def test_a_duration_that_cannot_be_is_refused(api: httpx.AsyncClient, duration: str) -> None:
    response = await api.post(SCHNELL, json={"input": {"prompt": "a"}}, headers={"Cancel-After": duration})
    assert response.status_code == 400


@pytest.mark.parametrize(("duration", "seconds"), [("90", 90), ("1h30m45s", 5445), ("5m", 300)])
async def test_durations_are_understood(api: httpx.AsyncClient, duration: str, seconds: int) -> None:
    response = await api.post(SCHNELL, json={"input": {"prompt": "a"}}, headers={"Cancel-After": duration})
    hours, rest = divmod(seconds, 3600)
    assert response.json()["deadline"].startswith(f"2026-01-01T{12 + hours}:{rest // 60:02}:{rest % 60:02}.")


async def test_lists_are_paged_newest_first(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    ids = []
    for _ in range(205):
        clock.advance(1)
        ids.append((await predict())["id"])
    first = (await api.get("predictions")).json()
    second = (await api.get(first["next"])).json()
    third = (await api.get(second["next"])).json()
    pages = [[found["id"] for found in page["results"]] for page in (first, second, third)]
    assert pages == [ids[:104:-1], ids[104:4:-1], ids[4::-1]]
    assert first["next"].startswith("https://api.replicate.com/v1/predictions?cursor=")
    assert (first["previous"], third["next"]) == (None, None)
    assert (await api.get(third["previous"])).json()["results"] == second["results"]
    assert "logs" not in first["results"][0]


async def test_lists_can_be_cut_by_time(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    made = []
    for _ in range(3):
        made.append((await predict())["id"])
        clock.advance(60)
    between = {"created_after": "2026-01-01T12:01:00Z", "created_before": "2026-01-01T14:02:00+02:00"}
    found = (await api.get("predictions", params=between)).json()["results"]
    assert [entry["id"] for entry in found] == [made[1]]
    assert (await api.get("predictions", params={"created_after": "yesterday"})).status_code == 400
    assert (await api.get("predictions", params={"source": "web"})).json()["results"] == []
    for cursor in ("xyz", "é", "YjEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="):
        assert (await api.get("predictions", params={"cursor": cursor})).status_code == 400


async def test_an_hour_later_the_data_are_gone(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    found = await predict(prefer="wait")
    clock.advance(3599)
    assert (await api.get(found["output"][0])).status_code == 200
    clock.advance(1)
    assert (await api.get(found["output"][0])).status_code == 404
    removed = (await api.get(f"predictions/{found['id']}")).json()
    assert (removed["data_removed"], removed["output"], removed["input"], removed["logs"]) == (
        True,
        None,
        {},
        "",
    )
    assert removed["status"] == "succeeded"


async def test_a_picture_follows_from_prompt_and_seed(api: httpx.AsyncClient, predict: Predict) -> None:
    contents = []
    for given in ({"seed": 1}, {"seed": 1}, {"seed": 2}):
        found = await predict(prefer="wait", megapixels="0.25", num_outputs=2, **given)
        contents += [(await api.get(address)).content for address in found["output"]]
    assert contents[:2] == contents[2:4]
    assert len(set(contents)) == 4


async def test_a_seed_that_was_not_given_is_in_the_logs(
    api: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    created = await predict()
    clock.advance(1)
    logs = (await api.get(f"predictions/{created['id']}")).json()["logs"]
    assert logs.startswith("Using seed: ")
    assert "4%|▍" in logs or "14%|█▍" in logs


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"aspect_ratio": "16:9"}, (1344, 768)),
        ({"aspect_ratio": "9:21", "megapixels": "0.25"}, (320, 768)),
        ({"aspect_ratio": "custom", "width": 300, "height": 1440}, (304, 1440)),
    ],
)
async def test_pictures_have_the_size_that_was_asked_for(
    api: httpx.AsyncClient, given: dict[str, Any], size: tuple[int, int]
) -> None:
    version = (await api.get("models/sandbox/flux-toy-robot")).json()["latest_version"]["id"]
    response = await api.post(
        "predictions",
        json={"version": version, "input": {"prompt": "TOYBOT", "output_format": "png", **given}},
        headers={"Prefer": "wait"},
    )
    picture = await api.get(response.json()["output"][0])
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size == size


async def test_whole_numbers_may_be_written_with_a_fraction(api: httpx.AsyncClient, predict: Predict) -> None:
    found = await predict(prefer="wait", num_outputs=2.0, seed=3.0, num_inference_steps=4.0)
    assert len(found["output"]) == 2


async def test_a_custom_size_needs_both_sides(api: httpx.AsyncClient) -> None:
    given = {"prompt": "a", "aspect_ratio": "custom", "width": 512}
    path = "models/black-forest-labs/flux-1.1-pro/predictions"
    found = (await api.post(path, json={"input": given}, headers={"Prefer": "wait"})).json()
    assert found["status"] == "failed"
    assert "height" in found["error"]


async def test_an_input_picture_decides_the_shape(api: httpx.AsyncClient, predict: Predict) -> None:
    source = io.BytesIO()
    Image.new("RGB", (3000, 1500)).save(source, "PNG")
    response = await api.post("files", files={"content": ("wide.png", source.getvalue(), "image/png")})
    found = await predict(prefer="wait", image=response.json()["urls"]["get"])
    with Image.open(io.BytesIO((await api.get(found["output"][0])).content)) as image:
        assert image.size == (1440, 720)


@pytest.mark.parametrize("image", ["data:image/png;base64,AAAA", "https://api.replicate.com/v1/files/gone"])
async def test_an_input_picture_that_cannot_be_read_fails_the_prediction(
    predict: Predict, image: str
) -> None:
    found = await predict(prefer="wait", image=image)
    assert found["status"] == "failed"
    assert found["error"]


async def test_a_model_with_one_picture_gives_no_list(api: httpx.AsyncClient) -> None:
    path = "models/black-forest-labs/flux-kontext-pro/predictions"
    found = (await api.post(path, json={"input": {"prompt": "a"}}, headers={"Prefer": "wait"})).json()
    assert found["output"].endswith("/out-0.png")


async def test_parts_of_a_picture_can_be_fetched(api: httpx.AsyncClient, predict: Predict) -> None:
    address = (await predict(prefer="wait", megapixels="0.25"))["output"][0]
    whole = (await api.get(address)).content
    for part, content in (("bytes=5-9", whole[5:10]), ("bytes=-4", whole[-4:]), ("bytes=7-", whole[7:])):
        response = await api.get(address, headers={"Range": part})
        assert (response.status_code, response.content) == (206, content)
        assert response.headers["content-range"].endswith(f"/{len(whole)}")
    assert (await api.get(address, headers={"Range": "bytes=99999999-"})).status_code == 416
    head = await api.head(address)
    assert (head.headers["content-length"], head.content) == (str(len(whole)), b"")


async def test_outputs_that_were_never_made_are_not_there(api: httpx.AsyncClient, predict: Predict) -> None:
    address = (await predict(prefer="wait", megapixels="0.25"))["output"][0]
    unfinished = await predict()
    for wrong in (
        address.replace("out-0", "out-1"),
        address.replace(".webp", ".png"),
        address.replace("out-0.webp", "trained_model.tar"),
        f"https://replicate.delivery/xezq/{unfinished['id']}/out-0.webp",
    ):
        assert (await api.get(wrong)).status_code == 404


async def test_state_survives_a_restart_and_is_shared(
    make: Make, connect: Connect, predict: Predict, clock: LeapingClock, tmp_path: Path
) -> None:
    created = await predict()
    other = connect(make(directory=tmp_path))
    clock.advance(2)
    assert (await other.get(f"predictions/{created['id']}")).json()["status"] == "succeeded"
