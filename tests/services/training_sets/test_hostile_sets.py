"""Sets that were made to hurt, or came out wrong: the report that is expected for each."""

import asyncio
import io
import random
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from app.datasets import FindingCode
from app.errors import TrainingSetRefusedError
from app.services.training_sets import TrainingSets
from tests.services.training_sets.conftest import Given, Stored
from tests.services.training_sets.photos import encoded, photo, png_that_claims, zip_of

PHOTO = encoded(photo(1))
BIG = 11_000_000


def _encrypted() -> bytes:
    content = bytearray(zip_of({"a.jpg": PHOTO, "b.jpg": PHOTO}))
    content[6] |= 1
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        content[at + 8] |= 1
    return bytes(content)


def _claims_gigabytes() -> bytes:
    content = bytearray(zip_of({"a.jpg": PHOTO}))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2_100_000_000)
    return bytes(content)


def _overlapping() -> bytes:
    """Forty entries that all lead to the same bytes."""
    whole = zip_of({"a.jpg": PHOTO}, method=zipfile.ZIP_STORED)
    at = whole.rindex(b"PK\x01\x02")
    entry, end = whole[at : whole.rindex(b"PK\x05\x06")], bytearray(whole[whole.rindex(b"PK\x05\x06") :])
    end[8:16] = struct.pack("<HHI", 40, 40, 40 * len(entry))
    return whole[:at] + entry * 40 + bytes(end)


