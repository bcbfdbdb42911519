"""Patterns: pictures of shapes and colours only, and the tiles that collages are made of."""

import math

from app.sandbox.painting.canvas import Canvas, Colour, Stencil, mix
from app.sandbox.painting.palettes import Scheme


def tiles(canvas: Canvas, scheme: Scheme) -> None:
    """A quilt of quarter circles, rings and leaves."""
    side = canvas.unit / canvas.rng.choice((4, 5, 6))
    columns, rows = round(canvas.width / side), round(canvas.height / side)
    wide, tall = canvas.width / columns, canvas.height / rows
    canvas.wash(scheme.paper)
    for column in range(columns):
        for row in range(rows):
            tile(canvas, scheme, column * wide, row * tall, wide, tall)


def tile(canvas: Canvas, scheme: Scheme, left: float, top: float, wide: float, tall: float) -> None:
    """One square of a quilt, in two or three of the palette's colours."""
    rng, side = canvas.rng, max(wide, tall)
    colours = list(dict.fromkeys((*scheme.chips(), scheme.paper)))
    ground, shape = rng.sample(colours, 2) if len(colours) > 1 else (scheme.paper, scheme.ink)
    dot = rng.choice([colour for colour in (*colours, scheme.ink) if colour != shape])
    square = Stencil().rectangle(left, top, left + wide + 0.5, top + tall + 0.5)
    canvas.paint(square, ground)
    kind, x, y = rng.randrange(7), left + wide / 2, top + tall / 2
    turn = rng.randrange(4)
    corner_x, corner_y = left + wide * (turn in (1, 2)), top + tall * (turn in (2, 3))
    if kind <= 1:
        canvas.paint(Stencil().slice(corner_x, corner_y, side, turn * 90, turn * 90 + 90), shape)
        if kind == 1:
            canvas.paint(Stencil().slice(corner_x, corner_y, side * 0.55, turn * 90, turn * 90 + 90), dot)
    elif kind == 2:
        canvas.disc(x, y, side * 0.36, shape)
        canvas.disc(x, y, side * 0.15, dot)
    elif kind == 3:
        half = Stencil().slice(
            x,
            y - tall / 2 * (1 if turn % 2 else -1),
            side / 2,
            0 if turn % 2 else 180,
            180 if turn % 2 else 360,
        )
        canvas.paint(half, shape)
    elif kind == 4:
        for level in range(3):
            band = top + tall * (level * 2 + 0.5) / 6
            canvas.paint(Stencil().rectangle(left, band, left + wide + 0.5, band + tall / 6), shape)
    elif kind == 5:
        leaf = Stencil().polygon(_leaf(left, top, wide, tall, flip=turn % 2 == 0))
        canvas.paint(leaf, shape)
    else:
        canvas.paint(Stencil().polygon([(left, top), (left + wide, top), (corner_x, top + tall)]), shape)


def orbs(canvas: Canvas, scheme: Scheme) -> None:
    """Translucent circles that overlap, held together by thin orbits."""
    rng, unit = canvas.rng, canvas.unit
    canvas.wash(*scheme.sky)
    for colour in (scheme.sun, scheme.far):
        canvas.glow(canvas.width * rng.random(), canvas.height * rng.random(), unit * 0.8, colour, 0.6)
    middle = canvas.width * rng.uniform(0.42, 0.58), canvas.height * rng.uniform(0.42, 0.58)
    for index in range(9):
        colour = scheme.chips()[index % 5]
        reach, turn = unit * rng.uniform(0.05, 0.36), rng.uniform(0, 2 * math.pi)
        radius = unit * (0.29 - 0.025 * index) * rng.uniform(0.8, 1.15)
        x, y = middle[0] + math.cos(turn) * reach, middle[1] + math.sin(turn) * reach
        canvas.disc(x, y, radius, mix(colour, scheme.paper, 0.25), colour, opacity=0.62)
    for _ in range(4):
        radius = unit * rng.uniform(0.2, 0.48)
        ring(canvas, *middle, radius, unit * 0.0028, scheme.paper, 0.8)
        turn = rng.uniform(0, 2 * math.pi)
        x, y = middle[0] + radius * math.cos(turn), middle[1] + radius * math.sin(turn)
        canvas.disc(x, y, unit * rng.uniform(0.008, 0.018), scheme.ink)


