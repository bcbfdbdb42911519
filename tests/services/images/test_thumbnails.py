import asyncio
import io
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image as Pillow

from app.models import Image
from app.services.images import ImageService
from app.services.images.thumbnails import scaled, thumbnail_width
from app.storage.files import ImageFiles
from tests.manual_clock import ManualClock
from tests.pictures import Contents, KnownImages, download_from, encoded

JOB = "0f" * 16


class GuardedFiles(ImageFiles):
    """Files whose originals are opened only when `gate` lets a thread through; says how many came."""

    def __init__(self, root: Path, *, clock: ManualClock) -> None:
        super().__init__(root, clock=clock)
        self.gate = threading.Semaphore(0)
        self.arrived: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def open(self, name: str) -> BinaryIO:
        if not name.startswith(".thumbnails/"):
            self._loop.call_soon_threadsafe(self.arrived.put_nowait, name)
            assert self.gate.acquire(timeout=10)
        return super().open(name)


@pytest.fixture
async def guarded(store: Path, clock: ManualClock) -> GuardedFiles:
    return GuardedFiles(store, clock=clock)


@pytest.fixture
async def image(images: ImageService, rows: KnownImages) -> Image:
    """A picture of 300 x 200 pixels."""
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [encoded("PNG", 300, 200)]}))
    rows.add(image)
    return image


@pytest.mark.parametrize(
    ("wanted", "given"),
    [(None, None), (16, 64), (64, 64), (65, 128), (256, 256), (257, None), (300, None), (2048, None)],
)
async def test_widths_snap_up_and_never_beyond_the_original(
    image: Image, wanted: int | None, given: int
) -> None:
    assert thumbnail_width(image, wanted) == given


async def test_a_thumbnail_is_a_smaller_webp(images: ImageService, image: Image) -> None:
    stored = await images.open(image.name, width=100)
    assert stored.content is not None
    small = Pillow.open(io.BytesIO(stored.content))
    assert (small.format, small.size, small.mode) == ("WEBP", (128, 85), "RGB")
    assert stored.media_type == "image/webp"
    assert stored.name == f"generated_image_{JOB}_1_128.webp"
    assert stored.etag == f'"{image.sha256}-128"'
    assert stored.size_bytes == len(stored.content)


async def test_a_thumbnail_is_made_once_and_kept(
    images: ImageService,
    image: Image,
    files: ImageFiles,
    rows: KnownImages,
    clock: ManualClock,
    contents: Contents,
) -> None:
    first = await images.open(image.name, width=128)
    assert set(await contents()) == {image.name, f"{image.sha256}-128.webp"}
    # Another process, which remembers nothing, finds the file; the original is not looked at.
    await asyncio.to_thread((first.path.parent.parent / image.name).unlink)
    another = ImageService(files=files, rows=rows, clock=clock)
    assert await another.open(image.name, width=128) == first


async def test_those_who_want_the_same_thumbnail_wait_for_one(
    guarded: GuardedFiles, image: Image, rows: KnownImages, clock: ManualClock
) -> None:
    images = ImageService(files=guarded, rows=rows, clock=clock)
    callers = [asyncio.create_task(images.open(image.name, width=64)) for _ in range(8)]
    await guarded.arrived.get()
    callers[0].cancel()  # The one who came first leaves; the others still get theirs.
    guarded.gate.release()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [type(result).__name__ for result in results[1:]] == ["StoredImage"] * 7
    assert guarded.arrived.empty()


async def test_two_thumbnails_are_made_at_a_time(
    guarded: GuardedFiles, image: Image, rows: KnownImages, clock: ManualClock
) -> None:
    images = ImageService(files=guarded, rows=rows, clock=clock)
    callers = [asyncio.create_task(images.open(image.name, width=width)) for width in (64, 128, 256)]
    await guarded.arrived.get()
    await guarded.arrived.get()
    assert guarded.arrived.empty()
    guarded.gate.release()
    await guarded.arrived.get()
    guarded.gate.release(2)
    assert len({stored.etag for stored in await asyncio.gather(*callers)}) == 3


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA")])
def test_transparency_stays(kind: str, mode: str) -> None:
    picture = Pillow.new(mode, (100, 100))
    original = io.BytesIO()
    picture.save(original, kind, lossless=True)
    small = Pillow.open(io.BytesIO(scaled(original, 64)))
    assert (small.mode, small.getpixel((5, 5))) == ("RGBA", (0, 0, 0, 0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "CMYK"])
def test_pictures_of_every_kind_can_be_made_smaller(mode: str) -> None:
    original = io.BytesIO()
    level = {"I;16": 32768, "1": 255}.get(mode, 128)
    picture = Pillow.new(mode if mode == "I;16" else "L", (100, 50), level).convert(mode)
    picture.save(original, "JPEG" if mode == "CMYK" else "PNG")
    small = Pillow.open(io.BytesIO(scaled(original, 64)))
    assert (small.size, small.mode) == ((64, 32), "RGB")
    expected = 255 if mode == "1" else 128
    assert small.convert("L").getextrema() == pytest.approx((expected, expected), abs=8)


def test_a_turned_photo_is_shown_upright_and_colours_keep_their_profile() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    original = io.BytesIO()
    Pillow.new("RGB", (400, 200)).save(original, "JPEG", exif=exif, icc_profile=b"a profile")
    small = Pillow.open(io.BytesIO(scaled(original, 64)))
    assert small.size == (64, 128)
    assert small.info["icc_profile"] == b"a profile"


async def test_a_damaged_original_is_given_as_it_is(
    images: ImageService, rows: KnownImages, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    whole = encoded("PNG", 300, 200)
    damaged = whole[:500] + bytes(500) + whole[1000:]
    (image,) = await images.bring_home(JOB, ["a"], download_from({"a": [damaged]}))
    rows.add(image)
    stored = await images.open(image.name, width=64)
    assert stored.content == damaged
    assert stored.etag == f'"{image.sha256}"'
    assert list(await contents()) == [image.name]
    assert "cannot be made smaller" in caplog.text
