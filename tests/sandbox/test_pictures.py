"""The sandbox's pictures: the same for the same request, of the right kind, and marked."""

import hashlib
import io
import subprocess
import sys

import pytest
from PIL import Image, ImageChops, ImageStat

from app.sandbox.pictures import draw
from app.sandbox.style import Style


@pytest.fixture(scope="module")
def blue_and_gold() -> Style:
    """A style with two strong colours and one piece of pure magenta, which no palette has."""
    piece = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 255)).save(piece, "PNG")
    return Style(palette=((10, 40, 200), (250, 200, 30)), pieces=(piece.getvalue(),))


def test_the_same_request_gives_the_same_bytes() -> None:
    assert draw("a cat by the sea", 7, (256, 256), "webp") == draw("a cat by the sea", 7, (256, 256), "webp")


def test_another_process_draws_the_same_picture() -> None:
    program = (
        "import hashlib; from app.sandbox.pictures import draw;"
        "print(hashlib.sha256(draw('a misty forest', 11, (256, 256), 'png')).hexdigest())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = hashlib.sha256(draw("a misty forest", 11, (256, 256), "png")).hexdigest()
    assert elsewhere.stdout.strip() == here


def test_prompt_seed_index_and_style_each_change_the_picture(blue_and_gold: Style) -> None:
    pictures = {
        draw("flowers", 1, (256, 256), "png"),
        draw("flowers.", 1, (256, 256), "png"),
        draw("flowers", 2, (256, 256), "png"),
        draw("flowers", 1, (256, 256), "png", index=1),
        draw("flowers", 1, (256, 256), "png", style=blue_and_gold),
    }
    assert len(pictures) == 5


@pytest.mark.parametrize(
    ("output_format", "name", "size"),
    [
        ("webp", "WEBP", (256, 256)),
        ("jpg", "JPEG", (333, 257)),
        ("png", "PNG", (640, 256)),
        ("webp", "WEBP", (256, 1440)),
        ("jpg", "JPEG", (2048, 1024)),
    ],
)
def test_a_picture_has_the_size_and_format_asked_for(
    output_format: str, name: str, size: tuple[int, int]
) -> None:
    with Image.open(io.BytesIO(draw("a city at night", 3, size, output_format))) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size) == (name, "RGB", size)


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'gif'"):
        draw("a cat", 1, (256, 256), "gif")


def test_a_lower_quality_makes_a_smaller_file() -> None:
    fine, coarse = (draw("mountains", 1, (512, 512), "jpg", quality) for quality in (95, 30))
    assert len(coarse) < len(fine) / 2


@pytest.mark.parametrize(
    "prompt",
    [
        "snowy mountains by a lake",
        "boats on the sea",
        "dunes",
        "forest",
        "a farm in a meadow",
        "tokyo at night",
        "saturn",
        "an old man with glasses",
        "portrait of a woman",
        "a black cat",
        "puppy in a garden",
        "fox",
        "bunny",
        "bear in the woods",
        "roses in a vase",
        "bauhaus tiles",
        "circles",
        "rainbow",
        "ribbons",
        "",
        "日本の猫 🐈 \ud800",
    ],
)
def test_every_kind_of_prompt_gives_a_picture_with_something_on_it(prompt: str) -> None:
    with Image.open(io.BytesIO(draw(prompt, 2**32 - 1, (128, 96), "png"))) as picture:
        assert picture.size == (128, 96)
        assert ImageStat.Stat(picture.convert("L")).stddev[0] > 5


@pytest.mark.parametrize("prompt", ["the sea at sunset", "stars at midnight", "snow", "bauhaus tiles"])
def test_every_picture_carries_the_same_mark_in_its_lower_right_corner(prompt: str) -> None:
    with Image.open(io.BytesIO(draw(prompt, 5, (512, 512), "png"))) as picture:
        label = picture.convert("L").crop((434, 484, 498, 502))
    letters = label.point([255 * (value > 225) for value in range(256)])
    ground = label.point([255 * (value < 140) for value in range(256)])
    # Nearly white type on a dark label, whatever the picture behind it is like.
    assert 0.05 < ImageStat.Stat(letters).mean[0] / 255 < 0.3
    assert ImageStat.Stat(ground).mean[0] / 255 > 0.6


def test_the_mark_is_the_same_shape_on_different_pictures() -> None:
    shapes = []
    for prompt in ("the sea at sunset", "stars at midnight"):
        with Image.open(io.BytesIO(draw(prompt, 5, (512, 512), "png"))) as picture:
            label = picture.convert("L").crop((434, 484, 498, 502))
            shapes.append(label.point([255 * (value > 190) for value in range(256)]))
    assert ImageStat.Stat(ImageChops.difference(*shapes)).mean[0] < 255 * 0.02


@pytest.mark.parametrize("seed", range(4))
def test_a_style_brings_its_palette_and_its_pieces(blue_and_gold: Style, seed: int) -> None:
    shares = []
    for style in (None, blue_and_gold):
        data = draw("TOK in the mountains", seed, (256, 256), "png", style=style)
        with Image.open(io.BytesIO(data)) as picture:
            red, green, blue = picture.split()
        magenta = ImageChops.darker(ImageChops.darker(red, blue), ImageChops.invert(green))
        shares.append(ImageStat.Stat(magenta.point([255 * (v > 200) for v in range(256)])).mean[0] / 255)
    plain, tuned = shares
    assert plain == 0
    assert tuned > 0.05


def test_without_pieces_a_style_still_colours_the_picture() -> None:
    crimson = Style(palette=((200, 20, 40), (90, 5, 20), (250, 190, 190)), pieces=())
    with Image.open(io.BytesIO(draw("mountains", 1, (256, 256), "png", style=crimson))) as picture:
        red, green, blue = ImageStat.Stat(picture).mean
    assert red > green + 30
    assert red > blue + 30


@pytest.mark.parametrize("palette", [(), ((128, 128, 128),)])
def test_a_poor_palette_is_enough(palette: tuple[tuple[int, int, int], ...]) -> None:
    for seed in range(3):
        data = draw("TOK", seed, (128, 128), "png", style=Style(palette=palette, pieces=()))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (128, 128)
