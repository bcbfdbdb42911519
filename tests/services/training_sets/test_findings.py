"""What is said of pictures that are poor to learn from."""

import io
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from app.datasets import DatasetReport
from app.services.training_sets import TrainingSets
from app.services.training_sets.likeness import BLURRED_BELOW, looks_of, near_duplicates
from tests.services.training_sets.conftest import Given
from tests.services.training_sets.photos import encoded, photo, zip_of

EXAMPLES = Path(__file__).parents[3] / "examples" / "training_pictures.zip"


def _examples() -> list[Image.Image]:
    with zipfile.ZipFile(EXAMPLES) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        return [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]


async def _report(sets: TrainingSets, given: Given, files: Mapping[str, bytes]) -> DatasetReport:
    return (await sets.take_in([given("set.zip", zip_of(files))])).report


def _warned(report: DatasetReport) -> list[tuple[str | None, str]]:
    return [(finding.file, finding.code.value) for finding in report.warnings]


async def test_ten_good_pictures_are_not_spoken_of(sets: TrainingSets, given: Given) -> None:
    report = await _report(sets, given, {f"{n}.jpg": encoded(photo(n)) for n in range(10)})
    assert (report.errors, report.warnings, report.ignored) == ((), (), ())


async def test_each_file_is_warned_of_for_what_is_wrong_with_it(sets: TrainingSets, given: Given) -> None:
    whole = encoded(photo(1))
    report = await _report(
        sets,
        given,
        {
            "broken.jpg": whole[: len(whole) // 2],
            "long.jpg": encoded(photo(2, (1800, 560))),
            "small.jpg": encoded(photo(3, (511, 700))),
            "soft.jpg": encoded(photo(4).filter(ImageFilter.GaussianBlur(4))),
            "latin.jpg": encoded(photo(5)),
            "latin.txt": "Hündchen".encode("latin-1"),
            "novel.jpg": encoded(photo(6)),
            "novel.txt": b"x" * 65_537,
            "lone.txt": b"text",
        },
    )
    assert _warned(report) == [
        ("latin.txt", "caption_unusable"),
        ("lone.txt", "caption_without_picture"),
        ("novel.txt", "caption_unusable"),
        ("broken.jpg", "undecodable"),
        ("long.jpg", "extreme_ratio"),
        ("small.jpg", "too_small"),
        ("soft.jpg", "blurred"),
        (None, "few_pictures"),
    ]
    assert (report.pictures, report.captions) == (5, 0)


async def test_equal_and_similar_pictures_are_told_apart(sets: TrainingSets, given: Given) -> None:
    picture = photo(7)
    report = await _report(
        sets,
        given,
        {
            "a.jpg": encoded(picture),
            "b.jpg": encoded(picture),
            "c.png": encoded(picture.resize((1000, 750)), "PNG"),
            "d.jpg": encoded(photo(8)),
            "e.jpg": encoded(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        },
    )
    assert _warned(report) == [("b.jpg", "duplicate"), ("c.png", "near_duplicate"), (None, "few_pictures")]
    assert [finding.message for finding in report.warnings][:2] == [
        "'b.jpg' is the same picture as 'a.jpg'.",
        "'c.png' looks almost like 'a.jpg'.",
    ]


@pytest.mark.parametrize("number", range(12))
def test_the_measures_fit_pictures_as_people_have_them(number: int) -> None:
    picture = _examples()[number]
    looks = looks_of(picture.convert("L"))
    assert looks.sharpness is not None
    assert looks.sharpness > 10 * BLURRED_BELOW
    soft = picture.filter(ImageFilter.GaussianBlur(2 * max(picture.size) / 512))
    assert looks_of(soft.convert("L")).is_blurred
    changed = [
        Image.open(io.BytesIO(encoded(picture, quality=40))),
        picture.resize((400, 400)),
        ImageEnhance.Brightness(picture).enhance(1.15),
    ]
    hashes = [looks.hash, *(looks_of(each.convert("L")).hash for each in changed)]
    assert [later for later, _ in near_duplicates(hashes)] == [1, 2, 3]


def test_different_pictures_of_one_subject_are_no_near_duplicates() -> None:
    assert list(near_duplicates([looks_of(each.convert("L")).hash for each in _examples()])) == []


def test_of_plain_surfaces_nothing_is_said() -> None:
    looks = looks_of(Image.new("L", (800, 600), 70))
    assert (looks.hash, looks.is_blurred) == (None, False)
    wall = Image.new("L", (800, 600), 70)
    ImageDraw.Draw(wall).rectangle((300, 200, 340, 240), fill=90)
    assert not looks_of(wall).is_blurred


def test_near_duplicates_are_found_as_by_comparing_all() -> None:
    chance = random.Random(3)  # noqa: S311 - the same hashes in every run
    hashes: list[int | None] = [None]
    for _ in range(300):
        value = chance.getrandbits(64)
        hashes.append(value)
        for bit in chance.sample(range(64), chance.randrange(9)):
            value ^= 1 << bit
        hashes.append(value)
    found = {later for later, _ in near_duplicates(hashes)}
    known = [value or 0 for value in hashes]
    expected = {
        later
        for later in range(2, len(known))
        if any((known[later] ^ known[earlier]).bit_count() <= 6 for earlier in range(1, later))
    }
    assert found == expected
    assert 100 < len(found) < 300
