"""One picture of a set: looked at, and made ready for a trainer."""

import io
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from app.services.training_sets.likeness import SIDE, Looks, looks_of
from app.services.training_sets.metadata import without_metadata
from app.services.training_sets.picture_headers import (
    FORMATS,
    PictureFormat,
    PictureHeader,
    UnreadablePictureError,
)

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PICTURE_BYTES = 64 * 1024 * 1024
JPEG_QUALITY = 95

# Whole JPEGs beyond this are encoded anew at half their size, so that no more than this is in memory.
_MOST_PIXELS_ENCODED = 20_000_000
_LARGE_PIXELS = 8_000_000
_ORIENTATION = 0x0112
_UPRIGHT = 1
_DEEP_GRAY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_one_large_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class ReadyPicture:
    """A picture as it is sent: upright, RGB, without metadata. The size is in pixels, upright."""

    data: bytes
    format: PictureFormat
    width: int
    height: int
    looks: Looks


def made_ready(data: bytes, header: PictureHeader) -> ReadyPicture:
    """Decode the picture in `data` once, and turn it into what is sent.

    A picture that is upright and RGB keeps its bytes but for the metadata; others are encoded anew: JPEG at
    quality 95, everything else as PNG. Blocks. Raises `UnreadablePictureError`.
    """
    if header.width * header.height > _LARGE_PIXELS:
        with _one_large_at_a_time:
            return _made_ready(data, header)
    return _made_ready(data, header)


def _made_ready(data: bytes, header: PictureHeader) -> ReadyPicture:
    try:
        looks, plain = _looked_at(data)
        sent, kind = (without_metadata(data, header.format) if plain else None), header.format
        if sent is None:
            sent, kind, size = _encoded_anew(data, header)
        else:
            size = (header.width, header.height)
    except Exception as exc:
        # Pillow names no closed list of what damaged data may raise: OSError, SyntaxError, ValueError,
        # struct.error and zlib.error have all been seen. Whatever it is, a trainer fails at it as well.
        raise UnreadablePictureError("cannot be decoded: it is cut off or damaged") from exc
    return ReadyPicture(sent, kind, *size, looks)


def _looked_at(data: bytes) -> tuple[Looks, bool]:
    """How it looks, and whether it is one upright RGB picture as it is."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        # 0 stands in some files for "not known".
        upright = picture.getexif().get(_ORIENTATION, _UPRIGHT) in (_UPRIGHT, 0)
        # The pictures behind the first one of a JPEG are cut off, those of an animation are not.
        single = picture.format in ("JPEG", "MPO") or getattr(picture, "n_frames", 1) == 1
        plain = upright and single and picture.mode == "RGB" and not picture.has_transparency_data
        # The whole file is read all the same; only the pixels are fewer.
        picture.draft(None, (SIDE, SIDE))
        picture.load()
        if picture.mode in ("L", "RGB", "RGBA"):
            # The others do not mix when they are scaled.
            picture.thumbnail((4 * SIDE, 4 * SIDE), Image.Resampling.BOX)
        gray = _in_rgb(picture).convert("L")
    return looks_of(gray), plain


def _encoded_anew(data: bytes, header: PictureHeader) -> tuple[bytes, PictureFormat, tuple[int, int]]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if header.format is PictureFormat.JPEG and header.width * header.height > _MOST_PIXELS_ENCODED:
            picture.draft(None, (header.width // 2, header.height // 2))
        profile = picture.info.get("icc_profile") if picture.mode in ("RGB", "RGBA") else None
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        upright = _in_rgb(picture)
        upright.info = {}
        sent = io.BytesIO()
        if header.format is PictureFormat.JPEG:
            upright.save(sent, "JPEG", quality=JPEG_QUALITY, subsampling=0, icc_profile=profile)
            return sent.getvalue(), PictureFormat.JPEG, upright.size
        upright.save(sent, "PNG", icc_profile=profile)
        return sent.getvalue(), PictureFormat.PNG, upright.size


def _in_rgb(picture: "Image") -> "Image":
    """The picture in RGB: on white where it is transparent, with 16-bit gray scaled to 8."""
    from PIL import Image

    if picture.mode in _DEEP_GRAY:
        return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if picture.has_transparency_data:
        colored = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = Image.new("RGB", colored.size, "white")
        white.paste(colored, mask=colored)
        return white
    return picture if picture.mode == "RGB" else picture.convert("RGB")
