"""Pictures of about 200 kB, each stamped with its prediction's id so that no two are the same bytes."""

import io
import random
import zlib
from dataclasses import dataclass

from PIL import Image, PngImagePlugin

PICTURE_BYTES = 200_000
_TOLERANCE = 0.04
_STAMP = b"@" * 32
_PNG_CHUNK_HEADER = 8  # four bytes of length, four of type


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with room for a stamp of 32 bytes in its metadata."""

    media_type: str
    _before: bytes
    _after: bytes
    _checked: bytes = b""

    def stamped(self, text: str) -> tuple[bytes, ...]:
        """The parts of a valid file that carries `text` (at most 32 ASCII characters)."""
        stamp = text.encode("ascii")[: len(_STAMP)].ljust(len(_STAMP), b"@")
        if not self._checked:
            return self._before, stamp, self._after
        # A PNG chunk ends in the checksum of its type and content.
        return self._before, stamp, zlib.crc32(self._checked + stamp).to_bytes(4, "big"), self._after

    @property
    def size(self) -> int:
        """Length in bytes of the stamped file."""
        return sum(map(len, self.stamped("")))


def make_pictures() -> dict[str, Picture]:
    """A picture for each `output_format` of Replicate's FLUX models, always the same ones."""
    return {"webp": _lossy("WEBP", "image/webp"), "jpg": _lossy("JPEG", "image/jpeg"), "png": _png()}


def _noise(cells: int) -> Image.Image:
    return Image.frombytes("RGB", (cells, cells), random.Random(0).randbytes(cells * cells * 3))


def _lossy(encoder: str, media_type: str) -> Picture:
    """One megapixel, as the models make them: noise whose grain is chosen by the size of the file."""
    cells, encoded = 128, b""
    for _ in range(8):
        target = io.BytesIO()
        picture = _noise(cells).resize((1024, 1024), Image.Resampling.BICUBIC)
        metadata = {"xmp": _STAMP} if encoder == "WEBP" else {"comment": _STAMP}
        picture.save(target, encoder, quality=80, **metadata)
        encoded = target.getvalue()
        if abs(len(encoded) / PICTURE_BYTES - 1) < _TOLERANCE:
            break
        cells = max(8, min(1024, round(cells * (PICTURE_BYTES / len(encoded)) ** 0.5)))
    before, after = encoded.split(_STAMP)
    return Picture(media_type, before, after)


def _png() -> Picture:
    """Plain noise, which PNG cannot compress: three bytes a pixel."""
    text = PngImagePlugin.PngInfo()
    text.add_text("prediction", _STAMP.decode("ascii"))
    target = io.BytesIO()
    _noise(round((PICTURE_BYTES / 3) ** 0.5)).save(target, "PNG", pnginfo=text)
    before, after = target.getvalue().split(_STAMP)
    content_start = before.rindex(b"tEXt")
    return Picture("image/png", before, after[4:], before[content_start:])
