"""Texts too long for a row, each in a file that is called by its hash."""

import hashlib
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from app.storage.folder_flushes import FolderFlush
from app.storage.incoming_file import IncomingFile


class LongTexts:
    """The folder `directory`. Every method blocks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._flush = FolderFlush(directory)

    def put(self, text: str) -> str:
        """Keep `text`, on disk when this returns; the SHA-256 by which it is found again."""
        content = text.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._directory / sha256
        with suppress(FileNotFoundError):
            if path.stat().st_size == len(content):
                # Its age begins anew.
                path.touch()
                return sha256
        with IncomingFile(self._directory, self._flush) as file:
            file.write(content)
            file.publish(sha256)
        return sha256

    def get(self, sha256: str) -> str:
        """The text with that hash; raises `FileNotFoundError`."""
        return (self._directory / sha256).read_text(encoding="utf-8")

    def sweep(self, older_than: timedelta) -> None:
        """Remove what nobody can want any more."""
        before = time.time() - older_than.total_seconds()
        for path in self._directory.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
