import asyncio
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from starlette.datastructures import UploadFile

from app.errors import InvalidRequestError, PayloadTooLargeError, StorageUnavailableError
from app.services.training_sets import TrainingSets
from tests.manual_clock import ManualClock

LIMIT_BYTES = 3 * 1024**2

Paint = Callable[..., bytes]
Zipped = Callable[..., bytes]
Stored = Callable[[], list[Path]]
Given = Callable[..., UploadFile]


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


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "training_images"


@pytest.fixture
def stored(directory: Path) -> Stored:
    """Lists what lies in the folder of training sets."""
    return lambda: list(directory.iterdir())


@pytest.fixture
def sets(directory: Path, clock: ManualClock) -> TrainingSets:
    return TrainingSets(directory=directory, limit_bytes=LIMIT_BYTES, clock=clock)


@pytest.fixture
def paint() -> Paint:
    """Makes a picture; another `shade` is another picture."""

    def make(shade: int = 0, *, kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", size, (shade, shade, 80)).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def zipped() -> Zipped:
    def make(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return make


@pytest.fixture
def given() -> Given:
    def make(name: str, content: bytes) -> UploadFile:
        return UploadFile(io.BytesIO(content), filename=name)

    return make


async def test_a_zip_is_kept_as_it_is_under_its_hash(
    sets: TrainingSets, directory: Path, paint: Paint, zipped: Zipped, given: Given
) -> None:
    content = zipped({f"dog/{n}.jpg": paint(n) for n in range(10)} | {"dog/0.txt": b"a dog"})
    taken = await sets.take_in([given("dog.zip", content)])
    assert taken.sha256 == hashlib.sha256(content).hexdigest()
    assert taken.path == sets.path(taken.sha256) == directory / f"{taken.sha256}.zip"
    assert taken.path.read_bytes() == content
    assert (taken.pictures, taken.captions, taken.size_bytes) == (10, 1, len(content))
    assert (taken.ignored, taken.warnings) == ((), ())


async def test_the_same_set_again_is_the_same_file(
    sets: TrainingSets, stored: Stored, paint: Paint, zipped: Zipped, given: Given
) -> None:
    content = zipped({"a.png": paint(kind="PNG")})
    first = await sets.take_in([given("one.zip", content)])
    second = await sets.take_in([given("two.zip", content)])
    assert first == second
    assert stored() == [first.path]


async def test_what_is_of_no_use_in_a_zip_is_ignored_and_named(
    sets: TrainingSets, paint: Paint, given: Given
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.webp", paint(kind="WEBP"))
        archive.writestr("./sub/b.JPG", paint())
        for junk in ("__MACOSX/._a.webp", "._a.jpg", ".hidden/c.jpg", "Thumbs.db"):
            archive.writestr(junk, b"junk")
        archive.mkdir("empty.jpg/")
        for odd in ("../up.jpg", "/root.jpg", "C:\\x.jpg", "clip.gif", "lone.txt"):
            archive.writestr(odd, paint())
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    taken = await sets.take_in([given("set.zip", buffer.getvalue())])
    assert taken.pictures == 2
    assert set(taken.ignored) == {
        *("../up.jpg", "/root.jpg", "C:\\x.jpg", "clip.gif", "lone.txt", "link.jpg"),
    }
    assert taken.warnings == ("The training set has 2 pictures; 10 or more are recommended.",)


async def test_pictures_are_zipped_flat_with_their_captions(
    sets: TrainingSets, paint: Paint, given: Given
) -> None:
    taken = await sets.take_in(
        [
            given("C:\\fotos\\Hund am See.jpeg", paint(1)),
            given("Hund am See.txt", b"a dog at the lake"),
            given("../../b.png", paint(2, kind="PNG")),
            given("b.webp", paint(3, kind="WEBP")),
            given("unused.txt", b"nobody's caption"),
            given(".DS_Store", b"junk"),
        ]
    )
    with zipfile.ZipFile(taken.path) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        names = archive.namelist()
        assert archive.read("Hund_am_See.txt") == b"a dog at the lake"
        assert archive.read("Hund_am_See.jpg") == paint(1)
    assert sorted(name.partition(".")[0] for name in names) == ["Hund_am_See", "Hund_am_See", "b", "b_2"]
    assert (taken.pictures, taken.captions, taken.ignored) == (3, 1, ("unused.txt",))


async def test_the_same_pictures_in_another_order_are_the_same_set(
    sets: TrainingSets, stored: Stored, paint: Paint, given: Given
) -> None:
    files = [
        ("a.jpg", paint(1)),
        ("a.jpg", paint(2)),
        ("a.jpg", paint(1)),
        ("a.txt", b"text"),
        ("ä.jpg", paint(3)),
    ]
    first = await sets.take_in([given(*file) for file in files])
    second = await sets.take_in([given(*file) for file in reversed(files)])
    assert first == second
    assert (first.pictures, first.captions) == (3, 2)
    assert len(stored()) == 1


async def test_a_set_of_pictures_always_has_these_bytes(sets: TrainingSets, given: Given) -> None:
    """A change here stores every set that people upload again under a new hash."""
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
        "0000000a4944415478da6360000000020001e527defc0000000049454e44ae426082"
    )
    taken = await sets.take_in([given("a.png", pixel), given("a.txt", b"text")])
    assert taken.sha256 == "84ceabca2988a73a86eb0c69363dcfaad9a773a3e01b5d077955ae595bf8b195"


@pytest.mark.parametrize(
    ("names", "refusal"),
    [
        ([], "There is no file"),
        (["a.zip", "b.zip"], "2 zips"),
        (["a.zip", "b.jpg"], "a zip together with other files"),
        (["b.txt"], "There is no picture among the files"),
    ],
)
async def test_only_one_zip_or_only_pictures_are_taken(
    sets: TrainingSets, stored: Stored, given: Given, names: list[str], refusal: str
) -> None:
    with pytest.raises(InvalidRequestError, match=refusal) as caught:
        await sets.take_in([given(name, b"content") for name in names])
    assert [error.field for error in caught.value.errors] == ["training_images"]
    assert stored() == []


async def test_a_zip_is_known_by_its_bytes_also_under_another_name(
    sets: TrainingSets, paint: Paint, zipped: Zipped, given: Given
) -> None:
    content = zipped({"a.jpg": paint()})
    assert (await sets.take_in([given("blob", content)])).pictures == 1
    with pytest.raises(InvalidRequestError, match="a zip together with other files"):
        await sets.take_in([given("blob", content), given("b.jpg", paint())])


async def test_an_empty_file_field_is_as_good_as_none(sets: TrainingSets, paint: Paint, given: Given) -> None:
    assert (await sets.take_in([given("", b""), given("a.jpg", paint())])).pictures == 1


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("notes.pdf", b"%PDF-1.7", r"'notes.pdf' cannot be read as a picture\. Allowed are jpg"),
        ("a.jpg", b"", "'a.jpg' is empty"),
        ("a.jpg", b"GIF89a" + bytes(90_000), "'a.jpg' cannot be read"),
        ("a\nb.jpg", b"x", r"'a\?b.jpg' cannot be read"),
    ],
)
async def test_a_file_that_is_no_picture_is_refused_by_name(
    sets: TrainingSets, paint: Paint, given: Given, name: str, content: bytes, refusal: str
) -> None:
    with pytest.raises(InvalidRequestError, match=refusal):
        await sets.take_in([given("good.jpg", paint()), given(name, content)])


