"""Takes finished pictures home, and hands them out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from app.clock import Clock
from app.errors import AppError, DownloadError, ImageNotFoundError
from app.models import Image
from app.services.images import thumbnails
from app.services.images.arrivals import MIB, NAME, Arrivals, Download
from app.services.images.recently_used import RecentlyUsed
from app.services.images.thumbnails import ThumbnailFailedError, Thumbnails, thumbnail_width
from app.services.readiness import Writable
from app.storage.files import FileContent, ImageFiles

if TYPE_CHECKING:
    from app.storage.images import ImageRows

HELD_IN_MEMORY = 2 * MIB
PIECE = MIB // 4
MEMORY_FOR_CONTENTS = 64 * MIB
ROWS_REMEMBERED = 4096
# A file that an operator deletes is served from memory for no longer than this.
CONTENTS_TRUSTED_FOR = timedelta(minutes=1)

_LONGEST_NAME_QUOTED = 120

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture ready to be handed out.

    `etag` is strong and quoted. `content` is None where the file at `path` is too long to be held in memory.
    """

    name: str
    path: Path
    media_type: str
    etag: str
    size_bytes: int
    last_modified: datetime
    content: bytes | None


class ImageFileMissingError(ImageNotFoundError):
    """The picture is on record, but its file is not where it was put, or is not what was put there."""

    def __init__(self, name: str) -> None:
        AppError.__init__(self, f"The image {name!r} is on record, but its file is no longer on the disk.")