def _huge_list() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(80):
            entry = zipfile.ZipInfo(f"{number}.jpg")
            entry.comment = bytes(65_000)
            archive.writestr(entry, b"")
    return buffer.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], FindingCode, str]] = {
    "another format": (lambda: b"Rar!\x1a\x07\x00", FindingCode.NOT_A_ZIP, "is not a zip file"),
    "nothing": (lambda: b"", FindingCode.NOT_A_ZIP, "is not a zip file"),
    "cut off": (lambda: zip_of({"a.jpg": PHOTO})[:-30], FindingCode.DAMAGED_ZIP, "cut off or damaged"),
    "empty": (lambda: b"PK\x05\x06" + bytes(18), FindingCode.NO_PICTURE, "no usable picture"),
    "encrypted": (_encrypted, FindingCode.ENCRYPTED, "'a.jpg' in 'set.zip' is encrypted.*1 more file is"),
    "a bomb": (
        lambda: zip_of({"a.jpg": PHOTO, "zeros.png": bytes(BIG)}),
        FindingCode.ZIP_BOMB,
        "'zeros.png' in 'set.zip' unpacks to over 200 times",
    ),
    "entries in one another": (_overlapping, FindingCode.ZIP_BOMB, "share the same bytes"),
    "gigabytes": (_claims_gigabytes, FindingCode.TOO_MANY_BYTES, r"unpacks to 2\.1 GB.*at most 2 GB"),
    "40,000 files": (
        lambda: zip_of({str(n): b"" for n in range(40_000)}, method=zipfile.ZIP_STORED),
        FindingCode.TOO_MANY_FILES,
        "holds 40,000 files. Allowed are at most 5,000",
    ),
    "a huge list": (_huge_list, FindingCode.TOO_MANY_FILES, "list of contents of over 4 MB"),
    "a huge picture": (
        lambda: zip_of({"a.jpg": PHOTO, "big.png": png_that_claims(30_000, 30_000)}),
        FindingCode.TOO_MANY_PIXELS,
        r"'big.png' has .* pixels\. Allowed are at most 80 million in a JPEG, 20 million in a PNG",
    ),
    "a large picture": (
        lambda: zip_of({"big.png": png_that_claims(6_000, 5_000)}),
        FindingCode.TOO_MANY_PIXELS,
        "'big.png' has 6000 x 5000 pixels",
    ),
    "bzip2": (
        lambda: zip_of({"a.jpg": PHOTO}, method=zipfile.ZIP_BZIP2),
        FindingCode.COMPRESSION_METHOD,
        "method 12",
    ),
    "LZMA": (
        lambda: zip_of({"a.jpg": PHOTO}, method=zipfile.ZIP_LZMA),
        FindingCode.COMPRESSION_METHOD,
        "method 14",
    ),
    "no pictures": (
        lambda: zip_of({"notes.txt": b"hello", "clip.gif": b"GIF89a"}),
        FindingCode.NO_PICTURE,
        r"no usable picture\. Allowed are jpg, jpeg, png or webp",
    ),
    "nothing that decodes": (
        lambda: zip_of({"a.jpg": b"GIF89a" + bytes(90_000), "b.png": PHOTO[:9000], "c.webp": b""}),
        FindingCode.NO_PICTURE,
        "'a.jpg' cannot be read as a picture.*'c.webp' is empty.*'b.png' cannot be decoded",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_hostile_zip_is_refused_with_its_report(
    sets: TrainingSets, stored: Stored, given: Given, kind: str
) -> None:
    content, code, sentence = REFUSED[kind]
    upload = given("set.zip", content())
    tracemalloc.start()
    try:
        with pytest.raises(TrainingSetRefusedError, match=sentence) as caught:
            await sets.take_in([upload])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    report: Any = caught.value.report
    assert report["errors"][0]["code"] == code
    assert (caught.value.status_code, caught.value.code) == (422, "training_set_refused")
    assert stored() == []
    assert peak < 40_000_000


async def test_everything_wrong_with_a_zip_is_told_at_once(sets: TrainingSets, given: Given) -> None:
    content = bytearray(zip_of({"zeros.png": bytes(BIG)} | {f"{n}.txt": b"" for n in range(5_001)}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(TrainingSetRefusedError) as caught:
        await sets.take_in([given("set.zip", bytes(content))])
    report: Any = caught.value.report
    assert [error["code"] for error in report["errors"]] == ["too_many_files", "zip_bomb", "encrypted"]


async def test_what_plays_no_part_is_ignored_and_named(sets: TrainingSets, given: Given) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.webp", encoded(photo(1), "WEBP"))
        archive.writestr("./sub/b.JPG", encoded(photo(2)))
        archive.mkdir("empty.jpg/")
        for name in ("__MACOSX/._a.webp", "._a.jpg", ".hidden/c.jpg", "Thumbs.db"):
            archive.writestr(name, b"junk")
        for name in ("../up.jpg", "/root.jpg", "C:\\x.jpg", "..\\up.jpg", "clip.gif"):
            archive.writestr(name, PHOTO)
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("lone.txt", b"nobody's caption")
    taken = await sets.take_in([given("set.zip", buffer.getvalue())])
    assert taken.report.pictures == 2
    assert {(finding.file, finding.code.value) for finding in taken.report.ignored} == {
        *((name, "desktop_file") for name in ("__MACOSX/._a.webp", "._a.jpg", ".hidden/c.jpg", "Thumbs.db")),
        *((name, "climbing_path") for name in ("../up.jpg", "/root.jpg", "C:\\x.jpg", "..\\up.jpg")),
        ("clip.gif", "other_file"),
        ("link.jpg", "link"),
    }
    assert [(finding.file, finding.code.value) for finding in taken.report.warnings] == [
        ("lone.txt", "caption_without_picture"),
        (None, "few_pictures"),
    ]


async def test_names_of_every_script_become_plain_and_unique(sets: TrainingSets, given: Given) -> None:
    names = ["Hund am See.jpg", "犬.jpg", "собака.jpg", "x/Ä.jpg", "y/a.jpg", "A.PNG.jpg", "\u202egpj.jpg"]
    content = zip_of({name: encoded(photo(n)) for n, name in enumerate(names)} | {"犬.txt": "犬".encode()})
    taken = await sets.take_in([given("set.zip", content)])
    with zipfile.ZipFile(taken.path) as archive:
        found = archive.namelist()
        assert archive.read("picture_2.txt") == "犬".encode()
    assert all(name.isascii() and name.isprintable() and "/" not in name for name in found)
    assert len({name.lower() for name in found}) == 8
    assert {"Hund_am_See.jpg", "A.jpg", "a_2.jpg", "A.PNG.jpg"} <= set(found)


async def test_a_file_that_lies_about_its_size_is_not_unpacked_beyond_it(
    sets: TrainingSets, given: Given
) -> None:
    content = bytearray(zip_of({"a.png": bytes(BIG // 2), "b.jpg": PHOTO}))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    taken = await sets.take_in([given("set.zip", bytes(content))])
    assert next((f.file, f.code.value) for f in taken.report.warnings) == ("a.png", "undecodable")


async def test_any_damage_ends_in_a_report(sets: TrainingSets, given: Given) -> None:
    content = zip_of(
        {"a.jpg": encoded(photo(1, (64, 48))), "b.txt": b"x", "c.png": encoded(photo(2, (32, 32)), "PNG")}
    )
    chance = random.Random(7)  # noqa: S311 - the same damage in every run
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        # Damage may miss everything that matters; any other error fails the test.
        with suppress(TrainingSetRefusedError):
            await sets.take_in([given("set.zip", bytes(damaged))])


async def test_the_event_loop_goes_on_while_pictures_are_decoded(sets: TrainingSets, given: Given) -> None:
    content = zip_of({f"{n}.png": encoded(photo(n, (1200, 900)), "PNG", compress_level=1) for n in range(1)})
    taking = asyncio.create_task(sets.take_in([given("set.zip", content)]))
    turns = 0
    while not taking.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await taking).report.pictures == 1
    assert turns > 100
