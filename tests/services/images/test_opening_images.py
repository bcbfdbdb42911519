import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import ImageNotFoundError
from app.services.images import ImageService
from app.storage.files import ImageFiles
from tests.manual_clock import ManualClock
from tests.pictures import Contents, KnownImages, download_from, encoded

JOB = "0f" * 16


async def test_only_what_was_left_for_an_hour_is_swept(
    files: ImageFiles, store: Path, contents: Contents, clock: ManualClock
) -> None:
    def left_behind() -> None:
        (store / ".thumbnails").mkdir(parents=True)
        ages = {".old.part": 61, ".new.part": 59, ".thumbnails/.old.part": 61, "generated_image_1_1.png": 61}
        for name, minutes in ages.items():
            (store / name).touch()
            moment = (clock.now() - timedelta(minutes=minutes)).timestamp()
            os.utime(store / name, (moment, moment))

    assert await files.sweep() == 0
    await asyncio.to_thread(left_behind)
    assert await files.sweep() == 2
    assert set(await contents()) == {".new.part", "generated_image_1_1.png"}


async def test_a_known_picture_is_opened(images: ImageService, rows: KnownImages, clock: ManualClock) -> None:
    body = encoded("JPEG")
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [body]}))
    rows.add(image)
    stored = await images.open(image.name, width=None)
    assert (stored.content, stored.media_type, stored.etag) == (body, "image/jpeg", f'"{image.sha256}"')
    assert (stored.size_bytes, stored.last_modified) == (len(body), clock.now())


async def test_rows_are_asked_for_once(images: ImageService, rows: KnownImages) -> None:
    rows.add(*await images.bring_home(JOB, ["a"], download_from({"a": [encoded()]})))
    name = f"generated_image_{JOB}_1.png"
    for _ in range(3):
        await images.open(name, width=None)
    assert rows.asked == [name]


async def test_a_picture_that_is_on_disk_but_not_on_record_is_not_found(images: ImageService) -> None:
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [encoded()]}))
    with pytest.raises(ImageNotFoundError):
        await images.open(image.name, width=None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "%2e%2e%2fetc%2fpasswd",
        "generated_image_1_1.png\0",
        "generated_image_1_1.png\n",
        "generated_image_1_1.png/",
        "generated_image_../x_1.png",
        "generated_image_1_0.png",
        "generated_image_1_1.svg",
        ".thumbnails/x.webp",
        "generated_image_\u0661_1.png",
        "\ud800",
        "x" * 4096,
    ],
)
async def test_strange_names_are_not_even_looked_up(
    images: ImageService, rows: KnownImages, name: str
) -> None:
    with pytest.raises(ImageNotFoundError) as refusal:
        await images.open(name, width=64)
    assert len(refusal.value.detail) < 200
    assert rows.asked == []


@pytest.mark.parametrize("harm", ["deleted", "shortened", "linked", "folder"])
async def test_a_picture_whose_file_is_not_there_any_more_is_said_to_be_missing(
    images: ImageService, rows: KnownImages, store: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [encoded()]}))
    rows.add(image)
    path = store / image.name

    def do_harm() -> None:
        match harm:
            case "deleted":
                path.unlink()
            case "shortened":
                os.truncate(path, 100)
            case "linked":
                path.rename(store / "elsewhere")
                path.symlink_to(store / "elsewhere")
            case "folder":
                path.unlink()
                path.mkdir()

    await asyncio.to_thread(do_harm)
    with pytest.raises(ImageNotFoundError, match="its file is no longer on the disk"):
        await images.open(image.name, width=None)
    if harm != "shortened":
        with pytest.raises(ImageNotFoundError, match="its file is no longer on the disk"):
            await images.open(image.name, width=32)
    assert caplog.records[0].levelname == "ERROR"


async def test_a_deleted_file_is_not_served_from_memory_for_long(
    images: ImageService, rows: KnownImages, store: Path, clock: ManualClock
) -> None:
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [encoded()]}))
    rows.add(image)
    await images.open(image.name, width=None)
    await asyncio.to_thread((store / image.name).unlink)
    assert (await images.open(image.name, width=None)).content
    clock.advance(60)
    with pytest.raises(ImageNotFoundError):
        await images.open(image.name, width=None)


async def test_long_files_are_streamed(images: ImageService, rows: KnownImages) -> None:
    body = encoded("PNG", 1000, 800, "RGB", compress_level=0)
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [body]}))
    rows.add(image)
    stored = await images.open(image.name, width=None)
    assert stored.content is None
    assert b"".join([piece async for piece in images.stream(stored, 0, len(body))]) == body
    assert b"".join([piece async for piece in images.stream(stored, 5, 300_000)]) == body[5:300_000]
