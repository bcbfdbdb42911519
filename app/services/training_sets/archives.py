"""Zips that were uploaded: what is in one, without unpacking it."""

import io
import stat
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from app.datasets import FindingCode
from app.services.training_sets.findings import Findings
from app.services.training_sets.members import Member, climbs, is_junk
from app.services.training_sets.picture_headers import ALLOWED, quoted

MAX_ENTRIES = 5_000
MAX_UNPACKED_BYTES = 2_000_000_000
MAX_RATIO = 200

# The ratio means nothing for small files: a few kB of blank picture shrink to almost nothing.
_RATIO_FROM_BYTES = 10_000_000
# 5,000 names of the usual length need a tenth of this; zipfile holds the whole list in memory.
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
ADVICE = f"Upload one zip, or several pictures ({ALLOWED})."


def open_archive(path: Path, name: str, findings: Findings, stack: ExitStack) -> list[Member]:
    """The files in the zip at `path` that may play a part, judged by its list of contents alone.

    The zip stays open until `stack` is closed. `name` is what its owner calls it. With errors among the
    `findings`, nothing in it may be read.
    """
    try:
        archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(_BoundedFile(path))))
    except _DirectoryTooLargeError:
        findings.error(
            FindingCode.TOO_MANY_FILES,
            f"{quoted(name)} has a list of contents of over {_MAX_DIRECTORY_BYTES // 1024**2} MB. "
            f"Allowed are at most {MAX_ENTRIES:,} files with names of usual length.",
        )
        return []
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OverflowError):
        _unreadable(path, name, findings)
        return []
    entries = archive.infolist()
    _check_bounds(entries, name, path.stat().st_size, findings)
    if findings.errors:
        return []
    members = []
    for number, entry in enumerate(entries):
        if not entry.is_dir() and not _left_out(entry, findings):
            order = f"{entry.CRC:08x} {number:05d}"
            members.append(Member(entry.filename, entry.file_size, order, _Opener(archive, entry)))
    return members


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


class _Opener:
    """Opens one entry, if it lies where an entry may lie."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._entry = entry

    def __call__(self) -> IO[bytes]:
        if not 0 <= self._entry.header_offset <= self._archive.start_dir - self._entry.compress_size:
            raise zipfile.BadZipFile("the entry lies outside the file")
        return self._archive.open(self._entry)


def _unreadable(path: Path, name: str, findings: Findings) -> None:
    with path.open("rb") as file:
        starts_as_zip = file.read(2) == b"PK"
    if starts_as_zip:
        findings.error(
            FindingCode.DAMAGED_ZIP,
            f"{quoted(name)} is a zip that was cut off or damaged: its list of contents cannot be read. "
            "Make it anew and upload it again.",
        )
    else:
        findings.error(FindingCode.NOT_A_ZIP, f"{quoted(name)} is not a zip file. {ADVICE}")


def _check_bounds(entries: Sequence[zipfile.ZipInfo], name: str, size_bytes: int, findings: Findings) -> None:
    """Find what would hurt whoever unpacks it."""
    if len(entries) > MAX_ENTRIES:
        findings.error(
            FindingCode.TOO_MANY_FILES,
            f"{quoted(name)} holds {len(entries):,} files. Allowed are at most {MAX_ENTRIES:,}.",
        )
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        findings.error(
            FindingCode.TOO_MANY_BYTES,
            f"{quoted(name)} unpacks to {unpacked / 1e9:.1f} GB. Allowed are at most "
            f"{MAX_UNPACKED_BYTES // 10**9} GB.",
        )
    if sum(entry.compress_size for entry in entries) > size_bytes:
        findings.error(
            FindingCode.ZIP_BOMB,
            f"The files in {quoted(name)} share the same bytes, as in a zip bomb. Make the zip anew.",
        )
    for entry in entries:
        shown_entry = f"{quoted(entry.filename)} in {quoted(name)}"
        if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * entry.compress_size:
            findings.error(
                FindingCode.ZIP_BOMB,
                f"{shown_entry} unpacks to over {MAX_RATIO} times its size there, which no picture does.",
                entry.filename,
            )
        if entry.flag_bits & 0x1:
            message = f"{shown_entry} is encrypted. Make the zip without a password."
            findings.error(FindingCode.ENCRYPTED, message, entry.filename)
        # zipfile unpacks bzip2 and LZMA without a bound on memory.
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            findings.error(
                FindingCode.COMPRESSION_METHOD,
                f"{shown_entry} is compressed by method {entry.compress_type}. "
                "Allowed are stored (0) and deflated (8).",
                entry.filename,
            )


def _left_out(entry: zipfile.ZipInfo, findings: Findings) -> bool:
    """Whether the entry plays no part for what it is called or for being a link."""
    name = entry.filename
    if climbs(name):
        findings.ignore(
            FindingCode.CLIMBING_PATH, f"{quoted(name)} leads out of the folder and is left out.", name
        )
    elif stat.S_ISLNK(entry.external_attr >> 16):
        findings.ignore(FindingCode.LINK, f"{quoted(name)} is a link and is left out.", name)
    elif is_junk(name):
        findings.ignore(
            FindingCode.DESKTOP_FILE, f"{quoted(name)} was left by a desktop and is left out.", name
        )
    else:
        return False
    return True
