"""The folder with the finished pictures: a file appears in it whole, or not at all."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from app.clock import Clock
from app.storage.folder_flushes import FolderFlush
from app.storage.incoming_file import INCOMING, IncomingFile
from app.storage.picture_writer.writer import PictureWriter

THUMBNAILS = ".thumbnails"
ABANDONED_AFTER = timedelta(hours=1)

# More than is buffered, so that a full disk shows; a file without content fits on it.
_PROBE = bytes(64 * 1024)
# A link under one of our names would hand out a file that is not ours. (Windows has no such flag.)
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds; `content` is None when it is longer than was asked for."""

    path: Path
    size_bytes: int
    content: bytes | None


class ImageFiles:
    """The folder `root` and its thumbnails. The names given are trusted: check them before."""

    def __init__(self, root: Path, *, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._flushes = {folder: FolderFlush(root / folder) for folder in ("", THUMBNAILS)}
        self._writer = PictureWriter(root, self._flushes[""])

    async def sweep(self) -> int:
        """Remove what a killed process left half written, and say how many files that were.

        Only files untouched for an hour go, since other processes may be writing here right now.
        """
        return await asyncio.to_thread(self._sweep, self._clock.now() - ABANDONED_AFTER)

    async def check_writable(self) -> None:
        """Write a small file and take it away again; raises `OSError` if that cannot be done."""
        await asyncio.to_thread(self._try_writing)

    async def put(self, name: str, body: bytes) -> str:
        """Put a whole picture on disk under its name; its SHA-256. Raises `OSError`."""
        return await self._writer.put(name, body)

    async def aclose(self) -> None:
        """Let go of what helps with writing."""
        await self._writer.aclose()

    def incoming(self, folder: str = "") -> IncomingFile:
        """A new file for the root, or for the folder of thumbnails. Blocks."""
        return IncomingFile(self._root / folder, self._flushes[folder])

    def read(self, name: str, *, limit: int) -> FileContent:
        """The file of that name, with its content up to `limit` bytes. Blocks.

        Raises `FileNotFoundError` if there is none or if it is not a plain file.
        """
        path = self._root / name
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            return FileContent(path, size, file.read() if size <= limit else None)

    def open(self, name: str) -> BinaryIO:
        """The file of that name, open for reading. Blocks; raises like `read`."""
        path = self._root / name
        try:
            descriptor = os.open(path, _READ_FLAGS)
        except FileNotFoundError:
            raise
        except OSError as exc:
            if path.is_symlink() or path.is_dir():
                raise FileNotFoundError(f"{path} is not a plain file.") from exc
            raise
        if not S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(f"{path} is not a plain file.")
        return os.fdopen(descriptor, "rb")

    def _try_writing(self) -> None:
        with self.incoming() as file:
            file.write(_PROBE)

    def _sweep(self, before: datetime) -> int:
        removed = 0
        for folder in (self._root, self._root / THUMBNAILS):
            for path in folder.glob(INCOMING.format("*")):
                # Another process may have published or swept it meanwhile.
                with suppress(FileNotFoundError):
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        path.unlink()
                        removed += 1
        return removed
