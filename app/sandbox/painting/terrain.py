"""What landscapes are built of: skies, ridges, waves, trees and small things that stand in them."""

import itertools
import math

from app.sandbox.painting.canvas import Canvas, Colour, Point, Stencil, mix
from app.sandbox.painting.palettes import Scheme


def sky(canvas: Canvas, scheme: Scheme, bottom: float, sun_at: Point, size: float = 0.08) -> None:
    canvas.wash(*scheme.sky, bottom=bottom)
    if bottom < canvas.height:
        canvas.wash(scheme.sky[2], top=bottom)
    if scheme.is_dark:
        canvas.stars(90, scheme.paper, bottom)
    (x, y), unit = sun_at, canvas.unit
    canvas.glow(x, y, unit * (0.3 + 2.2 * size), scheme.sun, 0.75)
    canvas.disc(
        x, y, unit * size, mix(scheme.sun, (255, 255, 255), 0.25), mix(scheme.sun, scheme.accent, 0.28)
    )
    canvas.clouds(4, mix(scheme.sky[2], scheme.paper, 0.4), bottom * 0.15, bottom * 0.6, 0.35)


def ridge(canvas: Canvas, base: float, amplitude: float, *, jagged: float) -> list[Point]:
    """A mountain line by halving and displacing; `jagged` (0 to 1) is how much of it survives a halving."""
    heights = [canvas.rng.uniform(-1, 1) for _ in range(4)]
    strength = 1.0
    while len(heights) < 150:
        strength *= jagged
        finer = [heights[0]]
        for before, after in itertools.pairwise(heights):
            finer += [(before + after) / 2 + canvas.rng.uniform(-strength, strength) * 0.8, after]
        heights = finer
    step = canvas.width / (len(heights) - 1)
    return [(index * step, base - height * amplitude) for index, height in enumerate(heights)]


def wave(canvas: Canvas, base: float, amplitude: float, turns: float) -> list[Point]:
    """A smooth line made of two waves."""
    first, second = canvas.rng.uniform(0, 6.3), canvas.rng.uniform(0, 6.3)
    aspect = canvas.width / canvas.unit
    return [
        (
            canvas.width * step / 80,
            base
            + amplitude * math.sin(first + step / 80 * turns * aspect * 6.3)
            + amplitude * 0.45 * math.sin(second + step / 80 * turns * aspect * 10.7),
        )
        for step in range(81)
    ]


def foam(canvas: Canvas, wave: list[Point], thick: float) -> Stencil:
    """Foam along a wave: here broad, there none."""
    start, turns = canvas.rng.uniform(0, 6.3), canvas.rng.uniform(3, 5)
    lower = [
        (x, y + thick * max(0.08, math.sin(start + turns * x / canvas.unit)) + thick * 0.12)
        for x, y in reversed(wave)
    ]
    return Stencil().polygon([*wave, *lower])


def down_to(line: list[Point], bottom: float) -> list[Point]:
    return [*line, (line[-1][0], bottom), (line[0][0], bottom)]


def in_mist(scheme: Scheme, depth: float) -> Colour:
    """What a ridge's colour becomes in the mist at its foot."""
    return mix(scheme.layer(depth), scheme.sky[2], 0.7 - 0.45 * depth)


def snow_caps(canvas: Canvas, scheme: Scheme, ridge: list[Point]) -> None:
    """Snow on the highest parts of a ridge, thin at its ends and with a ragged lower edge."""
    peak, foot = min(y for _, y in ridge), max(y for _, y in ridge)
    line = peak + (foot - peak) * 0.42
    low = [y + max(0.0, line - y) * canvas.rng.uniform(0.35, 0.95) for _, y in ridge]
    cap = Stencil().polygon(
        [*ridge, *((x, y) for (x, _), y in zip(reversed(ridge), reversed(low), strict=True))]
    )
    canvas.paint(cap, scheme.paper, mix(scheme.paper, scheme.far, 0.35), opacity=0.9)


def conifer(stencil: Stencil, x: float, ground: float, tall: float) -> None:
    stencil.rectangle(x - tall * 0.02, ground - tall * 0.2, x + tall * 0.02, ground + tall * 0.05)
    for tier in range(6):
        top = ground - tall * (1 - tier * 0.15)
        low, half = top + tall * 0.26, tall * (0.045 + 0.035 * tier)
        stencil.polygon([(x, top), (x + half, low), (x, low - tall * 0.035), (x - half, low)])


def row_of_conifers(canvas: Canvas, colour: Colour, ground: float, tall: float, *, spread: float) -> None:
    row, x = Stencil(), -canvas.unit * 0.02
    while x < canvas.width * 1.02:
        edge = abs(x / canvas.width - 0.5) * 2
        conifer(row, x, ground + canvas.unit * 0.02, tall * canvas.rng.uniform(0.6, 1.2) * (0.5 + 0.9 * edge))
        x += canvas.unit * spread * canvas.rng.uniform(0.4, 1.4)
    canvas.paint(row, colour)


def round_tree(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    canvas.paint(
        Stencil().rectangle(x - size * 0.1, y - size * 1.4, x + size * 0.1, y), mix(colour, (0, 0, 0), 0.35)
    )
    canvas.paint(
        Stencil().ellipse(x, y - size * 1.8, size * 0.85, size * 1.05),
        mix(colour, (255, 255, 255), 0.18),
        mix(colour, (0, 0, 0), 0.15),
    )


def house(canvas: Canvas, scheme: Scheme, x: float, y: float, size: float) -> None:
    canvas.paint(
        Stencil().rectangle(x - size * 0.6, y - size * 0.6, x + size * 0.6, y + size * 0.3), scheme.paper
    )
    roof = Stencil().polygon(
        [(x - size * 0.75, y - size * 0.58), (x, y - size * 1.2), (x + size * 0.75, y - size * 0.58)]
    )
    canvas.paint(roof, scheme.accent, mix(scheme.accent, scheme.ink, 0.25))
    canvas.paint(
        Stencil().rectangle(x - size * 0.12, y - size * 0.3, x + size * 0.12, y + size * 0.3), scheme.ink
    )


def sailboat(canvas: Canvas, scheme: Scheme, x: float, y: float) -> None:
    size = canvas.unit * 0.07
    canvas.paint(
        Stencil().polygon([(x, y - size * 2.1), (x, y - size * 0.12), (x + size * 0.95, y - size * 0.12)]),
        scheme.paper,
    )
    canvas.paint(
        Stencil().polygon(
            [
                (x - size * 0.1, y - size * 1.8),
                (x - size * 0.1, y - size * 0.12),
                (x - size * 0.7, y - size * 0.12),
            ]
        ),
        scheme.accent,
    )
    canvas.paint(
        Stencil().polygon(
            [
                (x - size, y),
                (x + size * 1.1, y),
                (x + size * 0.7, y + size * 0.3),
                (x - size * 0.65, y + size * 0.3),
            ]
        ),
        scheme.ink,
    )