class ImageService:
    """Keeps what was generated: bodies in, files out."""

    def __init__(self, *, files: ImageFiles, rows: "ImageRows", clock: Clock) -> None:
        self._files = files
        self._rows = rows
        self._clock = clock
        self._thumbnails = Thumbnails(files)
        self._writable = Writable(files.check_writable, what="The folder for pictures", clock=clock)
        self._arrivals = Arrivals(files, self._writable, clock)
        self._known: RecentlyUsed[str, Image] = RecentlyUsed(ROWS_REMEMBERED, weigh=lambda _: 1)
        self._contents: RecentlyUsed[str, tuple[datetime, StoredImage]] = RecentlyUsed(
            MEMORY_FOR_CONTENTS, weigh=lambda kept: kept[1].size_bytes
        )

    async def ready(self) -> None:
        """Return if pictures can be stored, as far as was known some seconds ago.

        Raises `StorageUnavailableError` if not. Cheap: to be asked before anything is paid for.
        """
        await self._writable.confirm()

    async def check_writable(self) -> None:
        """Return if pictures can be stored now; raises like `ready`."""
        await self._writable.check()

    async def bring_home(
        self, job_id: str, urls: Sequence[str], download: Download, *, accept_missing: bool = False
    ) -> tuple[Image, ...]:
        """Download the pictures at `urls` and put them on disk, all at once; safe to repeat.

        The names follow from `job_id` and the place in `urls`, from 1. Raises `DownloadError` when a picture
        did not come: one that says `gone` when there is none that trying again may bring. The others stay on
        disk for the next try. With `accept_missing` pictures that are gone are left out, as long as there
        are others.
        """
        if len(urls) == 1:
            # The usual case, without a task of its own.
            image = await self._bring_one(job_id, 1, urls[0], download)
            self._arrivals.forget(image)
            return (image,)
        results = await asyncio.gather(
            *(self._bring_one(job_id, position, url, download) for position, url in enumerate(urls, 1)),
            return_exceptions=True,
        )
        images = tuple(result for result in results if isinstance(result, Image))
        lost = [result for result in results if isinstance(result, DownloadError) and result.gone]
        unlucky = [result for result in results if isinstance(result, BaseException) and result not in lost]
        if unlucky or (lost and not (accept_missing and images)):
            for image in images:
                self._arrivals.remember(image, urls[image.position - 1])
            raise (unlucky or lost)[0]
        for image in images:
            self._arrivals.forget(image)
        for loss in lost:
            _logger.error("A picture of job %s is lost: %s", job_id, loss.detail)
        return images

    async def open(self, name: str, *, width: int | None) -> StoredImage:
        """The picture of that name, or its thumbnail of about `width` pixels.

        Raises `ImageNotFoundError`, whatever the name contains.
        """
        image = await self._image(name)
        step = thumbnail_width(image, width)
        if step is not None:
            try:
                return await self._thumbnail(image, step)
            except ThumbnailFailedError:
                _logger.exception("The thumbnail of %s failed; the original is served.", name)
        return await self._original(image)

    async def stream(self, stored: StoredImage, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of a picture from `start` to before `stop`, piece by piece."""
        file = await asyncio.to_thread(stored.path.open, "rb", buffering=0)
        try:
            await asyncio.to_thread(file.seek, start)
            while start < stop and (piece := await asyncio.to_thread(file.read, min(PIECE, stop - start))):
                start += len(piece)
                yield piece
        finally:
            file.close()

    async def _bring_one(self, job_id: str, position: int, url: str, download: Download) -> Image:
        return await self._arrivals.here_already(job_id, position, url) or await self._arrivals.bring(
            job_id, position, url, download
        )

    async def _image(self, name: str) -> Image:
        image = self._known.get(name)
        if image is None:
            if NAME.fullmatch(name):
                image = await self._rows.get(name)
            if image is None:
                raise ImageNotFoundError(_shortened(name))
            self._known.put(name, image)
        return image

    async def _original(self, image: Image) -> StoredImage:
        kept = self._remembered(image.name)
        if kept is not None:
            return kept
        try:
            file = await asyncio.to_thread(self._files.read, image.name, limit=HELD_IN_MEMORY)
        except FileNotFoundError as exc:
            raise self._missing(image) from exc
        if file.size_bytes != image.size_bytes:
            raise self._missing(image)
        return self._remember(
            StoredImage(
                name=image.name,
                path=file.path,
                media_type=image.media_type,
                etag=f'"{image.sha256}"',
                size_bytes=file.size_bytes,
                last_modified=image.created_at,
                content=file.content,
            )
        )

    async def _thumbnail(self, image: Image, width: int) -> StoredImage:
        name = f"{image.name.rpartition('.')[0]}_{width}.webp"
        kept = self._remembered(name)
        if kept is not None:
            return kept
        try:
            file = await self._thumbnail_file(image, width)
        except FileNotFoundError as exc:
            raise self._missing(image) from exc
        return self._remember(
            StoredImage(
                name=name,
                path=file.path,
                media_type=thumbnails.MEDIA_TYPE,
                etag=f'"{image.sha256}-{width}"',
                size_bytes=file.size_bytes,
                last_modified=image.created_at,
                content=file.content,
            )
        )

    async def _thumbnail_file(self, image: Image, width: int) -> FileContent:
        name = Thumbnails.name(image, width)
        try:
            return await asyncio.to_thread(self._files.read, name, limit=HELD_IN_MEMORY)
        except FileNotFoundError:
            await self._thumbnails.make(image, width)
            return await asyncio.to_thread(self._files.read, name, limit=HELD_IN_MEMORY)

    def _remembered(self, name: str) -> StoredImage | None:
        kept = self._contents.get(name)
        return kept[1] if kept is not None and self._clock.now() < kept[0] else None

    def _remember(self, stored: StoredImage) -> StoredImage:
        if stored.content is not None:
            self._contents.put(stored.name, (self._clock.now() + CONTENTS_TRUSTED_FOR, stored))
        return stored

    def _missing(self, image: Image) -> ImageFileMissingError:
        _logger.error("The file of %s (%d bytes) is missing or changed.", image.name, image.size_bytes)
        return ImageFileMissingError(image.name)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME_QUOTED else f"{name[:_LONGEST_NAME_QUOTED]}…"
