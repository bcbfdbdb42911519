"""What has to lie ready before a training: its destination and its zip."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.datasets import ProviderFile
from app.errors import ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode, JobKind, Order
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import TOKEN, HastyClock, Upstream

GENERATION = Order("replicate", JobKind.GENERATION, "owner/name", None, {"prompt": "a cat"})
BY_URL = Order(
    "replicate",
    JobKind.TRAINING,
    "ostris/trainer",
    "b" * 64,
    {"input_images": "https://example.com/a.zip"},
    destination="zoe/cat",
)
BY_UPLOAD = replace(BY_URL, input={"steps": 10}, training_set="0" * 64)
ABSENT = httpx.Response(404, json={"detail": "The requested resource could not be found."})
HARDWARE = httpx.Response(200, json=[{"sku": "cpu", "name": "CPU"}, {"sku": "gpu-t4", "name": "T4"}])
ADDRESS = "https://api.replicate.com/v1/files/f1"
UPLOADED = httpx.Response(
    201, json={"id": "f1", "urls": {"get": ADDRESS}, "expires_at": "2026-03-01T12:00:00.000Z"}
)
ZIP = b"PK" + bytes(range(256)) * 8192


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """A file of more than one read."""
    path = tmp_path / "pictures.zip"
    path.write_bytes(ZIP)
    return path


async def test_a_generation_needs_no_preparation(client: ReplicateClient, upstream: Upstream) -> None:
    assert await client.prepare(GENERATION, None) is GENERATION
    assert upstream.seen == []


async def test_a_destination_that_exists_is_left_alone(client: ReplicateClient, upstream: Upstream) -> None:
    assert await client.prepare(BY_URL, None) == BY_URL
    assert upstream.calls() == ["GET /models/zoe/cat"]


@pytest.mark.parametrize(
    "answer", [httpx.Response(201, json={}), httpx.Response(409, json={"detail": "taken"})]
)
async def test_a_missing_destination_is_made_private(
    client: ReplicateClient, upstream: Upstream, answer: httpx.Response
) -> None:
    upstream.on("GET /models/zoe/cat", ABSENT).on("GET /hardware", HARDWARE).on("POST /models", answer)
    assert await client.prepare(BY_URL, None) == BY_URL
    assert upstream.body() == {
        "owner": "zoe",
        "name": "cat",
        "visibility": "private",
        "hardware": "gpu-t4",
    }


@pytest.mark.parametrize(
    ("offered", "chosen"), [([{"sku": "gpu-h100"}, {"sku": "cpu"}], "gpu-h100"), ([], "gpu-t4")]
)
async def test_the_hardware_is_one_that_is_on_offer(
    client: ReplicateClient, upstream: Upstream, offered: list[dict[str, str]], chosen: str
) -> None:
    upstream.on("GET /models/zoe/cat", ABSENT).on("GET /hardware", httpx.Response(200, json=offered))
    upstream.on("POST /models", httpx.Response(201, json={}))
    await client.prepare(BY_URL, None)
    assert upstream.body()["hardware"] == chosen


async def test_a_destination_of_somebody_else_is_refused(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /models/zoe/cat", ABSENT).on("GET /hardware", HARDWARE)
    upstream.on("POST /models", httpx.Response(403, json={"detail": "You cannot create models for zoe."}))
    with pytest.raises(ProviderRefusedError, match="You cannot create models for zoe"):
        await client.prepare(BY_URL, None)


async def test_a_training_set_is_uploaded(
    client: ReplicateClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on("POST /files", UPLOADED)
    file = await client.upload(training_set)
    assert file == ProviderFile(ADDRESS, datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
    request = upstream.seen[-1]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-length"] == str(len(request.content))
    assert "transfer-encoding" not in request.headers
    boundary = request.headers["content-type"].removeprefix("multipart/form-data; boundary=").encode()
    before, head, body = request.content.partition(b"\r\n\r\n")
    assert before.startswith(b"--" + boundary)
    assert b'Content-Disposition: form-data; name="content"; filename="pictures.zip"' in before
    assert b"Content-Type: application/zip" in before
    assert head + body == b"\r\n\r\n" + ZIP + b"\r\n--" + boundary + b"--\r\n"


async def test_an_upload_is_repeated_from_its_beginning(
    client: ReplicateClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on("POST /files", httpx.ReadError("broke"), httpx.Response(500), UPLOADED)
    await client.upload(training_set)
    assert ZIP in upstream.seen[-1].content
    assert upstream.calls().count("POST /files") == 3


async def test_a_training_set_that_is_too_large_is_refused(
    client: ReplicateClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on("POST /files", httpx.Response(413, json={"detail": "Files must be less than 100MB in size"}))
    with pytest.raises(ProviderRefusedError, match="larger than the 100 MB") as caught:
        await client.upload(training_set)
    assert caught.value.failure_code == FailureCode.TRAINING_SET_REFUSED


async def test_an_upload_without_an_address_is_no_upload(
    client: ReplicateClient, upstream: Upstream, training_set: Path
) -> None:
    upstream.on("POST /files", httpx.Response(201, json={"id": "f1"}))
    with pytest.raises(ProviderUnavailableError):
        await client.upload(training_set)


@pytest.mark.parametrize("said", [None, "soon", 7])
async def test_a_file_that_is_not_said_to_expire_lives_for_a_day(
    client: ReplicateClient, upstream: Upstream, training_set: Path, clock: HastyClock, said: object
) -> None:
    facts = {"id": "f1", "urls": {"get": ADDRESS}, "expires_at": said}
    upstream.on("POST /files", httpx.Response(201, json=facts))
    assert (await client.upload(training_set)).expires_at == clock.now() + timedelta(days=1)


async def test_the_address_of_the_pictures_is_put_in(client: ReplicateClient, upstream: Upstream) -> None:
    order = await client.prepare(BY_UPLOAD, ADDRESS)
    assert order.input == {"steps": 10, "input_images": ADDRESS}
    assert order.training_set is None
    assert upstream.calls() == ["GET /models/zoe/cat"]


@pytest.mark.parametrize(("status", "is_there"), [(200, True), (404, False), (410, False)])
async def test_a_file_is_looked_for_before_it_is_used_again(
    client: ReplicateClient, upstream: Upstream, status: int, is_there: bool
) -> None:
    upstream.on("GET /files/f1", httpx.Response(status, json={"id": "f1"}))
    assert await client.has_file(ADDRESS) is is_there


async def test_a_file_at_another_place_counts_as_gone(client: ReplicateClient, upstream: Upstream) -> None:
    assert not await client.has_file("https://files.example/v1/files/f1")
    assert upstream.seen == []
