"""What a picture file says about itself in its first bytes."""

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from app.errors import FieldError, InvalidRequestError

ALLOWED = "jpg, jpeg, png or webp"
MAX_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

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


# "MPO" is a JPEG with more pictures behind the first one, as many phones write it.
_FORMATS = {
    "JPEG": PictureFormat.JPEG,
    "MPO": PictureFormat.JPEG,
    "PNG": PictureFormat.PNG,
    "WEBP": PictureFormat.WEBP,
}


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """One picture of a training set; `name` is its path in the set, sizes are in pixels."""

    name: str
    format: PictureFormat
    width: int
    height: int


def training_set_refused(message: str) -> InvalidRequestError:
    """The error for uploaded training pictures that cannot be used."""
    return InvalidRequestError([FieldError("training_images", message)])


def shown(name: str) -> str:
    """`name` as it may be shown to people: at most 100 characters, all of them printable."""
    short = name if len(name) <= 100 else f"{name[:60]}...{name[-37:]}"
    return "".join(character if character.isprintable() else "?" for character in short)


def quoted(name: str) -> str:
    """`name` as it stands in a sentence."""
    return repr(shown(name))


def read_header(stream: IO[bytes], name: str) -> PictureHeader:
    """The header of the picture that begins where `stream` stands; no more is read than is needed.

    Raises `InvalidRequestError` for anything but a jpg, png or webp picture of at most `MAX_PIXELS`.
    """
    head = _read(stream, _HEAD_BYTES)
    if not head:
        raise training_set_refused(f"{quoted(name)} is empty. Allowed are {ALLOWED} pictures.")
    header = _parsed(head, name)
    if header is None and len(head) == _HEAD_BYTES:
        header = _parsed(head + _read(stream, _MOST_BYTES - _HEAD_BYTES), name)
    if header is None:
        raise training_set_refused(
            f"{quoted(name)} cannot be read as a picture. Allowed are {ALLOWED} pictures whose header lies "
            f"in the first {_MOST_BYTES // 1024**2} MB."
        )
    if header.width * header.height > MAX_PIXELS:
        raise _too_many_pixels(name, f"{header.width} x {header.height}")
    return header


def _read(stream: IO[bytes], most: int) -> bytes:
    """Up to `most` bytes, in pieces: one large read would be passed on to the file below as it is."""
    pieces = io.BytesIO()
    while (left := most - pieces.tell()) > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
        pieces.write(piece)
    return pieces.getvalue()


def _parsed(head: bytes, name: str) -> PictureHeader | None:
    """The header found in `head`, or None where Pillow makes nothing of it."""
    from PIL import Image  # Loaded when first needed: it would be a tenth of the start.

    try:
        with Image.open(io.BytesIO(head), formats=("JPEG", "PNG", "WEBP")) as picture:
            return PictureHeader(name, _FORMATS[picture.format or ""], picture.width, picture.height)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise _too_many_pixels(name, "too many") from exc
    except Exception:
        # Pillow names no closed list of what a damaged header may raise: struct.error, ValueError and
        # zlib.error have all been seen. Whatever it is, the file cannot be read.
        return None


def _too_many_pixels(name: str, size: str) -> InvalidRequestError:
    return training_set_refused(
        f"{quoted(name)} has {size} pixels. Allowed are at most {MAX_PIXELS // 1_000_000} million."
    )
