"""Pictures on their way home: downloaded, checked to be whole, and put on disk under their names."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import ParamSpec, TypeVar

from app.clock import Clock
from app.errors import DownloadError
from app.models import Image
from app.services.images.inspection import Picture, inspect
from app.services.images.recently_used import RecentlyUsed
from app.services.readiness import Writable
from app.storage.files import ImageFiles
from app.storage.incoming_file import IncomingFile
from app.turns import Turn, Turns

P = ParamSpec("P")
T = TypeVar("T")

MIB = 1024 * 1024
MOST_BYTES = 256 * MIB
# A body is collected in memory up to the first of these, and up to the second while all bodies together
# take more than the third; beyond that it goes to disk piece by piece.
SPILL_AT = 8 * MIB
SPILL_AT_WHEN_SHORT = MIB // 16
MEMORY_FOR_BODIES = 64 * MIB
BEGUN_AT_ONCE = 4
"""How many downloads begin at the same moment, so that of many the first are here early."""
WAITING_FOR_THE_DISK = 8 * MIB
"""As long as no more is held, other downloads begin before a picture is on disk."""
QUICKLY_INSPECTED = 2 * MIB
"""Up to this size a look at a picture keeps nobody waiting."""

ARRIVALS_REMEMBERED = 1024
NAME = re.compile(r"generated_image_[0-9A-Za-z-]{1,64}_[1-9][0-9]{0,2}\.(?:png|jpg|webp|gif)", re.ASCII)
"""What our files are called."""

Download = Callable[[str], AsyncIterator[bytes]]

_logger = logging.getLogger(__name__)


class Arrivals:
    """Brings pictures in one at a time, in bounded memory.

    A picture whose companions have yet to come is remembered, so that another try need not download it again.
    """

    def __init__(self, files: ImageFiles, writable: Writable, clock: Clock) -> None:
        self._files = files
        self._writable = writable
        self._clock = clock
        self._bytes_coming = 0
        self._turns = Turns(BEGUN_AT_ONCE)
        self._remembered: RecentlyUsed[str, tuple[str, Image]] = RecentlyUsed(
            ARRIVALS_REMEMBERED, weigh=lambda _: 1
        )

    async def bring(self, job_id: str, position: int, url: str, download: Download) -> Image:
        """Put the picture at `url` on disk; raises `DownloadError`."""
        with await self._turns.take() as turn:
            return await self._brought(job_id, position, download(url), turn)

    async def _brought(self, job_id: str, position: int, body: AsyncIterator[bytes], turn: Turn) -> Image:
        chunks: list[bytes] = []
        held = size = 0
        incoming: IncomingFile | None = None
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
                        incoming = await self._on_disk(self._files.incoming)
                    await self._on_disk(incoming.write, b"".join(chunks))
                    self._bytes_coming -= held
                    held = 0
                    chunks.clear()
            if size == 0:
                raise DownloadError("The provider's file is empty.")
            if self._bytes_coming <= WAITING_FOR_THE_DISK:
                turn.over()
            if incoming is None and size <= QUICKLY_INSPECTED:
                return await self._keep(job_id, position, b"".join(chunks))
            return await self._on_disk(self._keep_large, job_id, position, chunks, incoming)
        finally:
            self._bytes_coming -= held
            if isinstance(body, AsyncGenerator):
                await body.aclose()
            if incoming is not None:
                await asyncio.to_thread(incoming.discard)

    async def here_already(self, job_id: str, position: int, url: str) -> Image | None:
        """The picture that this process brought from `url` before, as long as its file is still there."""
        url_before, image = self._remembered.get(_place(job_id, position)) or ("", None)
        if image is None or url_before != url:
            return None
        try:
            file = await asyncio.to_thread(self._files.read, image.name, limit=0)
        except OSError:
            return None
        return image if file.size_bytes == image.size_bytes else None

    def remember(self, image: Image, url: str) -> None:
        """Keep in mind that `image` came from `url`."""
        self._remembered.put(_place(image.job_id, image.position), (url, image))

    def forget(self, image: Image) -> None:
        """Nobody will ask for `image` again."""
        self._remembered.forget(_place(image.job_id, image.position))

    async def _keep(self, job_id: str, position: int, body: bytes) -> Image:
        """Check the picture, put it on disk."""
        picture = inspect(body)
        name = _name(job_id, position, picture)
        try:
            sha256 = await self._files.put(name, body)
        except OSError as exc:
            raise self._not_stored(exc) from exc
        return self._image(job_id, position, name, picture, len(body), sha256)

    def _keep_large(
        self, job_id: str, position: int, chunks: list[bytes], incoming: IncomingFile | None
    ) -> Image:
        """Write what is left, check the whole, give it its name. Blocks."""
        with incoming or self._files.incoming() as file:
            file.write(b"".join(chunks))
            with file.mapped() as body:
                picture = inspect(body)
            name = _name(job_id, position, picture)
            file.publish(name)
        return self._image(job_id, position, name, picture, file.size_bytes, file.sha256)

    def _image(
        self, job_id: str, position: int, name: str, picture: Picture, size_bytes: int, sha256: str
    ) -> Image:
        return Image(
            name=name,
            job_id=job_id,
            position=position,
            media_type=picture.media_type.value,
            width=picture.width,
            height=picture.height,
            size_bytes=size_bytes,
            sha256=sha256,
            created_at=self._clock.now(),
        )

    async def _on_disk(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `step` in a thread; what the disk refuses is a picture not fetched yet."""
        try:
            return await asyncio.to_thread(step, *args, **kwargs)
        except OSError as exc:
            raise self._not_stored(exc) from exc

    def _not_stored(self, exc: OSError) -> DownloadError:
        self._writable.doubt()
        _logger.error("A finished picture could not be stored.", exc_info=exc)
        return DownloadError(f"A finished picture could not be stored: {exc.strerror or exc}.")


def _name(job_id: str, position: int, picture: Picture) -> str:
    name = f"generated_image_{job_id}_{position}.{picture.media_type.extension}"
    if not NAME.fullmatch(name):
        raise ValueError(f"{job_id!r} cannot be part of a file's name.")
    return name


def _place(job_id: str, position: int) -> str:
    return f"{job_id}_{position}"
