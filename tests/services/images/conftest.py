"""An image service with a folder of its own; nothing in it may block the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from app.services.images import ImageService
from app.storage.files import ImageFiles
from tests.manual_clock import ManualClock
from tests.pictures import Contents, KnownImages


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "generated_images"


@pytest.fixture
def contents(store: Path) -> Contents:
    def look() -> dict[str, int]:
        return {path.name: path.stat().st_size for path in store.rglob("*") if path.is_file()}

    return lambda: asyncio.to_thread(look)


@pytest.fixture
async def files(store: Path, clock: ManualClock) -> AsyncIterator[ImageFiles]:
    files = ImageFiles(store, clock=clock)
    yield files
    await files.aclose()


@pytest.fixture
def rows() -> KnownImages:
    return KnownImages()


@pytest.fixture
def images(files: ImageFiles, rows: KnownImages, clock: ManualClock) -> ImageService:
    return ImageService(files=files, rows=rows, clock=clock)