def arches(canvas: Canvas, scheme: Scheme) -> None:
    """Rainbows of earth and sky, a sun between them."""
    rng, unit = canvas.rng, canvas.unit
    canvas.wash(*scheme.sky)
    sun_x = canvas.width * rng.uniform(0.3, 0.7)
    canvas.glow(sun_x, canvas.height * 0.25, unit * 0.6, scheme.sun, 0.7)
    canvas.disc(
        sun_x, canvas.height * 0.25, unit * 0.12, scheme.accent, mix(scheme.accent, scheme.second, 0.5)
    )
    for x_share, size in (
        (rng.uniform(0.1, 0.25), 0.42),
        (rng.uniform(0.75, 0.92), 0.5),
        (rng.uniform(0.4, 0.6), 0.34),
    ):
        colours = list(scheme.chips())
        rng.shuffle(colours)
        x = canvas.width * x_share
        for step in range(6):
            radius = unit * size * (1 - step * 0.16)
            spring = canvas.height - unit * (0.5 - size) * 0.7
            arch = (
                Stencil()
                .ellipse(x, spring, radius)
                .rectangle(x - radius, spring, x + radius, canvas.height + 2)
            )
            colour = colours[step % len(colours)]
            canvas.paint(arch, mix(colour, scheme.paper, 0.12), colour)


def ribbons(canvas: Canvas, scheme: Scheme) -> None:
    """Bands that flow across the picture and cast soft shadows on each other."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    canvas.wash(*scheme.sky)
    sun = (width * rng.uniform(0.25, 0.75), height * 0.22)
    canvas.glow(*sun, unit * 0.5, scheme.sun, 0.8)
    canvas.disc(*sun, unit * 0.1, mix(scheme.sun, scheme.paper, 0.3), scheme.sun)
    first, second, lean = rng.uniform(0, 6.3), rng.uniform(0, 6.3), rng.uniform(-0.25, 0.25)
    colours = [
        scheme.far,
        scheme.second,
        mix(scheme.far, scheme.sun, 0.4),
        scheme.accent,
        mix(scheme.far, scheme.near, 0.5),
        scheme.near,
    ]
    for index, colour in enumerate(colours):
        drift = index * 0.35
        line = [
            (
                width * step / 60,
                height * (0.38 + 0.1 * index + lean * (step / 60 - 0.5))
                + unit * 0.1 * math.sin(first + drift + step / 60 * 4.4)
                + unit * 0.05 * math.sin(second - drift + step / 60 * 8.2),
            )
            for step in range(61)
        ]
        body = [*line, (width, height), (0, height)]
        canvas.paint(
            Stencil().polygon([(x, y - unit * 0.012) for x, y in body]),
            scheme.ink,
            opacity=0.3,
            blur=unit * 0.014,
        )
        canvas.paint(Stencil().polygon(body), mix(colour, scheme.paper, 0.22), colour)
        canvas.paint(Stencil().line(line, unit * 0.003), scheme.paper, opacity=0.55)


def ring(
    canvas: Canvas, x: float, y: float, radius: float, thick: float, colour: Colour, opacity: float = 1
) -> None:
    """A circle's line."""
    line = Stencil().ellipse(x, y, radius + thick / 2).ellipse(x, y, radius - thick / 2, cut=True)
    canvas.paint(line, colour, opacity=opacity)


def _leaf(left: float, top: float, wide: float, tall: float, *, flip: bool) -> list[tuple[float, float]]:
    """Two quarter circles from corner to corner."""
    points = []
    for step in range(17):
        turn = step / 16 * math.pi / 2
        points.append((math.sin(turn), 1 - math.cos(turn)))
    points += [(y, x) for x, y in reversed(points)]
    return [(left + wide * (1 - x if flip else x), top + tall * y) for x, y in points]
