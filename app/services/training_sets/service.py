"""Takes training pictures in: checks them, rebuilds them, keeps them by their hash."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from app.clock import Clock
from app.datasets import DatasetReport, FindingCode
from app.errors import PayloadTooLargeError, StorageUnavailableError
from app.services.training_sets.archives import ADVICE, MAX_ENTRIES, open_archive
from app.services.training_sets.contact_sheet import draw_contact_sheet
from app.services.training_sets.findings import UPLOAD_FIELD, Findings, refused
from app.services.training_sets.members import LooseFile, Member, is_junk, loose_member, picture_suffix
from app.services.training_sets.picture_headers import quoted
from app.services.training_sets.rebuilding import rebuild
from app.storage.training_sets import TrainingSetFiles

CHECKED_AT_ONCE = 2
"""How many sets are decoded at a time; each has one picture in memory."""

_CHUNK_BYTES = 1024 * 1024
_LEFTOVER_AGE = timedelta(days=1)
_ZIP_START = b"PK\x03\x04"

_logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Upload(Protocol):
    """An uploaded file as it comes in; Starlette's `UploadFile` is one."""

    @property
    def filename(self) -> str | None:
        """The name that the caller gave it."""
        ...

    async def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        ...


Fetch = Callable[[str, Path, int], Awaitable[str]]
"""Brings the file at a URL to a path, if it has no more than so many bytes; gives the file's name."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A stored training set: its zip at `path`, and what the check found."""

    sha256: str
    path: Path
    size_bytes: int
    name: str
    report: DatasetReport

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should know, in sentences."""
        return tuple(finding.message for finding in self.report.warnings)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the files that play no part in the training."""
        return tuple(finding.file or "" for finding in self.report.ignored)


class TrainingSets:
    """The training sets that were given, each stored once whatever it was called."""

    def __init__(self, *, directory: Path, limit_bytes: int, clock: Clock) -> None:
        self._files = TrainingSetFiles(directory)
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._checks = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def take_in(self, uploads: Sequence[Upload]) -> TrainingSet:
        """Check and store one zip, or several pictures with optional `.txt` captions named like them.

        Memory stays bounded whatever is uploaded, and nothing is left behind unless all went well. Raises
        `PayloadTooLargeError` beyond the limit on all files together, `TrainingSetRefusedError` with the
        report for what no trainer could use, `StorageUnavailableError` when the disk refuses.
        """
        return await self._taken_in(lambda workspace: self._receive(uploads, workspace), UPLOAD_FIELD)

    async def take_in_urls(self, urls: Sequence[str], fetch: Fetch, *, field: str) -> TrainingSet:
        """The same with what lies at `urls`; errors are told of `field`. Raises what `fetch` raises, too."""

        async def receive(workspace: Path) -> list[LooseFile]:
            files: list[LooseFile] = []
            left = self._limit_bytes
            for number, url in enumerate(urls):
                path = workspace / f"{number:06d}"
                name = await fetch(url, path, left)
                sha256 = await _on_disk(_sha256_of, path)
                files.append(LooseFile(name, path, sha256, (await _on_disk(path.stat)).st_size))
                left -= files[-1].size_bytes
            return files

        return await self._taken_in(receive, field)

    def path(self, sha256: str) -> Path:
        """The zip with this hash; looks at the disk. Raises `FileNotFoundError` if there is none."""
        return self._files.path(sha256)

    async def contact_sheet(self, sha256: str) -> bytes:
        """The set's pictures on one, as WebP, drawn the first time. Raises `FileNotFoundError`."""
        drawn = await asyncio.to_thread(self._files.contact_sheet, sha256)
        if drawn is None:
            path = await asyncio.to_thread(self._files.path, sha256)
            async with self._checks:
                drawn = await asyncio.to_thread(draw_contact_sheet, path)
            await _on_disk(self._files.keep_contact_sheet, sha256, drawn)
        return drawn

    async def remove(self, sha256: str) -> None:
        """Take the set and its contact sheet off the disk; nothing happens if they are not there."""
        await _on_disk(self._files.remove, sha256)

    async def check_writable(self) -> None:
        """Write a small file and take it away again; raises `OSError` if that cannot be done."""
        await asyncio.to_thread(self._files.try_writing)

    async def discard_leftovers(self) -> int:
        """Remove what killed processes were putting together over a day ago; returns how many sets."""
        return await asyncio.to_thread(
            self._files.discard_workspaces_before, self._clock.now() - _LEFTOVER_AGE
        )

    async def _taken_in(
        self, receive: Callable[[Path], Awaitable[list[LooseFile]]], field: str
    ) -> TrainingSet:
        workspace = self._files.new_workspace()
        try:
            await _on_disk(self._files.open_workspace, workspace)
            files = await receive(workspace)
            async with self._checks:
                return await _on_disk(self._store, files, workspace, field)
        finally:
            await _on_disk(self._files.discard_workspace, workspace)

    async def _receive(self, uploads: Sequence[Upload], workspace: Path) -> list[LooseFile]:
        files: list[LooseFile] = []
        left = self._limit_bytes
        for number, upload in enumerate(uploads):
            name = upload.filename or f"file {number + 1}"
            file = await self._receive_one(upload, name, workspace / f"{number:06d}", left)
            left -= file.size_bytes
            # A form whose file field was left empty sends one file without name and content.
            if upload.filename or file.size_bytes:
                files.append(file)
        return files

    async def _receive_one(self, upload: Upload, name: str, path: Path, limit_bytes: int) -> LooseFile:
        digest = hashlib.sha256()
        size = 0
        await _on_disk(path.touch)
        while chunk := await upload.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                raise too_large(self._limit_bytes)
            await _on_disk(_append, path, digest, chunk)
        return LooseFile(name, path, digest.hexdigest(), size)

    def _store(self, files: Sequence[LooseFile], workspace: Path, field: str) -> TrainingSet:
        """Check, rebuild, and keep."""
        findings = Findings()
        finished = workspace / "rebuilt.zip"
        pictures = captions = 0
        with ExitStack() as stack:
            members = _members(files, findings, stack)
            if not findings.errors:
                rebuilt = rebuild(members, finished, findings)
                pictures, captions = rebuilt.pictures, rebuilt.captions
        report = findings.report(pictures=pictures, captions=captions)
        if report.errors:
            raise refused(report, field=field)
        sha256 = _sha256_of(finished)
        size = finished.stat().st_size
        return TrainingSet(sha256, self._files.keep(finished, sha256), size, _name_of(files), report)


