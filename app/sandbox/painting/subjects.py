"""Subjects: a person, animals and flowers, painted before a place or a plain backdrop."""

import math
from collections.abc import Callable, Collection

from app.sandbox.painting import animals
from app.sandbox.painting.canvas import Canvas, Colour, Point, Stencil, bend, mix, petal
from app.sandbox.painting.palettes import Scheme
from app.sandbox.painting.patterns import ring

Subject = Callable[[Canvas, Scheme, Collection[str]], None]

_SKINS: tuple[Colour, ...] = ((247, 215, 190), (232, 184, 148), (201, 144, 105), (150, 98, 68), (104, 66, 48))


def backdrop(canvas: Canvas, scheme: Scheme) -> None:
    """A calm ground with one large disc, for a subject that stands nowhere in particular."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    canvas.wash(*scheme.sky)
    x, y = width * rng.uniform(0.44, 0.56), height * 0.45
    canvas.glow(x, y, unit * 0.75, scheme.sun, 0.8)
    canvas.disc(
        x, y, unit * 0.37, mix(scheme.second, scheme.sun, 0.25), mix(scheme.second, scheme.sky[2], 0.45)
    )
    ring(canvas, x, y, unit * 0.405, unit * 0.003, scheme.paper, 0.9)
    kind = rng.randrange(3)
    if kind == 0:
        for side in (-1, 1):
            base = (width / 2 + side * unit * 0.3, height * 1.02)
            tip = (width / 2 + side * unit * rng.uniform(0.42, 0.5), height * rng.uniform(0.3, 0.45))
            _sprig(canvas, base, tip, mix(scheme.far, scheme.near, 0.35 if side < 0 else 0.6), side)
    elif kind == 1:
        rays = Stencil()
        for index in range(48):
            turn, far = index / 48 * 2 * math.pi, unit * (0.46 if index % 2 else 0.5)
            start = (x + math.cos(turn) * unit * 0.43, y + math.sin(turn) * unit * 0.43)
            rays.line([start, (x + math.cos(turn) * far, y + math.sin(turn) * far)], unit * 0.005)
        canvas.paint(rays, scheme.paper, opacity=0.9)
    else:
        for index in range(14):
            turn = math.pi * (1 + index / 13)
            spot = (x + math.cos(turn) * unit * 0.46, y + math.sin(turn) * unit * 0.46)
            canvas.disc(*spot, unit * (0.012 if index % 2 else 0.02), scheme.chips()[index % 4], opacity=0.9)


def person(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """A head and shoulders with closed eyes."""
    rng, unit = canvas.rng, canvas.unit
    x, y, size = canvas.width / 2, canvas.height * 0.44, unit * 0.17
    skin = rng.choice(_SKINS)
    shade, hair = (
        mix(skin, (96, 40, 40), 0.22),
        rng.choice([scheme.ink, (70, 42, 32), (168, 92, 48), (214, 168, 96)]),
    )
    if {"old", "grandmother", "grandfather", "elderly", "wizard"} & set(words):
        hair = (214, 212, 210)
    long_hair = bool({"woman", "girl", "lady", "princess", "queen", "actress", "she", "mermaid"} & set(words))
    if not long_hair and not {"man", "boy", "king", "gentleman", "he", "guy"} & set(words):
        long_hair = rng.random() < 0.5
    if long_hair:
        fall = Stencil().ellipse(x, y - size * 0.12, size * 1.2, size * 1.3)
        fall.rectangle(
            x - size * 1.2, y - size * 0.1, x + size * 1.2, y + size * rng.uniform(1.2, 2.4), size * 0.55
        )
        canvas.paint(fall, mix(hair, (255, 255, 255), 0.06), hair)
    cloth = scheme.accent if skin != scheme.accent else scheme.second
    shoulders = Stencil().rectangle(
        x - size * 2.1, y + size * 1.75, x + size * 2.1, canvas.height + size * 2, size * 1.1
    )
    canvas.paint(shoulders, cloth, mix(cloth, scheme.ink, 0.3))
    canvas.paint(
        Stencil().ellipse(x, y + size * 1.82, size * 0.88, size * 0.48), mix(cloth, scheme.paper, 0.5)
    )
    neck = Stencil().rectangle(x - size * 0.4, y + size * 0.6, x + size * 0.4, y + size * 1.9, size * 0.15)
    canvas.paint(neck.ellipse(x, y + size * 1.8, size * 0.75, size * 0.38), mix(skin, shade, 0.6), skin)
    for side in (-1, 1):
        canvas.disc(x + side * size * 0.93, y + size * 0.08, size * 0.17, shade)
    canvas.paint(Stencil().ellipse(x, y, size * 0.93, size * 1.2), skin)
    cut = Stencil().ellipse(x, y - size * 0.25, size * 1.04, size * 1.12)
    part = rng.choice((-1, 1)) * size * rng.uniform(0.2, 0.55)
    cut.ellipse(x + part, y + size * 0.48, size * 1.12, size * 1.14, cut=True)
    if not long_hair:
        cut.rectangle(x - size * 1.2, y - size * 0.02, x + size * 1.2, y + size * 1.4, cut=True)
    canvas.paint(cut, mix(hair, (255, 255, 255), 0.1), hair)
    if long_hair and rng.random() < 0.4:
        canvas.disc(x, y - size * 1.5, size * 0.45, hair)
    for side in (-1, 1):
        ex, ey = x + side * size * 0.4, y + size * 0.12
        canvas.paint(
            Stencil().line(
                bend((ex - size * 0.19, ey), (ex, ey + size * 0.17), (ex + size * 0.19, ey)), size * 0.05
            ),
            scheme.ink,
        )
        brow = bend(
            (ex - size * 0.22, ey - size * 0.24), (ex, ey - size * 0.36), (ex + size * 0.22, ey - size * 0.24)
        )
        canvas.paint(Stencil().line(brow, size * 0.055), mix(hair, scheme.ink, 0.4))
        canvas.glow(x + side * size * 0.5, y + size * 0.46, size * 0.34, (230, 92, 84), 0.5)
    nose = [
        (x - size * 0.02, y + size * 0.14),
        (x + size * 0.1, y + size * 0.48),
        (x - size * 0.06, y + size * 0.52),
    ]
    canvas.paint(Stencil().line(nose, size * 0.04), shade)
    lips = Stencil().polygon(petal((x - size * 0.22, y + size * 0.76), 0, size * 0.44, size * 0.17))
    canvas.paint(lips, mix((196, 68, 72), skin, 0.2))
    if {"glasses", "spectacles", "hipster", "nerd", "professor", "scientist"} & set(words):
        for side in (-1, 1):
            ring(canvas, x + side * size * 0.4, y + size * 0.13, size * 0.3, size * 0.05, scheme.ink)
        canvas.paint(
            Stencil().line([(x - size * 0.1, y + size * 0.1), (x + size * 0.1, y + size * 0.1)], size * 0.05),
            scheme.ink,
        )


def animal(kind: str) -> Subject:
    """A subject that looks at you: cat, dog, fox, rabbit or bear."""

    def paint(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
        animals.portrait(canvas, scheme, words, kind)

    return paint


def flowers(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """A bouquet, in a vase when one is asked for or by chance."""
    rng, unit = canvas.rng, canvas.unit
    in_vase = "vase" in words or rng.random() < 0.5
    foot = (canvas.width / 2, canvas.height * (0.66 if in_vase else 1.04))
    stalk = mix(scheme.near, (64, 120, 84), 0.45)
    heads: list[tuple[Point, float]] = []
    for index in range(7):
        lean = (index - 3) / 3 + rng.uniform(-0.12, 0.12)
        tip = (
            foot[0] + lean * unit * 0.36,
            canvas.height * (0.36 + 0.13 * abs(lean)) + unit * rng.uniform(-0.14, 0.08),
        )
        stem = bend(foot, (foot[0] + lean * unit * 0.05, (foot[1] + tip[1]) / 2), tip)
        canvas.paint(Stencil().line(stem, unit * 0.0075), stalk)
        for place in (rng.randrange(7, 12), rng.randrange(12, 18)):
            side = rng.choice((-1, 1))
            leaf = petal(stem[place], -math.pi / 2 + side * rng.uniform(0.5, 1.1), unit * 0.13, unit * 0.042)
            canvas.paint(Stencil().polygon(leaf), mix(stalk, scheme.second, 0.3), stalk, opacity=0.92)
        heads.append((tip, unit * rng.uniform(0.07, 0.105)))
    rng.shuffle(heads)
    tones = [scheme.accent, scheme.second, mix(scheme.accent, scheme.sun, 0.5), scheme.paper]
    for index, (tip, size) in enumerate(heads):
        _blossom(canvas, scheme, tip, size, tones[index % len(tones)], rng.randrange(3))
    if in_vase:
        _vase(canvas, scheme, foot)


def _sprig(canvas: Canvas, base: Point, tip: Point, colour: Colour, side: int) -> None:
    """A stem with leaves in pairs."""
    stem = bend(base, (base[0] + side * canvas.unit * 0.02, (base[1] + tip[1]) / 2), tip)
    leaves = Stencil().line(stem, canvas.unit * 0.005)
    for index in range(4, 25, 3):
        length = canvas.unit * 0.1 * (1.15 - index / 40)
        for turn in (-0.85, 0.85):
            leaves.polygon(petal(stem[index], -math.pi / 2 + side * 0.15 + turn, length, length * 0.36))
    canvas.paint(leaves, mix(colour, (255, 255, 255), 0.15), colour, opacity=0.92)


def _blossom(canvas: Canvas, scheme: Scheme, middle: Point, size: float, tone: Colour, kind: int) -> None:
    start = canvas.rng.uniform(0, math.pi)
    if kind == 2:  # a tulip
        for turn in (-0.5, 0.5, 0):
            cup = petal((middle[0], middle[1] + size * 0.6), -math.pi / 2 + turn, size * 1.7, size * 0.9)
            canvas.paint(
                Stencil().polygon(cup), mix(tone, scheme.paper, 0.3), mix(tone, scheme.ink, 0.12), opacity=0.9
            )
        return
    count, width = ((12, 0.34), (6, 0.85))[kind]
    for ring_size, ring_tone in ((1.0, mix(tone, scheme.ink, 0.1)), (0.72, mix(tone, scheme.paper, 0.22))):
        for index in range(count):
            angle = start + index / count * 2 * math.pi + (ring_size < 1) * math.pi / count
            shape = petal(middle, angle, size * ring_size, size * width * ring_size, roundness=0.7)
            canvas.paint(Stencil().polygon(shape), ring_tone, opacity=0.88)
    canvas.disc(
        *middle, size * 0.22, mix(scheme.sun, scheme.second, 0.5), mix(scheme.second, scheme.ink, 0.3)
    )
    canvas.disc(*middle, size * 0.1, scheme.ink, opacity=0.75)


def _vase(canvas: Canvas, scheme: Scheme, mouth: Point) -> None:
    (x, y), unit = mouth, canvas.unit
    canvas.paint(
        Stencil().ellipse(x, canvas.height * 0.955, unit * 0.27, unit * 0.03),
        scheme.ink,
        opacity=0.35,
        blur=unit * 0.012,
    )
    foot = canvas.height * 0.95
    right = bend(
        (x + unit * 0.075, y - unit * 0.02),
        (x + unit * 0.05, y + unit * 0.05),
        (x + unit * 0.16, (y + foot) / 2),
    )
    right += bend(
        (x + unit * 0.16, (y + foot) / 2), (x + unit * 0.2, foot - unit * 0.04), (x + unit * 0.085, foot)
    )
    body = Stencil().polygon([*right, *((2 * x - px, py) for px, py in reversed(right))])
    glaze = mix(scheme.far, scheme.paper, 0.25)
    canvas.paint(body, mix(glaze, scheme.paper, 0.35), glaze, mix(glaze, scheme.near, 0.55))
    shine = petal((x - unit * 0.095, (y + foot) / 2 - unit * 0.06), math.pi / 2, unit * 0.16, unit * 0.028)
    canvas.paint(Stencil().polygon(shine), scheme.paper, opacity=0.5)
