"""Uploads on their way to the disk, and what stays there."""

import asyncio
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from app.datasets import FindingCode
from app.errors import PayloadTooLargeError, StorageUnavailableError, TrainingSetRefusedError
from app.services.training_sets import TrainingSets
from tests.manual_clock import ManualClock
from tests.services.training_sets.conftest import LIMIT_BYTES, Given, Stored
from tests.services.training_sets.photos import encoded, photo, zip_of

PHOTO = encoded(photo(1))


class BrokenUpload:
    """An upload whose sender is gone after the first part."""

    filename = "set.zip"

    def __init__(self, failure: BaseException) -> None:
        self._parts = [b"PK\x03\x04first part"]
        self._failure = failure

    async def read(self, size: int = -1, /) -> bytes:
        if self._parts:
            return self._parts.pop()
        raise self._failure


async def test_a_set_is_kept_under_the_hash_of_what_is_sent(
    sets: TrainingSets, directory: Path, given: Given
) -> None:
    content = zip_of({f"dog/{n}.jpg": encoded(photo(n)) for n in range(10)} | {"dog/0.txt": b"a dog"})
    taken = await sets.take_in([given("dog.zip", content)])
    assert taken.path == sets.path(taken.sha256) == directory / f"{taken.sha256}.zip"
    assert (taken.report.pictures, taken.report.captions, taken.name) == (10, 1, "dog.zip")
    assert (taken.ignored, taken.warnings) == ((), ())
    with zipfile.ZipFile(taken.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["0.jpg", "0.txt", *(f"{n}.jpg" for n in range(1, 10))]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("0.txt") == b"a dog"


async def test_the_same_pictures_in_another_order_or_wrapping_are_the_same_set(
    sets: TrainingSets, stored: Stored, given: Given
) -> None:
    files = {"a.jpg": PHOTO, "b.png": encoded(photo(2), "PNG"), "ä.jpg": encoded(photo(3)), "a.txt": b"text"}
    first = await sets.take_in([given(*file) for file in files.items()])
    second = await sets.take_in([given(*file) for file in reversed(files.items())])
    third = await sets.take_in([given("all.zip", zip_of(files))])
    fourth = await sets.take_in([given("all.zip", zip_of(files, method=zipfile.ZIP_STORED))])
    assert first.sha256 == second.sha256 == third.sha256 == fourth.sha256
    assert stored() == [first.path]


async def test_a_set_of_pictures_always_has_these_bytes(sets: TrainingSets, given: Given) -> None:
    """A change here stores every set that people upload again under a new hash."""
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
    taken = await sets.take_in([given("a.png", pixel), given("a.txt", b"text")])
    with zipfile.ZipFile(taken.path) as archive:
        assert archive.read("a.png") == pixel
    assert taken.sha256 == "8921d1862bd40cbf3fd001a2eca75fc794a370ca7d214e42f33224e275a2c07f"


@pytest.mark.parametrize(
    ("names", "code", "refusal"),
    [
        ([], FindingCode.NO_PICTURE, "There is no file"),
        (["a.zip", "b.zip"], FindingCode.SEVERAL_ZIPS, "2 zips"),
        (["a.zip", "b.jpg"], FindingCode.SEVERAL_ZIPS, "a zip together with other files"),
        (["b.txt"], FindingCode.NO_PICTURE, "There is no usable picture"),
    ],
)
async def test_only_one_zip_or_only_pictures_are_taken(
    sets: TrainingSets, stored: Stored, given: Given, names: list[str], code: str, refusal: str
) -> None:
    with pytest.raises(TrainingSetRefusedError, match=refusal) as caught:
        await sets.take_in([given(name, b"content") for name in names])
    assert [error.field for error in caught.value.errors] == ["training_images"]
    assert caught.value.report is not None
    assert caught.value.report["errors"][0]["code"] == code  # type: ignore[index]
    assert stored() == []


async def test_a_zip_is_known_by_its_bytes_also_under_another_name(sets: TrainingSets, given: Given) -> None:
    content = zip_of({"a.jpg": PHOTO})
    assert (await sets.take_in([given("blob", content)])).report.pictures == 1
    with pytest.raises(TrainingSetRefusedError, match="a zip together with other files"):
        await sets.take_in([given("blob", content), given("b.jpg", PHOTO)])


async def test_an_empty_file_field_is_as_good_as_none(sets: TrainingSets, given: Given) -> None:
    assert (await sets.take_in([given("", b""), given("a.jpg", PHOTO)])).report.pictures == 1


async def test_what_lies_at_urls_is_taken_in_like_uploads(sets: TrainingSets, given: Given) -> None:
    asked = []

    async def fetch(url: str, target: Path, limit_bytes: int) -> str:
        asked.append((url, limit_bytes))
        await asyncio.to_thread(target.write_bytes, PHOTO)
        return url.rpartition("/")[2]

    taken = await sets.take_in_urls(["http://a/b.jpg", "http://a/c.jpg"], fetch, field="training_images_url")
    assert asked == [("http://a/b.jpg", LIMIT_BYTES), ("http://a/c.jpg", LIMIT_BYTES - len(PHOTO))]
    uploaded = await sets.take_in([given("b.jpg", PHOTO), given("c.jpg", PHOTO)])
    assert taken.sha256 == uploaded.sha256


async def test_more_than_the_limit_is_refused_with_the_limit(
    sets: TrainingSets, stored: Stored, given: Given
) -> None:
    half = bytes(LIMIT_BYTES // 2 + 1)
    with pytest.raises(PayloadTooLargeError, match="more than 8 MB"):
        await sets.take_in([given("a.jpg", half), given("b.jpg", half)])
    assert stored() == []


@pytest.mark.parametrize("failure", [ConnectionResetError(), asyncio.CancelledError()])
async def test_an_upload_that_breaks_off_leaves_nothing(
    sets: TrainingSets, stored: Stored, failure: BaseException
) -> None:
    with pytest.raises(type(failure)):
        await sets.take_in([BrokenUpload(failure)])
    assert stored() == []


async def test_a_canceled_upload_leaves_nothing(sets: TrainingSets, stored: Stored, given: Given) -> None:
    await sets.take_in([given("a.jpg", PHOTO)])
    for turns in range(12):
        taking = asyncio.create_task(sets.take_in([given("a.jpg", PHOTO)]))
        for _ in range(turns):
            await asyncio.wait([taking], timeout=0.001)
        taking.cancel()
        await asyncio.wait([taking])
        assert all(not path.name.startswith(".incoming-") for path in stored())


async def test_leftovers_of_a_killed_process_go_after_a_day(
    sets: TrainingSets, directory: Path, stored: Stored, clock: ManualClock, given: Given
) -> None:
    kept = await sets.take_in([given("a.jpg", PHOTO)])
    (directory / ".incoming-1").mkdir()
    (directory / ".incoming-1" / "000000").write_bytes(b"half a zip")
    left_at = (clock.now() - timedelta(hours=23)).timestamp()
    os.utime(directory / ".incoming-1", (left_at, left_at))
    assert await sets.discard_leftovers() == 0
    clock.advance(7_200)
    assert await sets.discard_leftovers() == 1
    assert stored() == [kept.path]


@pytest.mark.parametrize("sha256", ["0" * 64, "../../etc/passwd", "", "A" * 64])
async def test_an_unknown_set_has_no_path_and_no_contact_sheet(sets: TrainingSets, sha256: str) -> None:
    with pytest.raises(FileNotFoundError):
        sets.path(sha256)
    with pytest.raises(FileNotFoundError):
        await sets.contact_sheet(sha256)


async def test_a_contact_sheet_is_drawn_once_and_goes_with_its_set(
    sets: TrainingSets, stored: Stored, given: Given
) -> None:
    taken = await sets.take_in([given("a.jpg", PHOTO)])
    drawn = await sets.contact_sheet(taken.sha256)
    await asyncio.to_thread(taken.path.unlink)
    assert await sets.contact_sheet(taken.sha256) == drawn
    await sets.remove(taken.sha256)
    await sets.remove(taken.sha256)
    assert [list(path.iterdir()) for path in stored()] == [[]]


async def test_a_folder_that_refuses_is_told_apart_from_a_bad_upload(
    sets: TrainingSets, directory: Path, stored: Stored, given: Given
) -> None:
    await sets.check_writable()
    assert stored() == []
    await asyncio.to_thread(directory.rmdir)
    await asyncio.to_thread(directory.touch)
    with pytest.raises(OSError, match="exists"):
        await sets.check_writable()
    with pytest.raises(StorageUnavailableError, match="folder for training pictures cannot be written to"):
        await sets.take_in([given("a.jpg", PHOTO)])
