"""Zips of training pictures: what is in one that was uploaded, and how one is made from single pictures."""

import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from app.errors import InvalidRequestError
from app.services.training_sets.picture_headers import (
    ALLOWED,
    SUFFIXES,
    PictureHeader,
    quoted,
    read_header,
    shown,
    training_set_refused,
)

MAX_ENTRIES = 5_000
MAX_UNPACKED_BYTES = 2_000_000_000
MAX_RATIO = 200
MAX_CAPTION_BYTES = 64 * 1024

# The ratio means nothing for small files: a few kB of blank picture shrink to almost nothing.
_RATIO_FROM_BYTES = 10_000_000
# 5,000 names of the usual length need a tenth of this; zipfile holds the whole list in memory.
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_ADVICE = f"Upload one zip, or several pictures ({ALLOWED})."


@dataclass(frozen=True, slots=True)
class Contents:
    """What a training set holds. `captions` counts the texts beside a picture of the same name.

    `ignored` names the entries that are of no use for training; a desktop's own files (hidden ones,
    `__MACOSX`, `Thumbs.db`) and directories are not worth naming.
    """

    pictures: tuple[PictureHeader, ...]
    captions: int
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LooseFile:
    """An uploaded file that is not a zip: `name` as the caller gave it, `path` where its bytes lie."""

    name: str
    path: Path
    sha256: str
    size_bytes: int

    @property
    def is_caption(self) -> bool:
        """Whether the file is the text beside a picture."""
        return self.name.lower().endswith(".txt")


def is_junk(name: str) -> bool:
    """Whether a desktop left the file there: hidden, or one of the names that systems use."""
    parts = [part for part in _parts(name) if part not in (".", "..")]
    return any(part.startswith(".") or part.lower() in _JUNK for part in parts)


def inspect_archive(path: Path, name: str) -> Contents:
    """What is in the zip at `path`, judged by its list of contents and the headers of its pictures.

    Nothing is unpacked further than a picture's header. Raises `InvalidRequestError` with a sentence that
    names the file (`name`, or the entry in it) and what is allowed.
    """
    try:
        with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_bounds(entries, name)
            return _contents(archive, entries, name)
    except _DirectoryTooLargeError as exc:
        raise training_set_refused(
            f"{quoted(name)} has a list of contents of over {_MAX_DIRECTORY_BYTES // 1024**2} MB. "
            f"Allowed are at most {MAX_ENTRIES:,} files with names of usual length."
        ) from exc
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OverflowError) as exc:
        raise _unreadable(path, name) from exc


class _DirectoryTooLargeError(Exception):
    pass


class _BoundedFile(io.BufferedReader):
    """A file that is never read in pieces larger than a list of contents may be.

    zipfile reads that list in one piece, as long as the file says that it is. Refusing the read itself
    holds whatever a forged end record says.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise _DirectoryTooLargeError
        return super().read(size)


def _unreadable(path: Path, name: str) -> InvalidRequestError:
    with path.open("rb") as file:
        starts_as_zip = file.read(2) == b"PK"
    if starts_as_zip:
        return training_set_refused(
            f"{quoted(name)} is a zip that was cut off or damaged: its list of contents cannot be read. "
            "Make it anew and upload it again."
        )
    return training_set_refused(f"{quoted(name)} is not a zip file. {_ADVICE}")


def _check_bounds(entries: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Refuse what would hurt whoever unpacks it."""
    if len(entries) > MAX_ENTRIES:
        raise training_set_refused(
            f"{quoted(name)} holds {len(entries):,} files. Allowed are at most {MAX_ENTRIES:,}."
        )
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise training_set_refused(
            f"{quoted(name)} unpacks to {unpacked / 1e9:.1f} GB. Allowed are at most "
            f"{MAX_UNPACKED_BYTES // 10**9} GB."
        )
    for entry in entries:
        shown_entry = f"{quoted(entry.filename)} in {quoted(name)}"
        if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * entry.compress_size:
            raise training_set_refused(
                f"{shown_entry} unpacks to over {MAX_RATIO} times its size in the zip, which no picture does."
            )
        if entry.flag_bits & 0x1:
            raise training_set_refused(f"{shown_entry} is encrypted. Make the zip without a password.")
        # zipfile unpacks bzip2 and LZMA without a bound on memory, and not every trainer knows them.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise training_set_refused(
                f"{shown_entry} is compressed by method {entry.compress_type}. "
                "Allowed are stored (0) and deflated (8)."
            )


