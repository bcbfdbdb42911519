"""The files of a set, whether they lie in a zip or were uploaded one by one."""

import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from app.services.training_sets.picture_headers import SUFFIXES, UnreadablePictureError, read_at_most

_STARTS = {".jpg": b"\xff\xd8\xff", ".png": b"\x89PNG\r\n\x1a\n"}
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class LooseFile:
    """An uploaded file: `name` as the caller gave it, `path` where its bytes lie."""

    name: str
    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a set: `name` is its path there, `open` gives its bytes, `order` tells equal names apart."""

    name: str
    size_bytes: int
    order: str
    open: Callable[[], IO[bytes]]

    @property
    def is_picture(self) -> bool:
        """Whether its name is a picture's."""
        return suffix_of(self.name) in SUFFIXES

    @property
    def is_caption(self) -> bool:
        """Whether it is the text beside a picture."""
        return suffix_of(self.name) == ".txt"

    @property
    def stem(self) -> str:
        """Its path without the suffix: what a picture and its caption have in common."""
        return str(PurePosixPath(self.name.replace("\\", "/")).with_suffix(""))

    def read(self, most: int) -> bytes:
        """All of it, if it has no more than `most` bytes. Raises `UnreadablePictureError`."""
        if self.size_bytes > most:
            raise UnreadablePictureError(
                f"has {self.size_bytes:,} bytes, which is more than the {most:,} allowed"
            )
        try:
            with self.open() as stream:
                return read_at_most(stream, most)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as exc:
            raise UnreadablePictureError("is damaged in the zip") from exc


def loose_member(file: LooseFile) -> Member:
    """An uploaded file as a member of its set; folders in its name say nothing.

    A picture under another name, as addresses and browsers give them, gets the suffix that it needs.
    """
    name = parts_of(file.name)[-1] or "file"
    suffix = picture_suffix(file.path)
    if suffix is not None and suffix_of(name) not in SUFFIXES:
        name += suffix
    return Member(name, file.size_bytes, file.sha256, lambda: file.path.open("rb"))


def picture_suffix(path: Path) -> str | None:
    """The suffix for the picture that the file's first bytes announce, None for anything else."""
    with path.open("rb") as file:
        start = file.read(12)
    for suffix, magic in _STARTS.items():
        if start.startswith(magic):
            return suffix
    return ".webp" if start[:4] == b"RIFF" and start[8:] == b"WEBP" else None


def suffix_of(name: str) -> str:
    """The lower-case suffix of a path, with its dot."""
    return PurePosixPath(name).suffix.lower()


def parts_of(name: str) -> list[str]:
    """The folders and the name of a path, whichever way it leans."""
    return name.replace("\\", "/").split("/")


def is_junk(name: str) -> bool:
    """Whether a desktop left the file there: hidden, or one of the names that systems use."""
    parts = [part for part in parts_of(name) if part not in (".", "..")]
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def climbs(name: str) -> bool:
    """Whether the path would leave the folder that the zip is unpacked in."""
    parts = parts_of(name)
    return parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name) is not None
