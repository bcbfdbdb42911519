"""The service's side: pictures are handed to threads, or to the process while there is one."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.storage.incoming_file import IncomingFile
from app.storage.picture_writer.messages import LARGEST_BODY, RECEIPT_BYTES, Parcel, Receipt

MANY = 6
"""How many pictures at once are more than threads are good for."""

LEFT_ALONE_SECONDS = 60.0
"""For how long no other process is started after one has failed."""

_SOCKET_BUFFER_BYTES = 1024 * 1024
_STOP_SECONDS = 10
_ROOT = Path(__file__).resolve().parents[3]
_KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX")
"""Nothing else, as tokens are there."""

logger = logging.getLogger(__name__)


class PictureWriter:
    """Puts whole pictures into a folder."""

    def __init__(self, folder: Path, flush: Callable[[], None]) -> None:
        """`flush` puts the folder's list of names on disk; it is called by threads."""
        self._folder = folder
        self._flush = flush
        self._under_way = 0
        self._helper: _Helper | None = None
        self._start: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def put(self, name: str, body: bytes) -> str:
        """The SHA-256 of the picture, once it is on disk under its name. Raises `OSError`."""
        self._under_way += 1
        try:
            helper = self._helper
            if self._under_way >= MANY and (helper is None or helper.is_gone):
                self._want_help()
            if helper is not None and len(body) <= LARGEST_BODY:
                with suppress(_HelperGoneError):
                    return await helper.put(name, body)
            return await asyncio.to_thread(self._put, name, body)
        finally:
            self._under_way -= 1

    async def aclose(self) -> None:
        """Let the process finish what it has, and end it."""
        self._not_before = float("inf")
        if self._start is not None:
            await self._start
        if self._helper is not None:
            await self._helper.aclose()

    def _put(self, name: str, body: bytes) -> str:
        with IncomingFile(self._folder, self._flush) as file:
            file.write(body)
            file.publish(name)
        return file.sha256

    def _want_help(self) -> None:
        if self._start is None and asyncio.get_running_loop().time() >= self._not_before:
            self._start = asyncio.create_task(self._start_helper())

    async def _start_helper(self) -> None:
        try:
            self._helper = await _Helper.started(self._folder, self._leave_alone)
        except (OSError, NotImplementedError) as exc:
            logger.warning("Pictures are written by threads, as no process could be started: %s", exc)
            self._leave_alone()
        finally:
            self._start = None

    def _leave_alone(self) -> None:
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + LEFT_ALONE_SECONDS)


class _HelperGoneError(Exception):
    """The process has ended without a receipt for the picture."""


class _Helper(asyncio.Protocol):
    """The process, and the connection to it."""

    def __init__(self, process: "subprocess.Popen[bytes]", when_gone: Callable[[], None]) -> None:
        self._process = process
        self._when_gone = when_gone
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._number = 0
        self._received = b""
        self._closing = False
        self._end: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

    @classmethod
    async def started(cls, folder: Path, when_gone: Callable[[], None]) -> "_Helper":
        """Start the process; `when_gone` is called once it is of no use any more. Raises `OSError`."""
        if not hasattr(socket, "AF_UNIX") or not sys.executable:
            raise NotImplementedError("there are no Unix sockets, or no interpreter to be started, here")
        ours, theirs = socket.socketpair()
        try:
            for end in (ours, theirs):
                for direction in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                    end.setsockopt(socket.SOL_SOCKET, direction, _SOCKET_BUFFER_BYTES)
            process = await asyncio.to_thread(_start_process, folder, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        helper = cls(process, when_gone)
        await asyncio.get_running_loop().create_connection(lambda: helper, sock=ours)
        return helper

    @property
    def is_gone(self) -> bool:
        """Whether the connection to it has ended."""
        return self._end.done()

    async def put(self, name: str, body: bytes) -> str:
        """Like `PictureWriter.put`; raises `_HelperGoneError` where that is not known."""
        if self._transport is None or self._closing or self._transport.is_closing():
            raise _HelperGoneError
        self._number += 1
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        encoded = name.encode()
        head = Parcel(self._number, len(encoded), len(body)).packed()
        self._transport.writelines([head + encoded, body])
        return await answer

    async def aclose(self) -> None:
        """Let it finish what it was given, then wait for its end."""
        self._closing = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.shield(self._end)
        except TimeoutError:
            self._process.kill()
        await (await self._end)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A socket pair's is one that reads and writes, though uvloop's inherits from nothing.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        whole = len(self._received) // RECEIPT_BYTES * RECEIPT_BYTES
        for at in range(0, whole, RECEIPT_BYTES):
            self._settle(Receipt.of(self._received[at : at + RECEIPT_BYTES]))
        self._received = self._received[whole:]

    def connection_lost(self, exc: Exception | None) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(_HelperGoneError())
        self._when_gone()
        self._end.set_result(asyncio.create_task(self._ended()))

    def _settle(self, receipt: Receipt) -> None:
        answer = self._waiting.pop(receipt.number)
        if answer.done():
            return
        if receipt.errno:
            answer.set_exception(OSError(receipt.errno, os.strerror(receipt.errno)))
        else:
            answer.set_result(receipt.sha256.hex())

    async def _ended(self) -> None:
        status = await asyncio.to_thread(self._reap)
        if not self._closing:
            logger.warning("The process that writes pictures ended with status %d; threads go on.", status)

    def _reap(self) -> int:
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _start_process(folder: Path, connection: socket.socket) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # Without installed packages (-S), and without the folder that we happen to run in (-P).
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-S", "-P", "-m", __package__, str(folder.absolute())],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**environment, "PYTHONPATH": str(_ROOT)},
    )
