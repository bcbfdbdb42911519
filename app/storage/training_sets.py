"""Training sets on disk: one `<sha256>.zip` each, and a contact sheet of those that were looked at."""

import os
import re
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

_WORKSPACE_PREFIX = ".incoming-"
_SHEETS = ".sheets"
_PROBE = bytes(64 * 1024)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class TrainingSetFiles:
    """The folder of training sets. All methods but `new_workspace` touch the disk: call them in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def new_workspace(self) -> Path:
        """A name for a folder beside the finished sets, to be made with `open_workspace`."""
        return self._directory / f"{_WORKSPACE_PREFIX}{uuid.uuid4().hex}"

    def open_workspace(self, workspace: Path) -> None:
        """Make the folder in which a set is put together."""
        self._directory.mkdir(parents=True, exist_ok=True)
        workspace.mkdir(mode=0o700)

    def try_writing(self) -> None:
        """Write a small file and take it away again; raises `OSError` if that cannot be done."""
        workspace = self.new_workspace()
        try:
            self.open_workspace(workspace)
            (workspace / "probe").write_bytes(_PROBE)
        finally:
            self.discard_workspace(workspace)

    def discard_workspace(self, workspace: Path) -> None:
        """Remove the folder with all that is in it; nothing happens if it is not there."""
        shutil.rmtree(workspace, ignore_errors=True)

    def keep(self, finished: Path, sha256: str) -> Path:
        """Move `finished` to its place for good and return that place; a set already there is replaced."""
        target = self._directory / f"{sha256}.zip"
        _flush(finished)
        finished.replace(target)
        _flush(self._directory)
        return target

    def path(self, sha256: str) -> Path:
        """Where the set lies. Raises `FileNotFoundError` if there is none."""
        path = self._directory / f"{sha256}.zip"
        if _SHA256.fullmatch(sha256) is None or not path.is_file():
            raise FileNotFoundError(f"No training set with the SHA-256 {sha256!r} in {self._directory}.")
        return path

    def contact_sheet(self, sha256: str) -> bytes | None:
        """The contact sheet of the set, if it was drawn."""
        try:
            return self._sheet(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def keep_contact_sheet(self, sha256: str, drawn: bytes) -> None:
        """Put a contact sheet in its place."""
        sheet = self._sheet(sha256)
        sheet.parent.mkdir(parents=True, exist_ok=True)
        unfinished = sheet.with_name(f"{_WORKSPACE_PREFIX}{uuid.uuid4().hex}")
        try:
            unfinished.write_bytes(drawn)
            unfinished.replace(sheet)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, sha256: str) -> None:
        """Take the set and its contact sheet away; nothing happens if they are not there."""
        if _SHA256.fullmatch(sha256) is not None:
            (self._directory / f"{sha256}.zip").unlink(missing_ok=True)
            self._sheet(sha256).unlink(missing_ok=True)

    def _sheet(self, sha256: str) -> Path:
        if _SHA256.fullmatch(sha256) is None:
            raise FileNotFoundError(f"No training set with the SHA-256 {sha256!r}.")
        return self._directory / _SHEETS / f"{sha256}.webp"

    def discard_workspaces_before(self, moment: datetime) -> int:
        """Remove what killed processes left before `moment`, and return how many folders those were."""
        old = [
            workspace
            for workspace in self._directory.glob(f"{_WORKSPACE_PREFIX}*")
            if datetime.fromtimestamp(workspace.stat().st_mtime, UTC) < moment
        ]
        for workspace in old:
            self.discard_workspace(workspace)
        return len(old)


def _flush(path: Path) -> None:
    """Make sure that a file or a folder's list of names is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
