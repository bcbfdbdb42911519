"""The sandbox's pictures: drawn from prompt and seed, the same ones always give the same picture."""

import hashlib
import io
import re
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw, ImageFont

from app.sandbox.painting import collage, palettes, patterns, places, subjects, vocabulary
from app.sandbox.painting.canvas import Canvas, with_grain
from app.sandbox.painting.palettes import Scheme
from app.sandbox.style import Style

_LONGEST_SIDE = 1440  # larger pictures are painted at this size and enlarged: only their grain is finer
_MARK = "sandbox"


def draw(
    prompt: str,
    seed: int,
    size: tuple[int, int],
    output_format: str,
    quality: int = 80,
    *,
    index: int = 0,
    style: Style | None = None,
) -> bytes:
    """An encoded picture.  Blocks, about a tenth of a second: call it in a thread.

    `output_format` is `webp`, `jpg` or `png`; `index` tells the pictures of one request apart.
    """
    return finish(paint(prompt, seed, size, index=index, style=style), output_format, quality)


def paint(
    prompt: str, seed: int, size: tuple[int, int], *, index: int = 0, style: Style | None = None
) -> Image.Image:
    """A picture of that width and height without the mark.  Blocks.

    With a `style` the picture takes after what a training saw.
    """
    rng = Random(_key(prompt, seed, index))  # noqa: S311 - a picture, not a secret
    words = list(dict.fromkeys(re.findall(r"[a-z]+", prompt.lower())))
    shrink = min(1.0, _LONGEST_SIDE / max(size))
    canvas = Canvas(max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)), rng)
    pieces = collage.open_pieces(style.pieces) if style else []
    if style:
        _in_style(canvas, palettes.from_colours(style.palette, rng), words, pieces)
    else:
        _from_words(canvas, palettes.choose(words, rng), words)
    image = canvas.image
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return with_grain(image)


def finish(image: Image.Image, output_format: str, quality: int = 80) -> bytes:
    """`image`, which gets the mark, as a file.  Blocks."""
    _mark(image)
    return _encode(image, output_format, quality)


def _key(prompt: str, seed: int, index: int) -> int:
    text = f"{seed}\n{index}\n{prompt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def _from_words(canvas: Canvas, scheme: Scheme, words: Sequence[str]) -> None:
    """Paint what the prompt speaks of; what the palette and chance like when it says nothing known."""
    subject = vocabulary.subject_of(words)
    place = vocabulary.place_of(words)
    pattern = vocabulary.pattern_of(words)
    if subject:
        if place:
            place(canvas, scheme, words)
            canvas.soften(canvas.unit * 0.008)
        else:
            subjects.backdrop(canvas, scheme)
        subject(canvas, scheme, words)
    elif place:
        place(canvas, scheme, words)
    elif pattern or "abstract" in words or canvas.rng.random() < 0.5:
        chosen = pattern or canvas.rng.choice(
            [patterns.tiles, patterns.orbs, patterns.arches, patterns.ribbons]
        )
        chosen(canvas, scheme)
    else:
        landscapes = [places.mountains, places.sea, places.dunes, places.forest, places.meadow]
        canvas.rng.choice(landscapes)(canvas, scheme, words)


def _in_style(canvas: Canvas, scheme: Scheme, words: Sequence[str], pieces: list[Image.Image]) -> None:
    """Paint in the training's palette, with pieces of its pictures in front."""
    canvas.rng.shuffle(pieces)
    place = vocabulary.place_of(words)
    if not pieces:
        _from_words(canvas, scheme, words)
    elif place:
        place(canvas, scheme, words)
        canvas.soften(canvas.unit * 0.004)
        canvas.rng.choice([collage.medallion, collage.frieze])(canvas, scheme, pieces)
    elif canvas.rng.random() < 0.4:
        collage.quilt(canvas, scheme, pieces)
    else:
        canvas.rng.choice([patterns.ribbons, patterns.arches, subjects.backdrop])(canvas, scheme)
        canvas.rng.choice([collage.medallion, collage.frieze])(canvas, scheme, pieces)


def _mark(image: Image.Image) -> None:
    """A small label in the lower right corner: this picture came from no real model."""
    font = ImageFont.load_default(round(7 + min(image.size) * 0.0125))
    left, top, right, bottom = font.getbbox(_MARK)
    room = (bottom - top) * 0.55
    margin = (bottom - top) * 0.9
    x2, y2 = image.width - margin, image.height - margin
    x1, y1 = x2 - (right - left) - 2.2 * room, y2 - (bottom - top) - 2 * room
    box = (int(x1), int(y1), int(x2) + 1, int(y2) + 1)
    corner = image.crop(box)
    scale = 4
    pill = Image.new("L", (corner.width * scale, corner.height * scale))
    ImageDraw.Draw(pill).rounded_rectangle(
        (0, 0, pill.width - 1, pill.height - 1), radius=pill.height / 2, fill=150
    )
    corner.paste((16, 14, 22), (0, 0), pill.reduce(scale))
    origin = ((corner.width - right + left) / 2 - left, (corner.height - bottom + top) / 2 - top)
    ImageDraw.Draw(corner).text(origin, _MARK, font=font, fill=(255, 252, 246))
    image.paste(corner, box)


def _encode(image: Image.Image, output_format: str, quality: int) -> bytes:
    file = io.BytesIO()
    match output_format:
        case "webp":
            image.save(file, "WEBP", quality=quality, method=1)
        case "jpg":
            image.save(file, "JPEG", quality=quality)
        case "png":
            image.save(file, "PNG", compress_level=1)
        case _:
            raise ValueError(f"output_format is {output_format!r}; it must be webp, jpg or png.")
    return file.getvalue()
