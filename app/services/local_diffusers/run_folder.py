"""The runs of local models on disk, where every process sees them and none is lost when one dies.

Each run is a folder: `made.json` is there from the first moment, `under_way.json` is replaced as the painting
goes on, and `end.json` is written once, by whoever comes first: its owner when it is finished, anybody who
cancels it, or who finds that its owner has died.
"""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from app.clock import Clock
from app.services.local_diffusers.owners import Owner, forget_the_dead, is_alive
from app.services.local_diffusers.run_records import (
    ADDRESS,
    Ending,
    Made,
    UnderWay,
    interrupted,
    new_run_id,
    report_of,
    run_ids_from,
)
from app.services.provider import Report

T = TypeVar("T")

KEPT_FOR = timedelta(days=1)
"""How long a run is kept after it was made: its pictures are fetched within moments of its end."""

_RUN_ID = r"[0-9a-f]{12}-[0-9a-f]{16}"
_PICTURE = re.compile(rf"{ADDRESS}(?P<run>{_RUN_ID})/(?P<file>\d{{1,3}}\.(?:png|webp|jpg))", re.ASCII)
_OWNERS = "owners"
_MADE, _UNDER_WAY, _END = "made.json", "under_way.json", "end.json"
_MADE_JSON = TypeAdapter(Made)
_UNDER_WAY_JSON = TypeAdapter(UnderWay)
_ENDING_JSON = TypeAdapter(Ending)

_logger = logging.getLogger(__name__)


class RunFolder:
    """All runs of all processes on this machine. Every method blocks; any thread may call it.

    Raises `OSError` where the disk cannot be read or written.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._owners = folder / _OWNERS
        self._clock = clock
        self._owner: Owner | None = None

    def open(self) -> None:
        """Be known as a process that works on runs."""
        self._owner = Owner(self._owners)

    def close(self) -> None:
        """Leave the runs of this process to others: what has not ended counts as interrupted."""
        if self._owner is not None:
            self._owner.release()
            self._owner = None

    def make(self, *, model: str, digest: str) -> str:
        """Write down a new run, which this process will work on; its id."""
        if self._owner is None:
            raise OSError("the folder of runs is not open")
        run_id = new_run_id(self._clock.now())
        coming = self._hidden("making")
        coming.mkdir()
        made = Made(model, digest, self._owner.id)
        _write(coming / _MADE, _MADE_JSON.dump_json(made))
        coming.rename(self._folder / run_id)
        return run_id

    def tell(self, run_id: str, under_way: UnderWay) -> None:
        """Say how far the run has come. Only its owner does."""
        content = _UNDER_WAY_JSON.dump_json(under_way)
        with suppress(FileNotFoundError):
            # It may have ended long ago and been swept away.
            coming = self._part(run_id, _UNDER_WAY)
            coming.write_bytes(content)
            coming.replace(self._folder / run_id / _UNDER_WAY)

    def keep(self, run_id: str, name: str, picture: bytes) -> None:
        """Put a finished picture beside its run."""
        _write(self._folder / run_id / name, picture)

    def end(self, run_id: str, ending: Ending) -> bool:
        """Write down how the run ended; False if it has ended already, or is gone."""
        end = self._folder / run_id / _END
        coming = self._part(run_id, _END)
        try:
            _write(coming, _ENDING_JSON.dump_json(ending))
            end.hardlink_to(coming)  # Fails where there is one, unlike a renaming.
        except (FileExistsError, FileNotFoundError):
            return False
        finally:
            coming.unlink(missing_ok=True)
        return True

    def has_ended(self, run_id: str) -> bool:
        """Whether nothing that is still done for the run is of any use."""
        return not (self._folder / run_id).exists() or (self._folder / run_id / _END).exists()

    def report(self, run_id: str) -> Report | None:
        """How the run stands, None if there is none of that id."""
        if re.fullmatch(_RUN_ID, run_id, re.ASCII) is None:
            return None
        made = self._read(run_id, _MADE, _MADE_JSON)
        return None if made is None else self._report(run_id, made)

    def reports(self, *, since: datetime) -> dict[str, Report]:
        """How all runs stand that were made since then, by id."""
        return {run_id: self._report(run_id, made) for run_id, made in self._runs(since)}

    def find(self, digest: str, *, since: datetime, exclude: Collection[str]) -> Report | None:
        """The first run that was made of that order since then and is not in `exclude`."""
        for run_id, made in self._runs(since):
            if made.digest == digest and run_id not in exclude:
                return self._report(run_id, made)
        return None

    def picture(self, address: str) -> Path | None:
        """The file of a finished picture, None where the address is none of ours."""
        found = _PICTURE.fullmatch(address)
        return self._folder / found["run"] / found["file"] if found is not None else None

    def sweep(self) -> int:
        """Remove runs that nobody needs any more; how many there were."""
        before = self._clock.now() - KEPT_FOR
        forget_the_dead(self._owners, before=before.timestamp())
        swept = 0
        for path in list(self._folder.iterdir()):
            if path.name.startswith("."):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before.timestamp():
                        shutil.rmtree(path, ignore_errors=True)
            elif path.name < run_ids_from(before) and self._may_go(path.name):
                going = self._hidden("going")
                with suppress(FileNotFoundError):
                    path.rename(going)  # So that nobody finds half a run.
                    shutil.rmtree(going, ignore_errors=True)
                    swept += 1
        return swept

    def _may_go(self, run_id: str) -> bool:
        if re.fullmatch(_RUN_ID, run_id, re.ASCII) is None:
            return False
        made = self._read(run_id, _MADE, _MADE_JSON)
        return made is None or self.has_ended(run_id) or not is_alive(self._owners, made.owner)

    def _runs(self, since: datetime) -> Iterator[tuple[str, Made]]:
        """All runs since then, oldest first."""
        first = run_ids_from(since)
        for run_id in sorted(entry.name for entry in self._folder.iterdir() if entry.name >= first):
            if re.fullmatch(_RUN_ID, run_id, re.ASCII) is not None:
                made = self._read(run_id, _MADE, _MADE_JSON)
                if made is not None:
                    yield run_id, made

    def _report(self, run_id: str, made: Made) -> Report:
        ending = self._read(run_id, _END, _ENDING_JSON)
        if ending is None and not is_alive(self._owners, made.owner):
            # Written down, so that it stays so. It may have ended in the moment before its owner did.
            ending = interrupted(self._clock.now())
            if self.end(run_id, ending):
                _logger.warning("run %s: its process died before it was finished", run_id)
            else:
                ending = self._read(run_id, _END, _ENDING_JSON) or ending
        return report_of(run_id, self._read(run_id, _UNDER_WAY, _UNDER_WAY_JSON), ending)

    def _read(self, run_id: str, name: str, records: TypeAdapter[T]) -> T | None:
        path = self._folder / run_id / name
        try:
            return records.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            # The machine itself stopped while it was written.
            _logger.exception("%s is damaged and counts as missing", path)
            return None

    def _hidden(self, purpose: str) -> Path:
        return self._folder / f".{purpose}-{secrets.token_hex(8)}"

    def _part(self, run_id: str, name: str) -> Path:
        return self._folder / run_id / f".{name}-{secrets.token_hex(4)}"


def _write(path: Path, content: bytes) -> None:
    """Write a new file and wait until it is on disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
