"""A folder's names reach the disk, once for all who want it at the same time."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from app.storage.folder_flushes import FolderFlush

SECONDS = 10


class Disk:
    """Counts flushes and lets each end when a test says so."""

    def __init__(self) -> None:
        self.flushes = 0
        self.broken = False
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)

    def __call__(self, folder: Path) -> None:
        self.flushes += 1
        self._begun.release()
        assert self._may_end.acquire(timeout=SECONDS)
        if self.broken:
            raise OSError(5, "Input/output error")

    def until_begun(self) -> None:
        assert self._begun.acquire(timeout=SECONDS)

    def end(self) -> None:
        self._may_end.release()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def until_waiting(flush: FolderFlush, number: int) -> None:
    """Return once that many threads wait for the flush that is under way."""
    until = time.monotonic() + SECONDS
    while len(flush._turn._waiters) < number:  # type: ignore[attr-defined]
        assert time.monotonic() < until
        time.sleep(0.001)


def test_who_comes_during_a_flush_shares_the_next_one(disk: Disk, threads: ThreadPoolExecutor) -> None:
    flush = FolderFlush(Path("pictures"), disk)
    first = threads.submit(flush)
    disk.until_begun()
    others = [threads.submit(flush) for _ in range(5)]
    until_waiting(flush, 5)
    disk.end()
    disk.until_begun()
    # What they renamed came after the first flush had begun: that one is not enough for them.
    assert [first.result(SECONDS), *(other.done() for other in others)] == [None, *[False] * 5]
    disk.end()
    wait(others, SECONDS)
    assert [other.result(0) for other in others] == [None] * 5
    assert disk.flushes == 2


def test_who_comes_later_gets_a_flush_of_its_own(disk: Disk, threads: ThreadPoolExecutor) -> None:
    flush = FolderFlush(Path("pictures"), disk)
    for _ in range(3):
        disk.end()
        threads.submit(flush).result(SECONDS)
    assert disk.flushes == 3


def test_a_flush_that_fails_is_told_to_its_own_thread_and_tried_by_the_others(
    disk: Disk, threads: ThreadPoolExecutor
) -> None:
    flush = FolderFlush(Path("pictures"), disk)
    disk.broken = True
    first: Future[None] = threads.submit(flush)
    disk.until_begun()
    second = threads.submit(flush)
    until_waiting(flush, 1)
    disk.end()
    with pytest.raises(OSError, match="Input/output error"):
        first.result(SECONDS)
    disk.until_begun()
    disk.broken = False
    disk.end()
    assert second.result(SECONDS) is None
    assert disk.flushes == 2


def test_a_folder_is_really_flushed(tmp_path: Path) -> None:
    FolderFlush(tmp_path)()
    with pytest.raises(FileNotFoundError):
        FolderFlush(tmp_path / "nowhere")()
