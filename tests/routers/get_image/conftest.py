"""The picture routes alone, on a folder of their own; nothing in them may block the event loop."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from blockbuster import blockbuster_ctx
from fastapi import FastAPI

from app.models import Image
from app.problem_details import add_problem_details
from app.routers import get_image
from app.services.access import Access
from app.services.images import ImageService
from app.storage.files import ImageFiles
from tests.manual_clock import ManualClock
from tests.pictures import KnownImages, download_from
from tests.routers.get_image.samples import BODY, LARGE, ServePictures


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "generated_images"


@pytest.fixture
def rows() -> KnownImages:
    return KnownImages()


@pytest.fixture
def images(store: Path, rows: KnownImages, clock: ManualClock) -> ImageService:
    return ImageService(files=ImageFiles(store, clock=clock), rows=rows, clock=clock)


@pytest.fixture
async def image(images: ImageService, rows: KnownImages) -> Image:
    """A picture that is held in memory, whose bytes are `BODY`."""
    (image,) = await images.bring_home("small", ["a"], download_from({"a": [BODY]}))
    rows.add(image)
    return image


@pytest.fixture
async def large(images: ImageService, rows: KnownImages) -> Image:
    """A picture that is streamed, whose bytes are `LARGE`."""
    (image,) = await images.bring_home("large", ["a"], download_from({"a": [LARGE]}))
    rows.add(image)
    return image


@pytest.fixture
def serve_pictures(images: ImageService) -> ServePictures:
    """Serve the pictures alone, to a client at `client_host`."""

    @asynccontextmanager
    async def start(
        access: Access | None = None, client_host: str = "127.0.0.1"
    ) -> AsyncIterator[httpx.AsyncClient]:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            yield {"images": images, "access": access or Access()}

        app = FastAPI(lifespan=lifespan, redirect_slashes=False)
        add_problem_details(app)
        app.include_router(get_image.router)
        async with LifespanManager(app) as manager:
            way_in = httpx.ASGITransport(app=manager.app, client=(client_host, 50000))
            async with httpx.AsyncClient(transport=way_in, base_url="http://fluxgate") as client:
                yield client

    return start


@pytest.fixture
async def pictures(serve_pictures: ServePictures) -> AsyncIterator[httpx.AsyncClient]:
    async with serve_pictures() as client:
        yield client
