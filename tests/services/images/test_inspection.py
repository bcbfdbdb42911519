import mmap
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from app.errors import DownloadError
from app.services.images.inspection import MediaType, Picture, inspect
from tests.pictures import encoded


@pytest.fixture(params=["in memory", "on disk"])
def look(request: pytest.FixtureRequest) -> Callable[[bytes], Picture]:
    """Inspect a body given as bytes."""

    def inspected(body: bytes) -> Picture:
        if request.param == "in memory":
            return inspect(body)
        with mmap.mmap(-1, len(body)) as memory:
            memory.write(body)
            return inspect(memory)

    return inspected


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        *((encoded("PNG", 301, 77, mode), MediaType.PNG) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((encoded("JPEG", 301, 77, mode), MediaType.JPEG) for mode in ("L", "RGB", "CMYK")),
        (encoded("JPEG", 301, 77, progressive=True), MediaType.JPEG),
        (encoded("JPEG", 301, 77, comment=b"x" * 60_000), MediaType.JPEG),
        (encoded("WEBP", 301, 77), MediaType.WEBP),
        (encoded("WEBP", 301, 77, lossless=True), MediaType.WEBP),
        (encoded("WEBP", 301, 77, "RGBA", lossless=True), MediaType.WEBP),
        (encoded("WEBP", 301, 77, icc_profile=b"a profile"), MediaType.WEBP),
        (encoded("GIF", 301, 77), MediaType.GIF),
    ],
)
def test_every_kind_of_picture_is_recognised(
    look: Callable[[bytes], Picture], body: bytes, media_type: MediaType
) -> None:
    assert look(body) == Picture(media_type, 301, 77)


@pytest.mark.parametrize(("filling", "whole"), [(0, True), (300, True), (6000, False)])
def test_a_jpeg_has_few_things_before_its_first_scan(
    look: Callable[[bytes], Picture], *, filling: int, whole: bool
) -> None:
    jpeg = encoded("JPEG", 301, 77)
    body = jpeg[:2] + b"\xff" * filling + jpeg[2:]
    if whole:
        assert look(body).width == 301
    else:
        # Nobody is kept waiting by a file that holds nothing else.
        with pytest.raises(DownloadError, match="incomplete"):
            look(body)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_damage_of_any_kind_is_a_picture_or_a_refusal(look: Callable[[bytes], Picture], kind: str) -> None:
    chance = random.Random(1)  # noqa: S311 - nothing secret about it
    whole = encoded(kind)
    for _ in range(500):
        body = bytearray(whole[: chance.choice([len(whole), chance.randrange(12, len(whole))])])
        for _ in range(5):
            body[chance.randrange(min(64, len(body)))] = chance.randrange(256)
        with suppress(DownloadError):
            assert look(bytes(body)).width > 0
