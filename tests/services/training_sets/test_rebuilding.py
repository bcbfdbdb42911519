"""What a picture looks like when it is sent."""

import io
import zipfile

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from app.services.training_sets import TrainingSets
from tests.services.training_sets.conftest import Given
from tests.services.training_sets.photos import GPS_TEXT, encoded, exif_of, photo

PHOTO = photo(5)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


async def _sent(sets: TrainingSets, given: Given, name: str, content: bytes) -> tuple[str, bytes]:
    """The name and the bytes under which a picture is sent."""
    taken = await sets.take_in([given(name, content)])
    with zipfile.ZipFile(taken.path) as archive:
        [sent] = archive.namelist()
        return sent, archive.read(sent)


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def _difference(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures are apart on average, of 255."""
    return float(max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_an_upright_picture_keeps_its_pixels_and_loses_its_metadata(
    sets: TrainingSets, given: Given, kind: str
) -> None:
    content = encoded(PHOTO, kind, exif=exif_of(), icc_profile=PROFILE)
    assert GPS_TEXT in content
    name, sent = await _sent(sets, given, f"a.{kind.lower()}", content)
    assert name == f"a.{'jpg' if kind == 'JPEG' else kind.lower()}"
    assert GPS_TEXT not in sent
    assert not _opened(sent).getexif()
    assert _opened(sent).info["icc_profile"] == PROFILE
    assert _opened(sent).tobytes() == _opened(content).tobytes()


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 1.5), ("PNG", 0.0)])
async def test_a_turned_picture_is_sent_upright(
    sets: TrainingSets, given: Given, kind: str, tolerance: float, orientation: int
) -> None:
    turned = encoded(PHOTO, kind, exif=exif_of(orientation=orientation))
    _, sent = await _sent(sets, given, f"a.{kind.lower()}", turned)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]
    upright = _opened(turned).transpose(Image.Transpose(back))
    assert _opened(sent).size == upright.size
    assert _opened(sent).format == kind
    assert _difference(_opened(sent), upright) <= tolerance
    assert GPS_TEXT not in sent
    assert not _opened(sent).getexif()


@pytest.mark.parametrize("orientation", [5, 6])
async def test_a_turned_webp_is_sent_as_png(sets: TrainingSets, given: Given, orientation: int) -> None:
    content = encoded(PHOTO, "WEBP", lossless=True, exif=exif_of(orientation=orientation))
    name, sent = await _sent(sets, given, "a.webp", content)
    assert name == "a.png"
    assert _opened(sent).size == (540, 720)


@pytest.mark.parametrize(
    ("mode", "kind", "sent_as"),
    [
        *(("L", "JPEG", "JPEG"), ("CMYK", "JPEG", "JPEG"), ("L", "PNG", "PNG"), ("P", "PNG", "PNG")),
        *(("1", "PNG", "PNG"), ("LA", "PNG", "PNG"), ("RGBA", "PNG", "PNG"), ("RGBA", "WEBP", "PNG")),
    ],
)
async def test_every_other_mode_becomes_rgb(
    sets: TrainingSets, given: Given, mode: str, kind: str, sent_as: str
) -> None:
    picture = PHOTO.convert(mode)
    if mode == "RGBA":
        picture.putpixel((0, 0), (0, 0, 0, 0))
    _, sent = await _sent(sets, given, f"a.{kind.lower()}", encoded(picture, kind))
    assert (_opened(sent).mode, _opened(sent).format) == ("RGB", sent_as)
    assert _difference(_opened(sent), picture) < 4


async def test_what_is_transparent_becomes_white(sets: TrainingSets, given: Given) -> None:
    clear = Image.new("RGBA", (600, 600), (255, 0, 0, 0))
    _, sent = await _sent(sets, given, "a.png", encoded(clear, "PNG"))
    assert _opened(sent).getpixel((300, 300)) == (255, 255, 255)


async def test_sixteen_bits_of_gray_are_scaled_to_eight(sets: TrainingSets, given: Given) -> None:
    gray = Image.new("I;16", (600, 600), 0x8000)
    _, sent = await _sent(sets, given, "a.png", encoded(gray, "PNG"))
    assert _opened(sent).getpixel((9, 9)) == (128, 128, 128)


async def test_pictures_and_data_behind_a_jpeg_are_cut_off(sets: TrainingSets, given: Given) -> None:
    several = encoded(PHOTO, "MPO", save_all=True, append_images=[photo(6)])
    name, sent = await _sent(sets, given, "a.jpg", several + b"a film with its " + GPS_TEXT)
    assert name == "a.jpg"
    assert (_opened(sent).format, _opened(sent).size) == ("JPEG", (720, 540))
    assert sent.endswith(b"\xff\xd9")
    assert len(sent) < 0.7 * len(several)
    assert GPS_TEXT not in sent


async def test_of_an_animation_the_first_picture_is_sent(sets: TrainingSets, given: Given) -> None:
    animated = encoded(PHOTO, "WEBP", save_all=True, append_images=[photo(6)], lossless=True)
    name, sent = await _sent(sets, given, "a.webp", animated)
    assert name == "a.png"
    assert _difference(_opened(sent), PHOTO) == 0


async def test_comments_and_texts_are_gone(sets: TrainingSets, given: Given) -> None:
    texts = Image.new("RGB", (600, 600))
    _, jpeg = await _sent(sets, given, "a.jpg", encoded(texts, comment=b"secret"))
    turned = encoded(texts, comment=b"secret", exif=exif_of(orientation=6), xmp=b"<x>secret</x>")
    _, other = await _sent(sets, given, "a.jpg", turned)
    assert b"secret" not in jpeg + other


async def test_a_progressive_jpeg_stays_whole(sets: TrainingSets, given: Given) -> None:
    content = encoded(PHOTO, progressive=True, exif=exif_of())
    _, sent = await _sent(sets, given, "a.jpg", content)
    assert _opened(sent).tobytes() == _opened(content).tobytes()


async def test_a_header_of_megabytes_is_read_and_dropped(sets: TrainingSets, given: Given) -> None:
    plain = encoded(PHOTO)
    extra = b"\xff\xed\xff\xff" + bytes(65_533)
    _, sent = await _sent(sets, given, "a.jpg", plain[:2] + extra * 90 + plain[2:])
    assert sent == plain


async def test_a_huge_turned_jpeg_is_sent_at_half_its_size(sets: TrainingSets, given: Given) -> None:
    huge = encoded(Image.new("RGB", (6000, 5000), "teal"), exif=exif_of(orientation=6))
    _, sent = await _sent(sets, given, "a.jpg", huge)
    assert _opened(sent).size == (2500, 3000)
