"""Takes finished pictures home, and hands them out."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.clock import Clock
from app.errors import AppError, DownloadError, ImageNotFoundError
from app.models import Image
from app.services.images import thumbnails
from app.services.images.inspection import inspect
from app.services.images.recently_used import RecentlyUsed
from app.services.images.thumbnails import ThumbnailFailedError, Thumbnails, thumbnail_width
from app.storage.files import FileContent, ImageFiles, IncomingFile

if TYPE_CHECKING:
    from app.storage.images import ImageRows

P = ParamSpec("P")
T = TypeVar("T")

MIB = 1024 * 1024
MOST_BYTES = 256 * MIB
# A body is collected in memory up to the first of these, and up to the second while all bodies together
# take more than the third; beyond that it goes to disk piece by piece.
SPILL_AT = 8 * MIB
SPILL_AT_WHEN_SHORT = MIB // 16
MEMORY_FOR_BODIES = 64 * MIB

HELD_IN_MEMORY = 2 * MIB
PIECE = MIB // 4
MEMORY_FOR_CONTENTS = 64 * MIB
ROWS_REMEMBERED = 4096
# A file that an operator deletes is served from memory for no longer than this.
CONTENTS_TRUSTED_FOR = timedelta(minutes=1)

_NAME = re.compile(r"generated_image_[0-9A-Za-z-]{1,64}_[1-9][0-9]{0,2}\.(?:png|jpg|webp|gif)", re.ASCII)
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
        self._bytes_coming = 0
        self._known: RecentlyUsed[str, Image] = RecentlyUsed(ROWS_REMEMBERED, weigh=lambda _: 1)
        self._contents: RecentlyUsed[str, tuple[datetime, StoredImage]] = RecentlyUsed(
            MEMORY_FOR_CONTENTS, weigh=lambda kept: kept[1].size_bytes
        )

    async def bring_home(
        self, job_id: str, urls: Sequence[str], download: Callable[[str], AsyncIterator[bytes]]
    ) -> tuple[Image, ...]:
        """Download the pictures at `urls` and put them on disk, all at once; safe to repeat.

        The names follow from `job_id` and the place in `urls`, from 1. Pictures that are gone for good are
        left out as long as others could be had. Raises `DownloadError` when that is none of them (`gone`),
        or when trying again may bring more.
        """
        results = await asyncio.gather(
            *(self._bring_one(job_id, position, url, download) for position, url in enumerate(urls, 1)),
            return_exceptions=True,
        )
        images = tuple(result for result in results if isinstance(result, Image))
        lost = [result for result in results if isinstance(result, DownloadError) and result.gone]
        for result in results:
            if isinstance(result, BaseException) and result not in lost:
                raise result
        if lost and not images:
            raise lost[0]
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

    async def _bring_one(
        self, job_id: str, position: int, url: str, download: Callable[[str], AsyncIterator[bytes]]
    ) -> Image:
        chunks: list[bytes] = []
        held = size = 0
        incoming: IncomingFile | None = None
        body = download(url)
        try:
            async for chunk in body:
                chunks.append(chunk)
                size += len(chunk)
                held += len(chunk)
                self._bytes_coming += len(chunk)
                if size > MOST_BYTES:
                    raise DownloadError(
                        f"The provider's file is larger than {MOST_BYTES // MIB} MiB, more than is taken.",
                        gone=True,
                    )
                if held > (SPILL_AT if self._bytes_coming <= MEMORY_FOR_BODIES else SPILL_AT_WHEN_SHORT):
                    if incoming is None:
                        incoming = await _on_disk(self._files.incoming)
                    await _on_disk(incoming.write, b"".join(chunks))
                    self._bytes_coming -= held
                    held = 0
                    chunks.clear()
            if size == 0:
                raise DownloadError("The provider's file is empty.")
            return await _on_disk(self._keep, job_id, position, chunks, incoming)
        finally:
            self._bytes_coming -= held
            if isinstance(body, AsyncGenerator):
                await body.aclose()
            if incoming is not None:
                await asyncio.to_thread(incoming.discard)

    def _keep(self, job_id: str, position: int, chunks: list[bytes], incoming: IncomingFile | None) -> Image:
        """Write what is left, check the whole, give it its name. Blocks."""
        with incoming or self._files.incoming() as file:
            file.write(b"".join(chunks))
            with file.mapped() as body:
                picture = inspect(body)
            name = f"generated_image_{job_id}_{position}.{picture.media_type.extension}"
            if not _NAME.fullmatch(name):
                raise ValueError(f"{job_id!r} cannot be part of a file's name.")
            file.publish(name)
        return Image(
            name=name,
            job_id=job_id,
            position=position,
            media_type=picture.media_type.value,
            width=picture.width,
            height=picture.height,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            created_at=self._clock.now(),
        )

    async def _image(self, name: str) -> Image:
        image = self._known.get(name)
        if image is None:
            if _NAME.fullmatch(name):
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


async def _on_disk(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `step` in a thread; what the disk refuses is a picture not fetched, which may be tried again."""
    try:
        return await asyncio.to_thread(step, *args, **kwargs)
    except OSError as exc:
        _logger.exception("A finished picture could not be stored.")
        raise DownloadError(f"A finished picture could not be stored: {exc.strerror or exc}.") from exc


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME_QUOTED else f"{name[:_LONGEST_NAME_QUOTED]}…"
