"""Which processes live: each holds a lock on a file of its own, which the system lets go of when it dies."""

import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Owner:
    """This process, as others see it for as long as it holds its lock. Every method blocks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = secrets.token_hex(8)
        self._path = folder / self.id
        self._file = self._path.open("xb")
        _lock(self._file)

    def release(self) -> None:
        """Be dead to the others."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def is_alive(folder: Path, owner: str) -> bool:
    """Whether the process of that id still holds its lock.

    While somebody else asks the same, a dead one may look alive for a moment; the next look tells.
    """
    try:
        with (folder / owner).open("rb") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def forget_the_dead(folder: Path, *, before: float) -> None:
    """Remove the files of processes that died, if they are older than `before`, a time as files have it.

    A newer one may belong to a process that has yet to lock it.
    """
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < before and not is_alive(folder, file.name):
                file.unlink()
