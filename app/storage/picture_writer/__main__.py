"""The process: takes pictures from the socket that is its standard input, until the service has gone.

Imports little, since it is started while pictures are waiting, and runs without installed packages.
"""

import errno
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.storage.folder_flushes import FolderFlush
from app.storage.incoming_file import IncomingFile
from app.storage.picture_writer.messages import LARGEST_BODY, PARCEL_BYTES, Parcel, Receipt

FLUSHED_AT_ONCE = 4
"""How many pictures are flushed at the same time, since the disk takes several for the price of one."""

MOST_TOGETHER = 16
"""How many pictures that wait already share one flush of the folder."""

_LONGEST_NAME = 255


@dataclass(slots=True)
class _Picture:
    number: int
    name: str
    file: IncomingFile | None = None
    errno: int = 0

    def receipt(self) -> Receipt:
        if self.errno or self.file is None:
            return Receipt(self.number, self.errno or errno.EIO)
        return Receipt(self.number, 0, bytes.fromhex(self.file.sha256))


class _Desk:
    """Takes pictures in, puts them on disk, and says so."""

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._flush = FolderFlush(folder)
        self._threads = ThreadPoolExecutor(FLUSHED_AT_ONCE)
        self._memory = memoryview(bytearray(PARCEL_BYTES + _LONGEST_NAME + LARGEST_BODY))

    def serve(self) -> None:
        """Return when the other side has gone; what had come whole is on disk then."""
        pictures: list[_Picture] = []
        while (picture := self._next()) is not None:
            pictures.append(picture)
            if len(pictures) == MOST_TOGETHER or not self._is_more_there():
                self._publish(pictures)
                pictures.clear()
        self._publish(pictures)

    def _next(self) -> _Picture | None:
        head = self._read(PARCEL_BYTES)
        if head is None:
            return None
        parcel = Parcel.of(head)
        content = self._read(parcel.name_bytes + parcel.body_bytes)
        if content is None:
            return None
        picture = _Picture(parcel.number, bytes(content[: parcel.name_bytes]).decode())
        try:
            # The folder's own flush comes once for all that are published together.
            picture.file = IncomingFile(self._folder, lambda: None)
            picture.file.write(content[parcel.name_bytes :])
        except OSError as exc:
            _failed(picture, exc)
        return picture

    def _publish(self, pictures: list[_Picture]) -> None:
        if not pictures:
            return
        for _ in self._threads.map(_published, pictures):
            pass
        try:
            self._flush()
        except OSError as exc:
            for picture in pictures:
                picture.errno = picture.errno or exc.errno or errno.EIO
        self._connection.sendall(b"".join(picture.receipt().packed() for picture in pictures))

    def _read(self, size: int) -> memoryview | None:
        """The next `size` bytes, valid until the next call; None where the other side has gone."""
        wanted = self._memory[:size]
        got = 0
        while got < size:
            received = self._connection.recv_into(wanted[got:])
            if received == 0:
                return None
            got += received
        return wanted

    def _is_more_there(self) -> bool:
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False


def _published(picture: _Picture) -> None:
    try:
        if picture.file is not None:
            picture.file.publish(picture.name)
    except OSError as exc:
        _failed(picture, exc)


def _failed(picture: _Picture, exc: OSError) -> None:
    picture.errno = exc.errno or errno.EIO
    if picture.file is not None:
        picture.file.discard()


def main() -> None:
    """Serve; `argv[1]` is the folder."""
    # What stops the service must not stop this in the middle: it ends when the service has let go of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with socket.socket(fileno=sys.stdin.fileno()) as connection:
            _Desk(connection, Path(sys.argv[1])).serve()
    except ConnectionError:
        pass  # The service was killed; whoever comes next fetches again what it had no receipt for.


if __name__ == "__main__":
    main()
