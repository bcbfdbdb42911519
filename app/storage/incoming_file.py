"""A file that appears whole, or not at all. Blocks; needs nothing but the standard library."""

import hashlib
import mmap
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

INCOMING = ".{}.part"
"""What files are called while they are on their way."""


class IncomingFile:
    """A file on its way: hidden beside its target until `publish`, gone after `discard`.

    Every method blocks: call them in a thread. As a context manager, what was not published is discarded.
    """

    def __init__(self, folder: Path, flush: Callable[[], None]) -> None:
        """`flush` puts the list of names of `folder` on disk."""
        self._folder = folder
        self._flush = flush
        self._path = folder / INCOMING.format(f"{random.getrandbits(64):016x}")
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

    def write(self, data: bytes | memoryview) -> None:
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