def too_large(limit_bytes: int) -> PayloadTooLargeError:
    """The error for pictures of more than `limit_bytes` together."""
    return PayloadTooLargeError(
        f"The training pictures have more than {limit_bytes / 1024**2:g} MB, which is the "
        "most that this service takes. Make the pictures smaller, or give fewer."
    )


def _members(files: Sequence[LooseFile], findings: Findings, stack: ExitStack) -> list[Member]:
    """The files of the set: those in the one zip, or the uploaded ones themselves."""
    wanted = [file for file in files if not is_junk(file.name)]
    for file in files:
        if file not in wanted:
            message = f"{quoted(file.name)} was left by a desktop and is left out."
            findings.ignore(FindingCode.DESKTOP_FILE, message, file.name)
    if not wanted:
        findings.error(FindingCode.NO_PICTURE, f"There is no file. {ADVICE}")
    zips = [file for file in wanted if _is_zip(file)]
    if zips and len(wanted) > 1:
        what = f"{len(zips)} zips" if len(zips) == len(wanted) else "a zip together with other files"
        findings.error(FindingCode.SEVERAL_ZIPS, f"There are {len(wanted)} files: {what}. {ADVICE}")
    elif zips:
        return open_archive(zips[0].path, zips[0].name, findings, stack)
    if len(wanted) > MAX_ENTRIES:
        findings.error(
            FindingCode.TOO_MANY_FILES,
            f"There are {len(wanted):,} files. Allowed are at most {MAX_ENTRIES:,}.",
        )
    return [loose_member(file) for file in wanted]


def _name_of(files: Sequence[LooseFile]) -> str:
    """What to call a set whose owner gave it no name: the name of its zip, or of its first picture."""
    return files[0].name.replace("\\", "/").rpartition("/")[2] or "pictures"


def _is_zip(file: LooseFile) -> bool:
    """Whether the file is meant as a zip, by its name or its first bytes."""
    with file.path.open("rb") as stream:
        if stream.read(len(_ZIP_START)) == _ZIP_START:
            return True
    return file.name.lower().endswith(".zip") and picture_suffix(file.path) is None


def _append(path: Path, digest: "hashlib._Hash", chunk: bytes) -> None:
    # Opened for each chunk, so that no cancellation can leave an open file behind.
    with path.open("ab") as file:
        file.write(chunk)
    digest.update(chunk)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _on_disk(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do work on files in a thread; what the disk refuses is a `StorageUnavailableError`.

    When canceled, wait for its end: nobody may tidy up beneath it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
    except OSError as exc:
        _logger.exception("A training set could not be stored.")
        raise StorageUnavailableError(
            "The folder for training pictures cannot be written to at present "
            f"({exc.strerror or exc}); nothing was sent."
        ) from exc
