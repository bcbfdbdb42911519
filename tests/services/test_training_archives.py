import binascii
import contextlib
import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from app.errors import InvalidRequestError
from app.services.training_sets.archives import Contents, inspect_archive

Zipped = Callable[..., bytes]
Inspect = Callable[[bytes], Contents]


@pytest.fixture
def jpg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    return buffer.getvalue()


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
def inspect(tmp_path: Path) -> Inspect:
    def look(content: bytes) -> Contents:
        path = tmp_path / "000000"
        path.write_bytes(content)
        return inspect_archive(path, "set.zip")

    return look


def test_pictures_are_known_with_their_sizes(inspect: Inspect, zipped: Zipped, jpg: bytes) -> None:
    [picture] = inspect(zipped({"a/b.jpeg": jpg})).pictures
    assert (picture.name, picture.format, picture.width, picture.height) == ("a/b.jpeg", "jpg", 64, 64)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"Rar!\x1a\x07\x00", "'set.zip' is not a zip file"),
        (b"", "not a zip file"),
        (b"PK\x03\x04", "cut off or damaged"),
        (b"PK\x05\x06" + bytes(18), "holds no usable picture"),
    ],
)
def test_what_is_no_zip_is_refused(inspect: Inspect, content: bytes, refusal: str) -> None:
    with pytest.raises(InvalidRequestError, match=refusal):
        inspect(content)


def test_a_zip_cut_off_anywhere_or_with_a_hole_is_refused(
    inspect: Inspect, zipped: Zipped, jpg: bytes
) -> None:
    whole = zipped({"a.jpg": jpg, "b.jpg": jpg})
    for broken in (whole[:-1], whole[: len(whole) // 2], whole[:100] + whole[600:], whole[400:]):
        with pytest.raises(InvalidRequestError, match=r"cut off or damaged|not a zip"):
            inspect(broken)


def test_a_zip_without_pictures_is_refused(inspect: Inspect, zipped: Zipped) -> None:
    with pytest.raises(InvalidRequestError, match=r"no usable picture\. Allowed are jpg, jpeg, png or webp"):
        inspect(zipped({"notes.txt": b"hello", "clip.gif": b"GIF89a"}))


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0\x00"])
def test_a_picture_in_a_zip_that_cannot_be_read_is_refused_by_name(
    inspect: Inspect, zipped: Zipped, jpg: bytes, content: bytes
) -> None:
    with pytest.raises(InvalidRequestError, match=r"'bad\.png'"):
        inspect(zipped({"good.jpg": jpg, "bad.png": content}))


def test_encrypted_entries_are_refused(inspect: Inspect, zipped: Zipped, jpg: bytes) -> None:
    content = bytearray(zipped({"a.jpg": jpg}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidRequestError, match=r"'a\.jpg' in 'set\.zip' is encrypted"):
        inspect(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_refused(
    inspect: Inspect, zipped: Zipped, jpg: bytes, method: int
) -> None:
    with pytest.raises(InvalidRequestError, match=f"method {method}"):
        inspect(zipped({"a.jpg": jpg}, method=method))


def test_too_many_files_are_refused(inspect: Inspect, zipped: Zipped) -> None:
    with pytest.raises(InvalidRequestError, match=r"holds 5,001 files\. Allowed are at most 5,000"):
        inspect(zipped({f"{n}.txt": b"" for n in range(5_001)}))


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(
    inspect: Inspect, zipped: Zipped, jpg: bytes
) -> None:
    with pytest.raises(InvalidRequestError, match=r"'zeros\.bin' in 'set\.zip' unpacks to over 200 times"):
        inspect(zipped({"a.jpg": jpg, "zeros.bin": bytes(11_000_000)}))


def test_a_zip_that_unpacks_to_more_than_two_gigabytes_is_refused(
    inspect: Inspect, zipped: Zipped, jpg: bytes
) -> None:
    content = bytearray(zipped({"a.jpg": jpg}))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2_100_000_000)
    with pytest.raises(InvalidRequestError, match=r"unpacks to 2\.1 GB\. Allowed are at most 2 GB"):
        inspect(bytes(content))


def test_a_huge_list_of_contents_is_refused_before_it_is_read(inspect: Inspect) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(80):
            entry = zipfile.ZipInfo(f"{number}.jpg")
            entry.comment = bytes(65_000)
            archive.writestr(entry, b"")
    content = buffer.getvalue()
    tracemalloc.start()
    with pytest.raises(InvalidRequestError, match="list of contents of over 4 MB"):
        inspect(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(("width", "height"), [(12_000, 10_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(
    inspect: Inspect, zipped: Zipped, width: int, height: int
) -> None:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))
        for kind, data in chunks
    )
    with pytest.raises(
        InvalidRequestError, match=r"'big\.png' has .* pixels\. Allowed are at most 100 million"
    ):
        inspect(zipped({"big.png": png}))


def test_a_header_of_megabytes_is_read_in_pieces(inspect: Inspect, zipped: Zipped, jpg: bytes) -> None:
    extra = b"\xff\xed\xff\xff" + bytes(65_533)
    contents = inspect(zipped({"a.jpg": jpg[:2] + extra * 90 + jpg[2:]}, method=zipfile.ZIP_STORED))
    assert contents.pictures[0].width == 64


def test_a_webp_picture_larger_than_the_first_look_is_read(inspect: Inspect, zipped: Zipped) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((600, 600), 90).save(buffer, "WEBP", lossless=True)
    assert inspect(zipped({"a.webp": buffer.getvalue()})).pictures[0].format == "webp"


def test_any_damage_is_refused_in_a_sentence(inspect: Inspect, zipped: Zipped, jpg: bytes) -> None:
    content = zipped({"a.jpg": jpg[:300], "b.txt": b"x"})
    chance = random.Random(7)  # noqa: S311 - the same damage in every run
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        # Damage may miss everything that matters; any other error fails the test.
        with contextlib.suppress(InvalidRequestError):
            inspect(bytes(damaged))
