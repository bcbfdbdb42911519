"""Pictures to test with, and rows of pictures that are known at once."""

import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

from PIL import Image as Pillow

from app.models import Image
from app.storage.images import ImageRows

Bodies = Mapping[str, Iterable[bytes | Exception]]
"""What comes from which address, piece by piece."""

Contents = Callable[[], Awaitable[dict[str, int]]]
"""The files in the store, also hidden ones, with their sizes."""


def encoded(
    kind: str = "PNG", width: int = 64, height: int = 48, mode: str = "RGB", **options: object
) -> bytes:
    """A picture of noise in the format `kind`, always the same one."""
    noise = random.Random(1).randbytes(width * height)  # noqa: S311 - nothing secret about it
    plain = Pillow.frombytes("L", (width, height), noise)
    buffer = io.BytesIO()
    plain.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def download_from(bodies: Bodies) -> Callable[[str], AsyncIterator[bytes]]:
    """A provider's `download` that yields these pieces by address; an exception among them is raised."""

    async def download(url: str) -> AsyncIterator[bytes]:
        for piece in bodies[url]:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    return download


class KnownImages(ImageRows):
    """Rows in memory; `asked` holds the names that were looked up."""

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.asked: list[str] = []

    def add(self, *images: Image) -> None:
        self.images |= {image.name: image for image in images}

    async def get(self, name: str) -> Image | None:
        self.asked.append(name)
        return self.images.get(name)
