"""Zips of training pictures that lie on the server, named by callers."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from app.errors import FieldError, InvalidRequestError

_LONGEST_NAME = 255
_WITHOUT_LINKS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ServerZip:
    """A zip on the server, read like an upload."""

    def __init__(self, filename: str, file: BinaryIO) -> None:
        self.filename: str | None = filename
        self._file = file

    async def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        return await asyncio.to_thread(self._file.read, size)


class ServerZips:
    """The zips in `places`, of which the first that has a name is taken; nothing else can be reached."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = tuple(places)

    @asynccontextmanager
    async def open(self, file_name: str) -> AsyncIterator[ServerZip]:
        """The zip of that name, until the context ends; `InvalidRequestError` for the field `file_name`.

        A name is one file's: it leads neither up nor down, and not through a link.
        """
        _check_name(file_name)
        file = await asyncio.to_thread(self._opened, file_name)
        if file is None:
            raise _refused(
                f"{file_name!r} is not there; zips in training_images/ or beside the app are taken."
            )
        try:
            yield ServerZip(file_name, file)
        finally:
            await asyncio.to_thread(file.close)

    def _opened(self, file_name: str) -> BinaryIO | None:
        for place in self._places:
            try:
                # Looked at after it was opened, so that nobody can exchange it in between.
                handle = os.open(place / file_name, _WITHOUT_LINKS)
            except OSError:
                continue
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return os.fdopen(handle, "rb")
            os.close(handle)
        return None


def _check_name(file_name: str) -> None:
    plain = file_name.isprintable() and not any(sign in file_name for sign in "/\\:")
    sound = (
        plain and not file_name.startswith(".") and len(file_name.encode("utf-8", "replace")) <= _LONGEST_NAME
    )
    if not sound or not file_name.lower().endswith(".zip"):
        raise _refused(
            f"{file_name[:80]!r} is not possible; the name of a zip in training_images/ or beside the app is "
            "allowed, without a path, as in pictures.zip."
        )


def _refused(message: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError("file_name", message)])
