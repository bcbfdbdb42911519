"""Datasets are whole or not there, whenever the service dies."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.endtoend.machine import Machine, Service

pytestmark = pytest.mark.endtoend

PICTURES = Path(__file__).parents[2] / "examples" / "training_pictures.zip"
MOMENTS = (0.02, 0.1, 0.25, 0.5)

Kept = Callable[[Service], Awaitable[list[str]]]


@pytest.fixture
def upload() -> httpx.Request:
    """The request that uploads the example pictures."""
    files = {"training_images": ("pictures.zip", PICTURES.read_bytes(), "application/zip")}
    request = httpx.Request("POST", "http://service/datasets/", files=files)
    request.read()
    return request


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """The datasets that a service lists, each of which has to be whole on disk."""

    async def check(service: Service) -> list[str]:
        listed = [dataset["id"] for dataset in (await service.client.get("/datasets")).json()["datasets"]]
        for dataset in listed:
            content = (tmp_path / "training_images" / f"{dataset}.zip").read_bytes()
            assert hashlib.sha256(content).hexdigest() == dataset
        return listed

    return check


async def test_a_kill_in_the_middle_of_an_upload_leaves_nothing(
    machine: Machine, tmp_path: Path, upload: httpx.Request, kept: Kept
) -> None:
    await machine.start_sandbox(pace=0)
    first = await machine.start_service()
    body = upload.content

    async def half() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await asyncio.Event().wait()

    headers = {"Content-Type": upload.headers["Content-Type"], "Content-Length": str(len(body))}
    sending = asyncio.create_task(first.client.post("/datasets/", content=half(), headers=headers))
    await asyncio.wait({sending}, timeout=0.5)
    await first.server.kill()
    sending.cancel()  # Its other half would never come.
    await asyncio.gather(sending, return_exceptions=True)

    second = await machine.start_service()
    assert await kept(second) == []
    assert list((tmp_path / "training_images").glob("*.zip")) == []


async def test_a_kill_at_any_moment_of_the_check_leaves_no_half_dataset(
    machine: Machine, upload: httpx.Request, kept: Kept
) -> None:
    await machine.start_sandbox(pace=0)
    headers = {"Content-Type": upload.headers["Content-Type"]}
    for moment in MOMENTS:
        service = await machine.start_service()
        sending = asyncio.create_task(
            service.client.post("/datasets/", content=upload.content, headers=headers)
        )
        await asyncio.wait({sending}, timeout=moment)
        await service.server.kill()
        await asyncio.gather(sending, return_exceptions=True)

    last = await machine.start_service()
    await kept(last)
    answer = await last.client.post("/datasets/", content=upload.content, headers=headers)
    assert answer.status_code in (200, 201)
    assert await kept(last) == [answer.json()["id"]]
