"""What a picture file says about itself in its first bytes."""

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

ALLOWED = "jpg, jpeg, png or webp"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FORMATS = ("JPEG", "PNG", "WEBP")
"""As Pillow calls them. It reads a "MPO", a JPEG with more pictures behind the first one, as a JPEG."""


# Most headers lie in the first 64 kB. Some phones put a depth map of several megabytes before the picture,
# and Pillow reads a WebP file whole; nothing is read beyond the second bound.
_HEAD_BYTES = 64 * 1024
_MOST_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


class PictureFormat(StrEnum):
    """The formats that trainers take; the value is the file suffix without its dot."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"


# A JPEG is decoded at a fraction of its size where need be; a PNG only whole, at 4 bytes a pixel, and a
# second time where it is transparent; a WebP takes 16 bytes a pixel.
MAX_PIXELS = {
    PictureFormat.JPEG: 80_000_000,
    PictureFormat.PNG: 20_000_000,
    PictureFormat.WEBP: 12_000_000,
}
_KINDS = {
    "JPEG": PictureFormat.JPEG,
    "MPO": PictureFormat.JPEG,
    "PNG": PictureFormat.PNG,
    "WEBP": PictureFormat.WEBP,
}


class UnreadablePictureError(Exception):
    """A file is no picture that can be used; the message is the end of a sentence about it."""


class TooManyPixelsError(Exception):
    """A picture is larger than can be decoded safely; the message is the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """The kind of a picture and its size in pixels, as it is stored."""

    format: PictureFormat
    width: int
    height: int


def shown(name: str) -> str:
    """`name` as it may be shown to people: at most 100 characters, all of them printable."""
    short = name if len(name) <= 100 else f"{name[:60]}...{name[-37:]}"
    return "".join(character if character.isprintable() else "?" for character in short)


def quoted(name: str) -> str:
    """`name` as it stands in a sentence."""
    return repr(shown(name))


def read_header(stream: IO[bytes]) -> PictureHeader:
    """The header of the picture that begins where `stream` stands; no more is read than is needed.

    Raises `UnreadablePictureError`, and `TooManyPixelsError` before a pixel is decoded.
    """
    head = read_at_most(stream, _HEAD_BYTES)
    if not head:
        raise UnreadablePictureError("is empty")
    header = _parsed(head)
    if header is None and len(head) == _HEAD_BYTES:
        header = _parsed(head + read_at_most(stream, _MOST_BYTES - _HEAD_BYTES))
    if header is None:
        raise UnreadablePictureError("cannot be read as a picture")
    if header.width * header.height > MAX_PIXELS[header.format]:
        raise _too_many(f"{header.width} x {header.height}")
    return header


def read_at_most(stream: IO[bytes], most: int) -> bytes:
    """Up to `most` bytes, in pieces: one large read would be passed on to the file below as it is."""
    pieces = io.BytesIO()
    while (left := most - pieces.tell()) > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
        pieces.write(piece)
    return pieces.getvalue()


def _parsed(head: bytes) -> PictureHeader | None:
    """The header found in `head`, or None where Pillow makes nothing of it."""
    from PIL import Image  # Loaded when first needed: it would be a tenth of the start.

    try:
        with Image.open(io.BytesIO(head), formats=FORMATS) as picture:
            return PictureHeader(_KINDS[picture.format or ""], picture.width, picture.height)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_many("too many") from exc
    except Exception:
        # Pillow names no closed list of what a damaged header may raise: struct.error, ValueError and
        # zlib.error have all been seen. Whatever it is, the file cannot be read.
        return None


def _too_many(size: str) -> TooManyPixelsError:
    jpeg, png, webp = (MAX_PIXELS[kind] // 10**6 for kind in PictureFormat)
    return TooManyPixelsError(
        f"has {size} pixels. Allowed are at most {jpeg} million in a JPEG, {png} million in a PNG and "
        f"{webp} million in a WebP"
    )