@pytest.mark.parametrize(
    ("captions", "refusal"),
    [
        ([b"one", b"two"], "two different captions named 'a.txt'"),
        ([b"\xff\xfe"], "not a text in UTF-8"),
        ([b"x" * 65_537], "has 65,537 bytes"),
    ],
)
async def test_a_caption_that_cannot_be_used_is_refused(
    sets: TrainingSets, paint: Paint, given: Given, captions: list[bytes], refusal: str
) -> None:
    with pytest.raises(InvalidRequestError, match=refusal):
        await sets.take_in([given("a.jpg", paint()), *(given("a.txt", caption) for caption in captions)])


async def test_more_than_the_limit_is_refused_with_the_limit(
    sets: TrainingSets, stored: Stored, given: Given
) -> None:
    half = bytes(LIMIT_BYTES // 2 + 1)
    with pytest.raises(PayloadTooLargeError, match="more than 3 MB"):
        await sets.take_in([given("a.jpg", half), given("b.jpg", half)])
    assert stored() == []


@pytest.mark.parametrize("failure", [ConnectionResetError(), asyncio.CancelledError()])
async def test_an_upload_that_breaks_off_leaves_nothing(
    sets: TrainingSets, stored: Stored, failure: BaseException
) -> None:
    with pytest.raises(type(failure)):
        await sets.take_in([BrokenUpload(failure)])
    assert stored() == []


async def test_a_canceled_upload_leaves_nothing(
    sets: TrainingSets, stored: Stored, paint: Paint, given: Given
) -> None:
    await sets.take_in([given("a.jpg", paint())])
    for turns in range(12):
        taking = asyncio.create_task(sets.take_in([given("a.jpg", paint())]))
        for _ in range(turns):
            await asyncio.wait([taking], timeout=0.001)
        taking.cancel()
        await asyncio.wait([taking])
        assert all(not path.name.startswith(".incoming-") for path in stored())


async def test_leftovers_of_a_killed_process_go_after_a_day(
    sets: TrainingSets, directory: Path, stored: Stored, clock: ManualClock, paint: Paint, given: Given
) -> None:
    kept = await sets.take_in([given("a.jpg", paint())])
    (directory / ".incoming-1").mkdir()
    (directory / ".incoming-1" / "000000").write_bytes(b"half a zip")
    left_at = (clock.now() - timedelta(hours=23)).timestamp()
    os.utime(directory / ".incoming-1", (left_at, left_at))
    assert await sets.discard_leftovers() == 0
    clock.advance(7_200)
    assert await sets.discard_leftovers() == 1
    assert stored() == [kept.path]


@pytest.mark.parametrize("sha256", ["0" * 64, "../../etc/passwd", "", "A" * 64])
def test_an_unknown_set_has_no_path(sets: TrainingSets, sha256: str) -> None:
    with pytest.raises(FileNotFoundError):
        sets.path(sha256)


async def test_a_folder_that_refuses_is_told_apart_from_a_bad_upload(
    sets: TrainingSets, directory: Path, stored: Stored, paint: Paint, given: Given
) -> None:
    await sets.check_writable()
    assert stored() == []
    await asyncio.to_thread(directory.rmdir)
    await asyncio.to_thread(directory.touch)
    with pytest.raises(OSError, match="exists"):
        await sets.check_writable()
    with pytest.raises(StorageUnavailableError, match="folder for training pictures cannot be written to"):
        await sets.take_in([given("a.jpg", paint())])
