"""`/datasets` on the whole service, and trainings on what it keeps."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.config import Settings
from tests.manual_clock import ManualClock
from tests.services.training_sets.photos import encoded, photo, zip_of

ROBOTS = (Path(__file__).parents[2] / "examples" / "training_pictures.zip").read_bytes()
NOBODY = "0" * 64

Uploaded = Callable[..., Awaitable[httpx.Response]]
Hosted = Callable[[bytes], Awaitable[str]]


@pytest.fixture
def uploaded(client: httpx.AsyncClient) -> Uploaded:
    """Sends a zip to a route."""

    async def send(content: bytes = ROBOTS, path: str = "/datasets/", **fields: str) -> httpx.Response:
        return await client.post(path, data=fields, files={"training_images": ("robots.zip", content)})

    return send


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    """Serves files on loopback."""
    servers: list[asyncio.Server] = []

    async def start(content: bytes) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(content))
            writer.write(content)
            await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/dl/set.zip"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_a_set_is_checked_and_kept(uploaded: Uploaded, client: httpx.AsyncClient) -> None:
    response = await uploaded(name="Robots")

    made = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/datasets/{made['id']}"
    assert made["name"] == "Robots"
    assert made["report"] == {"pictures": 12, "captions": 4, "errors": [], "warnings": [], "ignored": []}
    assert (await client.get(f"/datasets/{made['id']}")).json() == made
    assert (await client.get("/datasets")).json() == {
        "datasets": [
            {
                **{name: made[name] for name in ("id", "name", "created_at", "size_bytes")},
                **{"pictures": 12, "captions": 4, "warnings": 0},
            }
        ],
        "next_cursor": None,
    }


async def test_the_same_set_again_is_the_same_dataset(uploaded: Uploaded) -> None:
    first = await uploaded()
    second = await uploaded()

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()


async def test_several_pictures_make_a_set(client: httpx.AsyncClient) -> None:
    files = [("training_images", (f"{n}.jpg", encoded(photo(n)))) for n in range(2)]
    response = await client.post("/datasets", files=[*files, ("training_images", ("0.txt", b"a cat"))])

    report = response.json()["report"]
    assert (report["pictures"], report["captions"]) == (2, 1)
    assert [warning["code"] for warning in report["warnings"]] == ["few_pictures"]


async def test_a_set_is_fetched_from_its_addresses(client: httpx.AsyncClient, hosted: Hosted) -> None:
    one = await client.post("/datasets/", json={"training_images_url": await hosted(ROBOTS)})
    urls = [await hosted(encoded(photo(n))) for n in range(2)]
    other = await client.post("/datasets/", data={"training_images_url": "\n".join(urls)})

    assert (one.status_code, one.json()["report"]["pictures"]) == (201, 12)
    assert (other.status_code, other.json()["report"]["pictures"]) == (201, 2)


async def test_a_set_that_cannot_be_used_is_refused_with_everything_that_is_wrong(
    uploaded: Uploaded, client: httpx.AsyncClient
) -> None:
    for path in ("/datasets/", "/fine-tune/"):
        response = await uploaded(b"no zip", path, trigger_word="TOK", lora_rank="9999")

        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, "training_set_refused")
        assert [error["code"] for error in problem["report"]["errors"]] == ["not_a_zip", "option_refused"]
        assert [error["field"] for error in problem["errors"]] == ["training_images", "lora_rank"]
    assert (await client.get("/datasets")).json()["datasets"] == []
    assert (await client.get("/jobs")).json()["jobs"] == []


async def test_options_that_the_trainer_refuses_come_with_the_report(uploaded: Uploaded) -> None:
    for path in ("/datasets/", "/fine-tune/"):
        response = await uploaded(path=path, trigger_word="TOK", destination_model="No/-", lora_rank="0")

        problem = response.json()
        assert response.status_code == 422, response.text
        if "report" in problem:
            assert problem["report"]["pictures"] == 12
            assert problem["report"]["errors"][0]["code"] == "option_refused"


async def test_datasets_come_in_pages(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for number in range(3):
        await client.post("/datasets/", files={"training_images": ("a.jpg", encoded(photo(number)))})
        clock.advance(1)

    first = (await client.get("/datasets", params={"limit": 2})).json()
    second = (await client.get("/datasets", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    moments = [dataset["created_at"] for dataset in first["datasets"] + second["datasets"]]
    assert len(moments) == 3
    assert moments == sorted(moments, reverse=True)
    assert second["next_cursor"] is None


async def test_a_contact_sheet_shows_the_pictures(uploaded: Uploaded, client: httpx.AsyncClient) -> None:
    made = (await uploaded()).json()

    response = await client.get(made["contact_sheet_url"])

    assert response.headers["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(response.content)).size == (6 * 168 + 8, 2 * 168 + 8)


async def test_a_dataset_is_trained_on_again_and_again_and_uploaded_once(
    uploaded: Uploaded, client: httpx.AsyncClient, settings: Settings
) -> None:
    dataset_id = (await uploaded()).json()["id"]

    inputs = []
    for given in ({"dataset_id": dataset_id}, {"dataset_id": dataset_id, "steps": "20"}):
        started = await client.post("/fine-tune/", data={"trigger_word": "TOK", **given})
        assert started.json()["dataset_id"] == dataset_id, started.text
        job = (await client.get(f"/jobs/{started.json()['job_id']}")).json()
        inputs.append(job["input"]["input_images"])
    by_upload = await uploaded(path="/fine-tune/", trigger_word="TOK")
    job = (await client.get(f"/jobs/{by_upload.json()['job_id']}")).json()

    assert by_upload.json()["dataset_id"] == dataset_id
    assert {*inputs, job["input"]["input_images"]} == {inputs[0]}


async def test_a_training_on_an_address_sends_what_was_rebuilt(
    client: httpx.AsyncClient, hosted: Hosted, settings: Settings
) -> None:
    url = await hosted(zip_of({f"{n}.jpg": encoded(photo(n)) for n in range(3)}))

    started = await client.post("/fine-tune/", data={"trigger_word": "TOK", "training_images_url": url})

    made = started.json()
    assert made["warnings"] == ["The training set has 3 pictures; 10 or more are recommended."]
    job = (await client.get(f"/jobs/{made['job_id']}")).json()
    assert "127.0.0.1" not in job["input"]["input_images"]
    with zipfile.ZipFile(settings.training_images_dir / f"{made['dataset_id']}.zip") as archive:
        assert archive.namelist() == ["0.jpg", "1.jpg", "2.jpg"]


async def test_a_dataset_is_deleted_once_nothing_needs_it(
    uploaded: Uploaded, client: httpx.AsyncClient, settings: Settings
) -> None:
    made = (await uploaded()).json()
    address = f"/datasets/{made['id']}"
    await client.get(made["contact_sheet_url"])
    job = await client.post("/fine-tune/", data={"trigger_word": "TOK", "dataset_id": made["id"]})

    refused = await client.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert refused.json()["job_id"] == job.json()["job_id"]

    await client.post(f"/jobs/{job.json()['job_id']}/cancel")
    assert (await client.delete(address)).status_code == 204
    left = [path for path in settings.training_images_dir.rglob("*") if path.is_file()]
    assert left == []
    for gone in (await client.get(address), await client.delete(address)):
        assert (gone.status_code, gone.json()["code"]) == (404, "dataset_not_found")
    assert (await client.get(made["contact_sheet_url"])).status_code == 404


async def test_an_unknown_dataset_is_not_trained_on(client: httpx.AsyncClient) -> None:
    response = await client.post("/fine-tune/", data={"trigger_word": "TOK", "dataset_id": NOBODY})

    assert (response.status_code, response.json()["code"]) == (404, "dataset_not_found")


async def test_the_description_shows_the_report(client: httpx.AsyncClient) -> None:
    description: dict[str, Any] = (await client.get("/openapi.json")).json()

    schemas = description["components"]["schemas"]
    assert "near_duplicate" in schemas["FindingCode"]["enum"]
    assert "report" in schemas["Problem"]["properties"]
