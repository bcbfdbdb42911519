"""Smaller copies of pictures, made when first asked for and kept."""

import asyncio
import logging
from typing import BinaryIO

from app.models import Image
from app.storage.files import THUMBNAILS, ImageFiles

WIDTHS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048)
MEDIA_TYPE = "image/webp"
AT_ONCE = 2
# Decoding takes four bytes a pixel; larger originals are handed out as they are.
MOST_PIXELS = 40_000_000

_logger = logging.getLogger(__name__)


class ThumbnailFailedError(Exception):
    """The original cannot be made smaller."""


def thumbnail_width(image: Image, wanted: int | None) -> int | None:
    """The width to serve when `wanted` pixels are asked for; None stands for the original."""
    if wanted is None or image.width * image.height > MOST_PIXELS:
        return None
    width = next((step for step in WIDTHS if step >= wanted), None)
    return width if width is not None and width < image.width else None


class Thumbnails:
    """Makes each thumbnail once, at most two at a time."""

    def __init__(self, files: ImageFiles) -> None:
        self._files = files
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    @staticmethod
    def name(image: Image, width: int) -> str:
        """The thumbnail's name in the store; it follows from the original's content, so it is never stale."""
        return f"{THUMBNAILS}/{image.sha256}-{width}.webp"

    async def make(self, image: Image, width: int) -> None:
        """Store the thumbnail; whoever asks for one that is being made waits for it.

        Raises `FileNotFoundError` when the original's file is missing, `ThumbnailFailedError` when it
        cannot be decoded.
        """
        name = self.name(image, width)
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._make(image, width))
            task.add_done_callback(lambda _: self._under_way.pop(name))
        # One caller's leaving does not take the thumbnail from the others.
        await asyncio.shield(task)

    async def _make(self, image: Image, width: int) -> None:
        async with self._slots:
            await asyncio.to_thread(self._scale, image, width)

    def _scale(self, image: Image, width: int) -> None:
        with self._files.open(image.name) as original, self._files.incoming(THUMBNAILS) as incoming:
            try:
                incoming.write(scaled(original, width))
            except Exception as exc:  # Pillow meets damaged files with a dozen kinds of exceptions.
                raise ThumbnailFailedError(f"{image.name} cannot be made smaller: {exc}") from exc
            incoming.publish(self.name(image, width).removeprefix(f"{THUMBNAILS}/"))


def scaled(original: BinaryIO, width: int) -> bytes:
    """The picture in `original` as WebP, `width` pixels wide, with its transparency and colours. Blocks."""
    import io

    from PIL import Image as Pillow
    from PIL import ImageOps

    with Pillow.open(original, formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
        profile = picture.info.get("icc_profile")
        # JPEG can be decoded at a fraction of its size, though not below this; the others ignore it.
        picture.draft("RGB", (width, width))
        upright = ImageOps.exif_transpose(picture)
        width = min(width, upright.width)
        if upright.mode.startswith("I"):  # 16-bit grey, which `convert` would clip
            upright = upright.convert("I").point(lambda level: level * (1 / 256)).convert("L")
        height = max(1, round(upright.height * width / upright.width))
        mode = "RGBA" if upright.has_transparency_data else "RGB"
        small = upright.convert(mode).resize((width, height), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
        encoded = io.BytesIO()
        small.save(encoded, "WEBP", quality=80, method=4, icc_profile=profile)
        return encoded.getvalue()
