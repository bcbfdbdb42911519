"""Paints results: new pictures, and edits on which the input can still be seen.  Everything here blocks."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter, ImageOps

from app.sandbox.bfl.tasks import Method, Sample
from app.sandbox.pictures import finish, paint
from app.sandbox.style import Style

_SUFFIXES = {"jpeg": "jpg"}


def render(sample: Sample, inputs: Sequence[Path], mask: Path | None, style: Style | None) -> bytes:
    """The picture of a task as a file; with a `style` what is new on it takes after a fine-tune."""
    painted = paint(sample.prompt, sample.seed, (sample.width, sample.height), style=style)
    pictures = [_opened(path) for path in inputs]
    match sample.method:
        case Method.PAINT:
            image = _painted_over(pictures, painted, sample.keep) if pictures else painted
        case Method.FILL:
            where = _mask(mask, pictures[0])
            image = Image.composite(painted, pictures[0].convert("RGB"), where)
        case Method.EXPAND:
            image = painted
            image.paste(pictures[0].convert("RGB"), (sample.left, sample.top))
        case Method.ERASE:
            original = pictures[0].convert("RGB")
            faded = original.filter(ImageFilter.GaussianBlur(max(original.size) / 12))
            image = Image.composite(faded, original, _mask(mask, pictures[0]))
        case Method.SHARPEN:
            image = pictures[0].convert("RGB").filter(ImageFilter.UnsharpMask(radius=3, percent=180))
    return finish(image, _SUFFIXES.get(sample.output_format, sample.output_format), 90)


def _opened(path: Path) -> Image.Image:
    """The picture in a file, upright."""
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGBA")


def _painted_over(pictures: Sequence[Image.Image], painted: Image.Image, keep: float) -> Image.Image:
    """The pictures side by side under a translucent layer of paint."""
    ground = Image.new("RGB", painted.size)
    for index, picture in enumerate(pictures):
        left, right = (painted.width * edge // len(pictures) for edge in (index, index + 1))
        part = ImageOps.fit(picture.convert("RGB"), (right - left, painted.height))
        ground.paste(part, (left, 0))
    return Image.blend(painted, ground, keep)


def _mask(mask: Path | None, picture: Image.Image) -> Image.Image:
    """White where something is to happen: as the mask says, or where the picture is transparent."""
    if mask is None:
        return ImageChops.invert(picture.getchannel("A"))
    return _opened(mask).convert("L")
