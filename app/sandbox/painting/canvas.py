"""A canvas with smooth edges: Pillow's drawing, supersampled, with gradients, glows and translucent paint."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Colour = tuple[int, int, int]
Point = tuple[float, float]

_GRAIN_SIDE = 256
_GRAIN_STRENGTH = 4


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way (0 to 1) from `first` to `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def luminance(colour: Colour) -> float:
    """How bright the eye finds a colour, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def petal(base: Point, angle: float, length: float, width: float, *, roundness: float = 1.0) -> list[Point]:
    """The outline of a leaf or petal that grows from `base` towards `angle` (radians)."""
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    outline = []
    for step in range(24):
        turn = step / 24 * 2 * math.pi
        distance = length * (1 - math.cos(turn)) / 2
        spread = width / 2 * math.copysign(abs(math.sin(turn)) ** roundness, math.sin(turn))
        outline.append(
            (
                base[0] + along[0] * distance + across[0] * spread,
                base[1] + along[1] * distance + across[1] * spread,
            )
        )
    return outline


def bend(start: Point, control: Point, end: Point, steps: int = 24) -> list[Point]:
    """A quadratic curve as a list of points."""
    points = []
    for step in range(steps + 1):
        t = step / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append(
            (a * start[0] + b * control[0] + c * end[0], a * start[1] + b * control[1] + c * end[1])
        )
    return points


class Stencil:
    """Shapes to be painted in one go.  Shapes with `cut=True` take away from those before them."""

    def __init__(self) -> None:
        self._shapes: list[tuple[str, list[Point], float, int]] = []

    def polygon(self, points: Iterable[Point], *, cut: bool = False) -> "Stencil":
        return self._add("polygon", list(points), 0, cut)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float | None = None, *, cut: bool = False
    ) -> "Stencil":
        tall = rx if ry is None else ry
        return self._add("ellipse", [(x - rx, y - tall), (x + rx, y + tall)], 0, cut)

    def rectangle(
        self, left: float, top: float, right: float, bottom: float, radius: float = 0, *, cut: bool = False
    ) -> "Stencil":
        return self._add("rectangle", [(left, top), (right, bottom)], radius, cut)

    def line(self, points: Iterable[Point], width: float) -> "Stencil":
        return self._add("line", list(points), width, False)

    def slice(
        self, x: float, y: float, radius: float, start: float, end: float, *, cut: bool = False
    ) -> "Stencil":
        """A slice of a disc between two angles in degrees, clockwise from three o'clock."""
        step = (end - start) / 32
        arc = [math.radians(start + step * i) for i in range(33)]
        return self.polygon(
            [(x, y), *((x + radius * math.cos(a), y + radius * math.sin(a)) for a in arc)], cut=cut
        )

    def _add(self, kind: str, points: list[Point], extra: float, cut: bool) -> "Stencil":
        self._shapes.append((kind, points, extra, 0 if cut else 255))
        return self

    def cut_out(self, width: int, height: int) -> tuple[Image.Image, tuple[int, int, int, int]] | None:
        """The smooth-edged mask and where it lies; nothing when all of it is off the canvas."""
        if not self._shapes:
            return None
        xs = [x for _, points, _, _ in self._shapes for x, _ in points]
        ys = [y for _, points, _, _ in self._shapes for _, y in points]
        margin = 2 + max(extra for _, _, extra, _ in self._shapes)
        left, top = max(0, math.floor(min(xs) - margin)), max(0, math.floor(min(ys) - margin))
        right, bottom = min(width, math.ceil(max(xs) + margin)), min(height, math.ceil(max(ys) + margin))
        if right <= left or bottom <= top:
            return None
        scale = 2 if (right - left) * (bottom - top) > 200_000 else 4
        mask = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
        draw = ImageDraw.Draw(mask)
        for kind, points, extra, value in self._shapes:
            placed = [((x - left) * scale, (y - top) * scale) for x, y in points]
            if kind == "polygon":
                draw.polygon(placed, fill=value)
            elif kind == "ellipse":
                draw.ellipse(placed, fill=value)
            elif kind == "rectangle":
                draw.rounded_rectangle(placed, radius=extra * scale, fill=value)
            else:
                draw.line(placed, fill=value, width=max(1, round(extra * scale)), joint="curve")
        return mask.reduce(scale), (left, top, right, bottom)


