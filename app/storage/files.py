"""The folder with the finished pictures: a file appears in it whole, or not at all."""

import asyncio
import hashlib
import mmap
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import BinaryIO, Self

from app.clock import Clock
from app.storage.folder_flushes import FolderFlush

THUMBNAILS = ".thumbnails"
ABANDONED_AFTER = timedelta(hours=1)

_INCOMING = ".{}.part"
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


class IncomingFile:
    """A file on its way: hidden beside its target until `publish`, gone after `discard`.

    Every method blocks: call them in a thread. As a context manager, what was not published is discarded.
    """

    def __init__(self, folder: Path, flush: FolderFlush) -> None:
        """`flush` is the one of `folder`."""
        self._folder = folder
        self._flush = flush
        self._path = folder / _INCOMING.format(f"{random.getrandbits(64):016x}")
        try:
            self._file: BinaryIO = self._path.open("x+b")
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("x+b")
        self._digest = hashlib.sha256()
        self._settled = False
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    @contextmanager
    def mapped(self) -> Iterator[mmap.mmap]:
        """What was written so far (which must not be nothing), as memory that is read from disk when used."""
        self._file.flush()
        with mmap.mmap(self._file.fileno(), self.size_bytes, access=mmap.ACCESS_READ) as memory:
            yield memory

    def publish(self, name: str) -> None:
        """Give the file its name, after everything in it has reached the disk; replaces an older one."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._folder / name)
        self._settled = True
        self._flush()

    def discard(self) -> None:
        """Remove the file, unless it was published; safe to repeat."""
        if self._settled:
            return
        # A full disk may refuse the bytes that are still buffered; they are not wanted any more.
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
        self._settled = True


class ImageFiles:
    """The folder `root` and its thumbnails. The names given are trusted: check them before."""

    def __init__(self, root: Path, *, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._flushes = {folder: FolderFlush(root / folder) for folder in ("", THUMBNAILS)}

    async def sweep(self) -> int:
        """Remove what a killed process left half written, and say how many files that were.

        Only files untouched for an hour go, since other processes may be writing here right now.
        """
        return await asyncio.to_thread(self._sweep, self._clock.now() - ABANDONED_AFTER)

    async def check_writable(self) -> None:
        """Write a small file and take it away again; raises `OSError` if that cannot be done."""
        await asyncio.to_thread(self._try_writing)

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
            for path in folder.glob(_INCOMING.format("*")):
                # Another process may have published or swept it meanwhile.
                with suppress(FileNotFoundError):
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        path.unlink()
                        removed += 1
        return removed
