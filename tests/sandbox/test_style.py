"""What a training learns from its zip, and the zips that it must survive."""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from app.sandbox.style import NoPicturesError, NotAZipError, Style, learn
from examples.make_training_pictures import make_zip

EXAMPLE = Path(__file__).parents[2] / "examples" / "training_pictures.zip"

MakeZip = Callable[[dict[str, bytes]], Path]


@pytest.fixture
def make(tmp_path: Path) -> MakeZip:
    def make(members: dict[str, bytes]) -> Path:
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def red() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), (210, 30, 40)).save(file, "PNG")
    return file.getvalue()


def test_the_palette_and_pieces_come_from_the_pictures(make: MakeZip, red: bytes) -> None:
    style, names = learn(make({"one.png": red, "two.png": red}))
    assert names == ["one.png", "two.png"]
    assert all(math.dist(colour, (210, 30, 40)) < 12 for colour in style.palette)
    with Image.open(io.BytesIO(style.pieces[0])) as piece:
        assert max(piece.size) <= 96
        assert piece.convert("RGB").getpixel((48, 48)) == (210, 30, 40)


def test_what_is_no_picture_is_passed_over(make: MakeZip, red: bytes) -> None:
    members = {
        "__MACOSX/._one.png": red,
        "._one.png": red,
        ".DS_Store": b"\0",
        "folder/": b"",
        "folder/one.png": red,
        "one.txt": b"a photo of TOK",
        "broken.png": red[:60],
        "page.jpg": b"<html>not found</html>",
        "empty.webp": b"",
    }
    _, names = learn(make(members))
    assert names == ["folder/one.png"]


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04" + b"\0" * 100])
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(content)
    with pytest.raises(NotAZipError, match=r"set\.zip"):
        learn(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAZipError):
        learn(tmp_path / "none.zip")


@pytest.mark.parametrize("members", [{}, {"a.txt": b"words"}, {"a.jpg": b"not a picture"}])
def test_a_zip_without_pictures_is_refused(make: MakeZip, members: dict[str, bytes]) -> None:
    with pytest.raises(NoPicturesError, match=r"set\.zip"):
        learn(make(members))


def test_a_damaged_member_does_not_spoil_the_others(make: MakeZip, red: bytes) -> None:
    path = make({"bad.png": b"x" * 4000 + red, "good.png": red})
    data = bytearray(path.read_bytes())
    data[45] ^= 0xFF
    path.write_bytes(data)
    assert learn(path)[1] == ["good.png"]


def test_an_encrypted_member_does_not_spoil_the_others(make: MakeZip, red: bytes) -> None:
    path = make({"locked.png": red, "good.png": red})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert learn(path)[1] == ["good.png"]


def test_a_bomb_of_bytes_is_not_unpacked(tmp_path: Path, red: bytes) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("good.png", red)
        with archive.open("bomb.png", "w") as bomb:
            for _ in range(36):
                bomb.write(bytes(2**20))
    assert learn(path)[1] == ["good.png"]


def test_a_bomb_of_pixels_is_not_decoded(make: MakeZip, red: bytes) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    assert learn(make({"bomb.png": bomb, "good.png": red}))[1] == ["good.png"]


def test_a_turned_photograph_is_studied_upright(make: MakeZip) -> None:
    photo = Image.new("RGB", (200, 200), (0, 0, 255))
    photo.paste((255, 0, 0), (0, 0, 100, 200))  # red on the left; turned clockwise, red is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=95, exif=exif)
    style, _ = learn(make({"photo.jpg": file.getvalue()}))
    with Image.open(io.BytesIO(style.pieces[0])) as piece:
        top, bottom = (piece.convert("RGB").getpixel((48, y)) for y in (2, 93))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > 60 > bottom[0]


def test_a_style_survives_json() -> None:
    style = Style(palette=((1, 2, 3), (250, 0, 9)), pieces=(b"\x89PNG\0", b""))
    assert Style.from_json(style.to_json()) == style


def test_the_example_set_is_twelve_pictures_and_some_captions() -> None:
    style, names = learn(EXAMPLE)
    assert len(names) == 12
    with zipfile.ZipFile(EXAMPLE) as archive:
        for name in names:
            with Image.open(archive.open(name)) as picture:
                picture.load()
                assert picture.size == (768, 768)
        captions = [name for name in archive.namelist() if name.endswith(".txt")]
        assert all(archive.read(name).startswith(b"TOK, ") for name in captions)
    assert len(captions) == 4
    assert EXAMPLE.stat().st_size < 1_200_000
    assert len(style.to_json()) < 64_000
    assert any(math.dist(colour, (216, 66, 54)) < 25 for colour in style.palette)


def test_the_example_set_is_what_its_script_makes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    make_zip(first, 1)
    make_zip(second, 1)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as made, zipfile.ZipFile(EXAMPLE) as kept:
        assert made.namelist() == kept.namelist()[:2]
        assert made.read("robot_01.txt") == kept.read("robot_01.txt")
        pictures = [Image.open(archive.open("robot_01.jpg")) for archive in (made, kept)]
        # Another build of the JPEG library may round differently.
        assert ImageStat.Stat(ImageChops.difference(*pictures)).mean[0] < 2


@pytest.mark.parametrize("count", [0, 13])
def test_the_example_script_knows_twelve_views(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        make_zip(tmp_path / "set.zip", count)
