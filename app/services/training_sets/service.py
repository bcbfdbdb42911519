"""Takes uploaded training pictures in: checks them, zips them where needed, keeps them by their hash."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from app.clock import Clock
from app.errors import PayloadTooLargeError, StorageUnavailableError
from app.services.training_sets.archives import (
    Contents,
    LooseFile,
    inspect_archive,
    is_junk,
    pack_pictures,
)
from app.services.training_sets.picture_headers import ALLOWED, training_set_refused
from app.storage.training_sets import TrainingSetFiles

_CHUNK_BYTES = 1024 * 1024
_RECOMMENDED_PICTURES = 10
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


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A stored training set: its zip at `path`, what is in it, and what the caller should know about it.

    `ignored` names files that play no part in the training, `warnings` are sentences.
    """

    sha256: str
    path: Path
    pictures: int
    captions: int
    size_bytes: int
    ignored: tuple[str, ...]
    warnings: tuple[str, ...]


class TrainingSets:
    """The training sets that were uploaded, each stored once whatever it was called."""

    def __init__(self, *, directory: Path, limit_bytes: int, clock: Clock) -> None:
        self._files = TrainingSetFiles(directory)
        self._limit_bytes = limit_bytes
        self._clock = clock

    async def take_in(self, uploads: Sequence[Upload]) -> TrainingSet:
        """Store one zip, or several pictures with optional `.txt` captions named like them.

        Memory stays bounded whatever is uploaded, and nothing is left behind unless all went well. Raises
        `PayloadTooLargeError` beyond the limit on all files together, `InvalidRequestError` for what no
        trainer could use, `StorageUnavailableError` when the disk refuses.
        """
        workspace = self._files.new_workspace()
        try:
            await _on_disk(self._files.open_workspace, workspace)
            files = await self._receive(uploads, workspace)
            return await _on_disk(self._store, files, workspace)
        finally:
            await _on_disk(self._files.discard_workspace, workspace)

    def path(self, sha256: str) -> Path:
        """The zip with this hash; looks at the disk. Raises `FileNotFoundError` if there is none."""
        return self._files.path(sha256)

    async def check_writable(self) -> None:
        """Write a small file and take it away again; raises `OSError` if that cannot be done."""
        await asyncio.to_thread(self._files.try_writing)

    async def discard_leftovers(self) -> int:
        """Remove what killed processes were putting together over a day ago; returns how many sets."""
        return await asyncio.to_thread(
            self._files.discard_workspaces_before, self._clock.now() - _LEFTOVER_AGE
        )

    async def _receive(self, uploads: Sequence[Upload], workspace: Path) -> list[LooseFile]:
        """The uploads as files in `workspace`, without those that a browser or a desktop added."""
        files: list[LooseFile] = []
        left = self._limit_bytes
        for number, upload in enumerate(uploads):
            name = upload.filename or f"file {number + 1}"
            file = await self._receive_one(upload, name, workspace / f"{number:06d}", left)
            left -= file.size_bytes
            # A form whose file field was left empty sends one file without name and content.
            if (upload.filename or file.size_bytes) and not is_junk(name):
                files.append(file)
        return files

    async def _receive_one(self, upload: Upload, name: str, path: Path, limit_bytes: int) -> LooseFile:
        digest = hashlib.sha256()
        size = 0
        await _on_disk(path.touch)
        while chunk := await upload.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                raise PayloadTooLargeError(
                    f"The training pictures have more than {self._limit_bytes / 1024**2:g} MB, which is the "
                    "most that this service takes. Make the pictures smaller, or give fewer."
                )
            await _on_disk(_append, path, digest, chunk)
        return LooseFile(name, path, digest.hexdigest(), size)

    def _store(self, files: Sequence[LooseFile], workspace: Path) -> TrainingSet:
        """Check, zip where needed, and keep."""
        if not files:
            raise training_set_refused(f"There is no file. Upload one zip, or several pictures ({ALLOWED}).")
        zips = [file for file in files if _is_zip(file)]
        if zips and len(files) > 1:
            what = f"{len(zips)} zips" if len(zips) == len(files) else "a zip together with other files"
            raise training_set_refused(
                f"There are {len(files)} files: {what}. Upload one zip alone, "
                f"or several pictures ({ALLOWED})."
            )
        if zips:
            finished, sha256 = zips[0].path, zips[0].sha256
            contents = inspect_archive(finished, zips[0].name)
        else:
            finished = workspace / "pictures.zip"
            contents = pack_pictures(files, finished)
            sha256 = _sha256_of(finished)
        size = finished.stat().st_size
        return TrainingSet(
            sha256=sha256,
            path=self._files.keep(finished, sha256),
            pictures=len(contents.pictures),
            captions=contents.captions,
            size_bytes=size,
            ignored=contents.ignored,
            warnings=_warnings(contents),
        )


def _warnings(contents: Contents) -> tuple[str, ...]:
    count = len(contents.pictures)
    if count >= _RECOMMENDED_PICTURES:
        return ()
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    return (f"The training set has {pictures}; {_RECOMMENDED_PICTURES} or more are recommended.",)


def _is_zip(file: LooseFile) -> bool:
    """Whether the file is meant as a zip, by its name or its first bytes."""
    with file.path.open("rb") as stream:
        return file.name.lower().endswith(".zip") or stream.read(len(_ZIP_START)) == _ZIP_START


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
