"""Pictures reach the disk, by threads or by a process of their own, and whatever becomes of that."""

import asyncio
import errno
import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from app.storage.folder_flushes import FolderFlush
from app.storage.picture_writer.messages import LARGEST_BODY, Parcel, Receipt
from app.storage.picture_writer.writer import MANY, PictureWriter
from tests.picture_writers import picture_writers

SECONDS = 20
BODIES = {f"picture_{number}.webp": os.urandom(50_000 + number) for number in range(40)}
SECRET = "r8_not_for_others"  # noqa: S105 - nobody's
PROGRAM = """
import asyncio, sys
from pathlib import Path
from app.storage.picture_writer.writer import PictureWriter

async def main():
    writer = PictureWriter(Path(sys.argv[1]), lambda: None)
    while True:
        await asyncio.gather(*(writer.put(f"{n}.webp", b"picture") for n in range(20)))

asyncio.run(main())
"""

Helpers = Callable[[], list[int]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    with blockbuster_ctx():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "generated_images"


@pytest.fixture
async def writer(folder: Path) -> AsyncIterator[PictureWriter]:
    writer = PictureWriter(folder, FolderFlush(folder))
    yield writer
    async with asyncio.timeout(SECONDS):
        await writer.aclose()


@pytest.fixture
def helpers(folder: Path) -> Helpers:
    """The processes that write into the folder."""

    return lambda: picture_writers(folder)


@pytest.fixture
def until() -> Until:
    """Return once it holds; it is looked at in a thread."""

    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                if await asyncio.to_thread(holds):
                    return
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def helper(writer: PictureWriter, helpers: Helpers) -> Callable[[], Awaitable[int]]:
    """Make pictures come together until there is a process that takes them; its id."""

    async def start() -> int:
        async with asyncio.timeout(SECONDS):
            while True:
                await asyncio.gather(*(writer.put(f"crowd_{n}.webp", bytes(50_000)) for n in range(20)))
                for pid in await asyncio.to_thread(helpers):
                    if await asyncio.to_thread(bytes_written, pid) > len(bytes(50_000)):
                        return pid

    return start


def bytes_written(pid: int) -> int:
    """Into files, by a process."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


async def put_all(writer: PictureWriter) -> list[str]:
    async with asyncio.timeout(SECONDS):
        return await asyncio.gather(*(writer.put(name, body) for name, body in BODIES.items()))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("picture_")}


HASHES = [hashlib.sha256(body).hexdigest() for body in BODIES.values()]


async def test_pictures_that_come_one_by_one_need_no_process(
    writer: PictureWriter, folder: Path, helpers: Helpers
) -> None:
    assert [await writer.put(name, body) for name, body in BODIES.items()] == HASHES
    for _ in range(10):
        await asyncio.gather(*(writer.put(f"crowd_{n}.webp", b"picture") for n in range(MANY - 1)))
    assert await asyncio.to_thread(contents, folder) == BODIES
    assert await asyncio.to_thread(helpers) == []


async def test_pictures_that_come_together_are_whole(
    writer: PictureWriter, folder: Path, helper: Callable[[], Awaitable[int]]
) -> None:
    pid = await helper()
    before = await asyncio.to_thread(bytes_written, pid)
    assert await put_all(writer) == HASHES
    written = await asyncio.to_thread(bytes_written, pid) - before
    assert written == sum(len(body) for body in BODIES.values())
    assert await asyncio.to_thread(contents, folder) == BODIES
    assert not await asyncio.to_thread(lambda: list(folder.glob(".*")))


async def test_a_picture_too_large_for_the_process_is_whole_as_well(
    writer: PictureWriter, folder: Path, helper: Callable[[], Awaitable[int]]
) -> None:
    await helper()
    body = bytes(LARGEST_BODY + 1)
    assert await writer.put("picture_large.png", body) == hashlib.sha256(body).hexdigest()
    assert (await asyncio.to_thread(contents, folder))["picture_large.png"] == body


async def test_a_picture_of_the_same_name_is_replaced(
    writer: PictureWriter, folder: Path, helper: Callable[[], Awaitable[int]]
) -> None:
    await helper()
    await writer.put("picture_1.webp", b"before")
    await writer.put("picture_1.webp", b"after")
    assert await asyncio.to_thread(contents, folder) == {"picture_1.webp": b"after"}


async def test_a_process_that_is_killed_loses_nothing(
    writer: PictureWriter,
    folder: Path,
    helper: Callable[[], Awaitable[int]],
    helpers: Helpers,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pid = await helper()
    putting = asyncio.create_task(put_all(writer))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with caplog.at_level(logging.WARNING):
        assert await putting == HASHES
        # Another one would only be killed again.
        await put_all(writer)
        await until(lambda: bool(caplog.messages))
    assert await asyncio.to_thread(contents, folder) == BODIES
    assert await asyncio.to_thread(helpers) == []
    assert caplog.messages == ["The process that writes pictures ended with status -9; threads go on."]


async def test_what_stops_the_service_does_not_stop_the_process_in_the_middle(
    writer: PictureWriter, helper: Callable[[], Awaitable[int]], helpers: Helpers
) -> None:
    pid = await helper()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert await put_all(writer) == HASHES
    assert await asyncio.to_thread(helpers) == [pid]


async def test_the_process_ends_with_the_service(
    writer: PictureWriter, helper: Callable[[], Awaitable[int]], helpers: Helpers
) -> None:
    await helper()
    putting = asyncio.create_task(put_all(writer))
    await asyncio.sleep(0)
    async with asyncio.timeout(SECONDS):
        await writer.aclose()
        assert await putting == HASHES
    assert await asyncio.to_thread(helpers) == []


async def test_the_process_ends_when_the_service_is_killed(
    folder: Path, helpers: Helpers, until: Until
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = (sys.executable, "-c", PROGRAM, str(folder))
    service = await asyncio.create_subprocess_exec(*command, env=environment)
    await until(lambda: bool(helpers()))
    service.kill()
    await service.wait()
    await until(lambda: not helpers())


async def test_the_process_knows_no_secrets(
    writer: PictureWriter, helper: Callable[[], Awaitable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", SECRET)
    pid = await helper()
    environment = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
    assert b"PYTHONPATH=" in environment
    assert SECRET.encode() not in environment


async def test_what_the_disk_refuses_is_told(
    writer: PictureWriter, folder: Path, helper: Callable[[], Awaitable[int]]
) -> None:
    await helper()
    await asyncio.to_thread(shutil.rmtree, folder)
    await asyncio.to_thread(folder.touch)
    with pytest.raises(NotADirectoryError) as refusal:
        await writer.put("picture_1.webp", b"picture")
    assert (refusal.value.errno, refusal.value.strerror) == (errno.ENOTDIR, "Not a directory")
    await asyncio.to_thread(folder.unlink)
    # A folder that somebody took away is made anew.
    assert await put_all(writer) == HASHES


async def test_where_no_process_can_be_started_threads_do_it_all(
    writer: PictureWriter,
    folder: Path,
    helpers: Helpers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert await put_all(writer) == HASHES
    assert await put_all(writer) == HASHES
    assert await asyncio.to_thread(contents, folder) == BODIES
    assert await asyncio.to_thread(helpers) == []
    (told,) = caplog.messages
    assert "threads" in told
    assert "/nowhere/python" in told


@pytest.mark.parametrize("kept", [7, 20, 40])
def test_a_picture_that_breaks_off_is_not_written(folder: Path, kept: int) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "app.storage.picture_writer", str(folder)]
    with ours, subprocess.Popen(command, stdin=theirs.fileno(), cwd=Path(__file__).parents[2]) as process:
        theirs.close()
        whole = Parcel(1, 6, 30).packed() + b"a.webp" + bytes(30)
        broken = Parcel(2, 6, 30).packed() + b"b.webp" + bytes(30)
        ours.sendall(whole + broken[:kept])
        ours.shutdown(socket.SHUT_WR)
        receipts = ours.recv(1000, socket.MSG_WAITALL)
        assert process.wait(SECONDS) == 0
    assert Receipt.of(receipts) == Receipt(1, 0, hashlib.sha256(bytes(30)).digest())
    assert [path.name for path in folder.iterdir()] == ["a.webp"]
