"""Whether pictures can be stored, asked before anything is paid for."""

import asyncio
from pathlib import Path

import pytest

from app.errors import DownloadError, StorageUnavailableError
from app.services.images import ImageService
from app.services.readiness import TRUSTED_FOR
from tests.manual_clock import ManualClock
from tests.pictures import Contents, download_from, encoded


async def test_a_folder_that_can_be_written_to_is_ready(images: ImageService, contents: Contents) -> None:
    await images.ready()
    await images.check_writable()
    assert await contents() == {}


async def test_a_folder_that_refuses_is_not_ready_until_it_takes_files_again(
    images: ImageService, store: Path
) -> None:
    await asyncio.to_thread(store.touch)
    with pytest.raises(StorageUnavailableError, match=r"folder for pictures cannot .*\(Not a directory\)"):
        await images.ready()
    await asyncio.to_thread(store.unlink)
    await images.ready()


async def test_what_was_seen_is_believed_for_some_seconds(
    images: ImageService, store: Path, clock: ManualClock
) -> None:
    await images.ready()
    await asyncio.to_thread(store.rmdir)
    await asyncio.to_thread(store.touch)
    await images.ready()
    clock.advance(TRUSTED_FOR.total_seconds())
    with pytest.raises(StorageUnavailableError):
        await images.ready()


async def test_a_look_at_the_health_counts(images: ImageService, store: Path) -> None:
    await images.ready()
    await asyncio.to_thread(store.rmdir)
    await asyncio.to_thread(store.touch)
    with pytest.raises(StorageUnavailableError):
        await images.check_writable()
    with pytest.raises(StorageUnavailableError):
        await images.ready()


async def test_a_picture_that_could_not_be_stored_raises_doubts(images: ImageService, store: Path) -> None:
    await images.ready()
    await asyncio.to_thread(store.rmdir)
    await asyncio.to_thread(store.touch)
    with pytest.raises(DownloadError, match="could not be stored"):
        await images.bring_home("0f" * 16, ["a"], download_from({"a": [encoded()]}))
    with pytest.raises(StorageUnavailableError):
        await images.ready()