def _contents(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo], name: str) -> Contents:
    pictures: dict[str, PictureHeader] = {}
    texts: set[str] = set()
    ignored: list[str] = []
    for entry in entries:
        entry_name = entry.filename
        suffix = PurePosixPath(entry_name).suffix.lower()
        if _climbs(entry_name) or stat.S_ISLNK(entry.external_attr >> 16):
            ignored.append(entry_name)
        elif entry.is_dir() or is_junk(entry_name):
            continue
        elif suffix in SUFFIXES:
            pictures[entry_name] = _header(archive, entry, name)
        elif suffix == ".txt":
            texts.add(entry_name)
        else:
            ignored.append(entry_name)
    if not pictures:
        raise training_set_refused(f"{quoted(name)} holds no usable picture. Allowed are {ALLOWED} files.")
    captions = texts & {str(PurePosixPath(picture).with_suffix(".txt")) for picture in pictures}
    ignored.extend(sorted(texts - captions))
    return Contents(tuple(pictures.values()), len(captions), tuple(shown(each) for each in ignored))


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> PictureHeader:
    damaged = f"{quoted(entry.filename)} in {quoted(name)} is cut off or damaged. Make the zip anew."
    if not 0 <= entry.header_offset <= archive.start_dir - entry.compress_size:
        raise training_set_refused(damaged)
    try:
        with archive.open(entry) as stream:
            return read_header(stream, entry.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as exc:
        raise training_set_refused(damaged) from exc


def _parts(name: str) -> list[str]:
    return name.replace("\\", "/").split("/")


def _climbs(name: str) -> bool:
    """Whether the path would leave the folder that the zip is unpacked in."""
    parts = _parts(name)
    return parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name) is not None


def pack_pictures(files: Sequence[LooseFile], target: Path) -> Contents:
    """Zip pictures and their captions flat into `target`; the same files give the same bytes in any order.

    A caption is a `.txt` named like its picture. Names are made safe and unique, a picture that was given
    twice is taken once, and captions follow their picture's new name. Raises `InvalidRequestError`.
    """
    if len(files) > MAX_ENTRIES:
        raise training_set_refused(f"There are {len(files):,} files. Allowed are at most {MAX_ENTRIES:,}.")
    captions = _captions([file for file in files if file.is_caption])
    pictures: list[PictureHeader] = []
    members: dict[str, LooseFile] = {}
    taken: set[str] = set()
    used: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for file in sorted(
        (f for f in files if not f.is_caption), key=lambda f: (_stem(f.name), f.sha256, f.name)
    ):
        given = _stem(file.name)
        if (given, file.sha256) in seen:
            continue
        seen.add((given, file.sha256))
        with file.path.open("rb") as stream:
            header = read_header(stream, file.name)
        stem = _unique(_safe(given), taken)
        name = f"{stem}.{header.format}"
        pictures.append(PictureHeader(name, header.format, header.width, header.height))
        members[name] = file
        if caption := captions.get(given):
            members[f"{stem}.txt"] = caption
            used.add(given)
    if not pictures:
        raise training_set_refused(f"There is no picture among the files. Allowed are {ALLOWED} pictures.")
    _write_zip(target, members)
    unused = sorted(caption.name for stem, caption in captions.items() if stem not in used)
    captioned = sum(name.endswith(".txt") for name in members)
    return Contents(tuple(pictures), captioned, tuple(shown(name) for name in unused))


def _captions(files: Iterable[LooseFile]) -> dict[str, LooseFile]:
    """Captions by the stem of the picture that they belong to."""
    captions: dict[str, LooseFile] = {}
    for file in files:
        if file.size_bytes > MAX_CAPTION_BYTES:
            raise training_set_refused(
                f"The caption {quoted(file.name)} has {file.size_bytes:,} bytes. Allowed are at most "
                f"{MAX_CAPTION_BYTES:,}."
            )
        try:
            file.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as exc:
            raise training_set_refused(
                f"The caption {quoted(file.name)} is not a text in UTF-8. Save it as UTF-8."
            ) from exc
        earlier = captions.setdefault(_stem(file.name), file)
        if earlier.sha256 != file.sha256:
            raise training_set_refused(
                f"There are two different captions named {quoted(file.name)}. Give each picture its own name."
            )
    return captions


def _stem(name: str) -> str:
    return PurePosixPath(_parts(name)[-1]).stem


def _safe(stem: str) -> str:
    """`stem` in letters, digits, `.`, `_` and `-` that every file system takes."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain)[:100].strip("._-") or "picture"


def _unique(stem: str, taken: set[str]) -> str:
    """`stem`, or `stem_2` and so on when it is taken; letter case does not tell names apart."""
    candidate, number = stem, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate.lower())
    return candidate


def _write_zip(target: Path, members: dict[str, LooseFile]) -> None:
    with zipfile.ZipFile(target, "x") as archive:
        for name, file in sorted(members.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = file.size_bytes
            with file.path.open("rb") as source, archive.open(entry, "w") as sink:
                _copy(source, sink)


def _copy(source: IO[bytes], sink: IO[bytes]) -> None:
    while piece := source.read(_COPY_BYTES):
        sink.write(piece)
