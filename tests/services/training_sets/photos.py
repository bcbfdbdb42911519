"""Pictures with the structure and the grain of photographs, always the same for the same seed."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Mapping

from PIL import Image

GPS_TEXT = b"taken at home"


def photo(seed: int, size: tuple[int, int] = (720, 540)) -> Image.Image:
    """Patches of color with sharp edges and some grain."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret about it
    patches = Image.frombytes("RGB", (9, 7), chance.randbytes(9 * 7 * 3))
    grain = Image.frombytes("L", (240, 180), chance.randbytes(240 * 180)).resize(size)
    surface = Image.blend(
        patches.resize(size, Image.Resampling.BICUBIC), patches.resize(size, Image.Resampling.NEAREST), 0.4
    )
    return Image.blend(surface, grain.convert("RGB"), 0.12)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_of(*, orientation: int = 1) -> Image.Exif:
    """Metadata as a phone writes it: how the picture is turned, and where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = GPS_TEXT.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif


def zip_of(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of that size."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
