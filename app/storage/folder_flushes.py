"""Puts a folder's list of names on disk, once for all who want it at the same time."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Condition


class FolderFlush:
    """Flushes one folder. Any thread may call; those who come during a flush share the next one."""

    def __init__(self, folder: Path, flush: Callable[[Path], None] | None = None) -> None:
        """`flush` does it; the system's own way where it is left out."""
        self._folder = folder
        self._flush = flush or _flush
        self._turn = Condition()
        self._begun = 0
        self._done = 0
        self._running = False

    def __call__(self) -> None:
        """Return when a flush is over that began after this was called. Blocks; raises `OSError`."""
        with self._turn:
            wanted = self._begun + 1
            while self._running:
                self._turn.wait()
                if self._done >= wanted:
                    return
            self._begun += 1
            this = self._begun
            self._running = True
        try:
            self._flush(self._folder)
        except BaseException:
            with self._turn:
                self._running = False
                self._turn.notify_all()
            raise
        with self._turn:
            self._running = False
            self._done = this
            self._turn.notify_all()


def _flush(folder: Path) -> None:
    """Where the system allows it: Windows does not."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