class Canvas:
    """A picture being painted; lengths are its pixels, `unit` is its shorter side."""

    def __init__(self, width: int, height: int, rng: Random) -> None:
        self.width, self.height, self.unit = width, height, min(width, height)
        self.rng = rng
        self.image = Image.new("RGB", (width, height))

    def wash(self, *stops: Colour, top: float = 0, bottom: float | None = None) -> None:
        """Cover a horizontal band, by default everything, with a gradient from top to bottom."""
        first, last = round(top), self.height if bottom is None else round(bottom)
        if last > first:
            self.image.paste(_gradient(stops, self.width, last - first), (0, first))

    def paint(self, stencil: Stencil, *stops: Colour, opacity: float = 1.0, blur: float = 0) -> None:
        """Paint through a stencil with one colour or a gradient from top to bottom."""
        cut = stencil.cut_out(self.width, self.height)
        if cut is None:
            return
        mask, box = cut
        if blur:
            mask, box = _soften(mask, box, blur, (self.width, self.height))
        if opacity < 1:
            mask = mask.point([round(value * opacity) for value in range(256)])
        if len(stops) == 1:
            self.image.paste(stops[0], box, mask)
        else:
            self.image.paste(_gradient(stops, box[2] - box[0], box[3] - box[1]), box, mask)

    def inlay(self, stencil: Stencil, picture: Image.Image) -> None:
        """Let a picture, trimmed to the stencil's proportions, show through a stencil."""
        cut = stencil.cut_out(self.width, self.height)
        if cut is not None:
            mask, box = cut
            size = (box[2] - box[0], box[3] - box[1])
            self.image.paste(ImageOps.fit(picture, size, Image.Resampling.BICUBIC), box, mask)

    def disc(self, x: float, y: float, radius: float, *stops: Colour, opacity: float = 1.0) -> None:
        self.paint(Stencil().ellipse(x, y, radius), *stops, opacity=opacity)

    def glow(
        self, x: float, y: float, rx: float, colour: Colour, strength: float, ry: float | None = None
    ) -> None:
        """A soft light that fades out at `rx` (and `ry`) from its middle."""
        wide, tall = max(1, round(rx)), max(1, round(rx if ry is None else ry))
        mask = _falloff().resize((2 * wide, 2 * tall), Image.Resampling.BILINEAR)
        mask = mask.point([round(value * strength) for value in range(256)])
        self.image.paste(colour, (round(x) - wide, round(y) - tall), mask)

    def stars(self, count: int, colour: Colour, bottom: float) -> None:
        for _ in range(count):
            x, y = self.rng.uniform(0, self.width), self.rng.uniform(0, bottom)
            size = self.unit * self.rng.choice((0.0012, 0.0016, 0.0022, 0.0034))
            self.disc(x, y, size, colour, opacity=self.rng.uniform(0.35, 1) * (1 - 0.7 * y / bottom))

    def clouds(self, count: int, colour: Colour, top: float, bottom: float, opacity: float = 0.5) -> None:
        """Long flat clouds with soft edges."""
        for _ in range(count):
            x, y = self.rng.uniform(0, self.width), self.rng.uniform(top, bottom)
            length = self.unit * self.rng.uniform(0.15, 0.42)
            cloud = Stencil()
            for _ in range(4):
                part = length * self.rng.uniform(0.35, 0.8)
                shift, rise = self.rng.uniform(-0.5, 0.5) * length, self.rng.uniform(-0.02, 0.02) * self.unit
                thin = self.unit * self.rng.uniform(0.007, 0.017)
                cloud.ellipse(x + shift, y + rise, part / 2, thin)
            self.paint(cloud, colour, opacity=opacity, blur=self.unit * 0.004)

    def mirror(self, horizon: float, tint: Colour) -> None:
        """Turn what lies below `horizon` into still water that mirrors what is above it."""
        line = round(horizon)
        depth = self.height - line
        above = self.image.crop((0, max(0, line - depth), self.width, line))
        water = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((self.width, depth))
        water = water.filter(ImageFilter.BoxBlur((self.unit * 0.006, self.unit * 0.002)))
        water = Image.blend(water, Image.new("RGB", water.size, tint), 0.28)
        self.image.paste(water, (0, line))
        light = self.image.getpixel((self.width // 2, max(0, line // 2)))
        if isinstance(light, tuple):
            ripples = Stencil()
            for _ in range(26):
                y = line + depth * self.rng.random() ** 1.6
                x, half = self.rng.uniform(0, self.width), self.unit * self.rng.uniform(0.02, 0.12)
                thin = self.unit * 0.0012
                ripples.rectangle(x - half, y - thin, x + half, y + thin, thin)
            self.paint(ripples, (light[0], light[1], light[2]), opacity=0.45)

    def soften(self, radius: float) -> None:
        """Put everything painted so far out of focus."""
        small = self.image.reduce(2).filter(ImageFilter.GaussianBlur(radius / 2))
        self.image = small.resize(self.image.size, Image.Resampling.BILINEAR)


def with_grain(image: Image.Image) -> Image.Image:
    """The picture on slightly rough paper, which also hides the steps in long gradients."""
    sheet = Image.new("RGB", image.size)
    for left in range(0, image.width, _GRAIN_SIDE):
        for top in range(0, image.height, _GRAIN_SIDE):
            sheet.paste(_grain(), (left, top))
    return ImageChops.add(image, sheet, 1, -128)


@cache
def _grain() -> Image.Image:
    noise = Image.frombytes(
        "L",
        (_GRAIN_SIDE, _GRAIN_SIDE),
        Random(1).randbytes(_GRAIN_SIDE**2),  # noqa: S311 - paper, not a secret
    )
    level = [128 + round((value - 127.5) / 127.5 * _GRAIN_STRENGTH) for value in range(256)]
    return noise.point(level).convert("RGB")


@cache
def _falloff() -> Image.Image:
    """Full in the middle and nothing at the rim, with no visible edge in between."""
    ramp = [round(255 * (max(0.0, 1 - value / 181) ** 2)) for value in range(256)]
    return Image.radial_gradient("L").point(ramp)


def _gradient(stops: Sequence[Colour], width: int, height: int) -> Image.Image:
    if len(stops) == 1:
        return Image.new("RGB", (width, height), stops[0])
    strip = Image.new("RGB", (1, len(stops)))
    strip.putdata(list(stops))
    # The half pixel at either end has only one neighbour: leaving it out makes the gradient even throughout.
    column = strip.resize((1, height), Image.Resampling.BILINEAR, box=(0, 0.5, 1, len(stops) - 0.5))
    return column.resize((width, height), Image.Resampling.NEAREST)


def _soften(
    mask: Image.Image, box: tuple[int, int, int, int], radius: float, size: tuple[int, int]
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A blurred mask, in a box that has grown enough for the blur not to be cut off."""
    reach = math.ceil(radius * 2.5)
    left, top = max(0, box[0] - reach), max(0, box[1] - reach)
    right, bottom = min(size[0], box[2] + reach), min(size[1], box[3] + reach)
    room = Image.new("L", (right - left, bottom - top))
    room.paste(mask, (box[0] - left, box[1] - top))
    return room.filter(ImageFilter.GaussianBlur(radius)), (left, top, right, bottom)
