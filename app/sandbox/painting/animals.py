"""Animals that look at you."""

import math
from collections.abc import Collection

from app.sandbox.painting.canvas import Canvas, Colour, Point, Stencil, bend, luminance, mix, petal
from app.sandbox.painting.palettes import Scheme

_COATS: dict[str, Colour] = {
    "black": (44, 42, 52),
    "white": (246, 241, 232),
    "grey": (142, 146, 156),
    "gray": (142, 146, 156),
    "brown": (134, 89, 58),
    "red": (200, 84, 48),
    "orange": (226, 133, 62),
    "ginger": (226, 133, 62),
    "golden": (224, 172, 92),
    "blue": (92, 120, 158),
}


def portrait(canvas: Canvas, scheme: Scheme, words: Collection[str], kind: str) -> None:
    """Head and shoulders of a cat, dog, fox, rabbit or bear."""
    rng, unit = canvas.rng, canvas.unit
    usual = {"fox": (214, 104, 52), "bear": (126, 84, 58), "rabbit": (212, 190, 168)}.get(kind)
    coat = next((_COATS[word] for word in words if word in _COATS), None)
    coat = coat or usual or rng.choice([*list(_COATS.values())[:6], scheme.accent])
    light = mix(coat, (255, 248, 236), 0.78 if luminance(coat) < 225 else 0.3)
    dark = mix(coat, (30, 20, 26), 0.35)
    pink = mix((236, 150, 146), coat, 0.15)
    x, y, size = canvas.width / 2, canvas.height * 0.52, unit * 0.21

    waist = y + size * 3
    body = Stencil().ellipse(x, waist, size * 1.45, size * 2.3)
    body.rectangle(x - size * 1.45, waist, x + size * 1.45, max(waist, canvas.height))
    canvas.paint(body, mix(coat, dark, 0.25), dark)
    canvas.paint(
        Stencil().ellipse(x, waist - size * 0.2, size * 0.72, size * 1.75),
        light,
        mix(light, dark, 0.3),
    )
    for side in (-1, 1):
        _ear(canvas, kind, (x, y), size, side, coat, dark, pink)
    wide, tall, lift = {"dog": (0.98, 1.05, 0), "bear": (1.1, 0.93, 0), "fox": (1.04, 0.8, 0.13)}.get(
        kind, (1.08, 0.93, 0)
    )
    head = Stencil().ellipse(x, y - size * lift, size * wide, size * tall)
    if kind in ("cat", "fox"):
        for side in (-1, 1):
            head.polygon(
                [(x, y - size * 0.1), (x + side * size * 1.28, y + size * 0.34), (x, y + size * 1.0)]
            )
    canvas.paint(head, mix(coat, (255, 255, 255), 0.1), coat)
    if kind == "fox":
        for side in (-1, 1):
            tip, chin = (x + side * size * 1.3, y + size * 0.34), (x, y + size * 1.02)
            muzzle = (x - side * size * 0.01, y + size * 0.46)
            cheek = bend(muzzle, (x + side * size * 0.5, y - size * 0.3), tip)
            cheek += bend(tip, (x + side * size * 0.75, y + size * 0.82), chin)
            canvas.paint(Stencil().polygon(cheek), light)
    if kind == "cat":
        for shift in (-0.26, 0, 0.26):
            stripe = petal(
                (x + shift * size, y - size * 0.93), math.pi / 2 - shift * 0.5, size * 0.4, size * 0.12
            )
            canvas.paint(Stencil().polygon(stripe), dark, opacity=0.8)
    if kind in ("dog", "bear"):
        canvas.paint(Stencil().ellipse(x, y + size * 0.42, size * 0.56, size * 0.45), light)
    elif kind != "fox":
        canvas.paint(
            Stencil()
            .ellipse(x - size * 0.2, y + size * 0.42, size * 0.3, size * 0.25)
            .ellipse(x + size * 0.2, y + size * 0.42, size * 0.3, size * 0.25),
            light,
        )
    if kind == "dog":
        canvas.paint(
            Stencil().rectangle(
                x - size * 0.14, y + size * 0.6, x + size * 0.14, y + size * 0.95, size * 0.14
            ),
            (226, 110, 116),
        )
    _face(canvas, scheme, kind, (x, y), size, dark, pink)


def _ear(
    canvas: Canvas, kind: str, head: Point, size: float, side: int, coat: Colour, dark: Colour, pink: Colour
) -> None:
    x, y = head
    if kind in ("cat", "fox"):
        outer = [
            (x + side * size * 0.12, y - size * 0.72),
            (x + side * size * 0.86, y - size * 1.62),
            (x + side * size * 1.06, y - size * 0.1),
        ]
        middle = (sum(px for px, _ in outer) / 3, sum(py for _, py in outer) / 3)
        inner = [
            (middle[0] + (px - middle[0]) * 0.58, middle[1] + (py - middle[1]) * 0.58) for px, py in outer
        ]
        canvas.paint(Stencil().polygon(outer), dark if kind == "fox" else coat, coat)
        canvas.paint(Stencil().polygon(inner), pink)
    elif kind == "dog":
        canvas.paint(
            Stencil().polygon(
                petal(
                    (x + side * size * 0.62, y - size * 0.95),
                    math.pi / 2 - side * 0.42,
                    size * 1.75,
                    size * 0.75,
                    roundness=0.8,
                )
            ),
            dark,
        )
    elif kind == "rabbit":
        base, angle = (x + side * size * 0.34, y - size * 0.55), -math.pi / 2 + side * 0.2
        canvas.paint(Stencil().polygon(petal(base, angle, size * 1.55, size * 0.58, roundness=0.8)), coat)
        canvas.paint(Stencil().polygon(petal(base, angle, size * 1.4, size * 0.3, roundness=0.8)), pink)
    else:
        canvas.disc(x + side * size * 0.82, y - size * 0.72, size * 0.36, coat)
        canvas.disc(x + side * size * 0.82, y - size * 0.72, size * 0.2, pink)


def _face(
    canvas: Canvas, scheme: Scheme, kind: str, head: Point, size: float, dark: Colour, pink: Colour
) -> None:
    (x, y), ink = head, (32, 26, 34)
    iris = canvas.rng.choice([(236, 178, 62), (126, 178, 104), (96, 156, 190)]) if kind == "cat" else ink
    for side in (-1, 1):
        ex, ey = x + side * size * 0.44, y - size * 0.04
        radius = size * (0.19 if kind == "cat" else 0.125)
        canvas.disc(ex, ey, radius * 1.14, ink)
        canvas.disc(ex, ey, radius, mix(iris, ink, 0.25), iris)
        if kind == "cat":
            canvas.paint(
                Stencil().polygon(petal((ex, ey - radius * 0.9), math.pi / 2, radius * 1.8, radius * 0.8)),
                ink,
            )
        canvas.disc(ex - radius * 0.3, ey - radius * 0.35, radius * 0.28, (255, 255, 255))
    wide = size * (0.2 if kind in ("dog", "bear") else 0.12)
    ny = y + size * (0.84 if kind == "fox" else 0.28)
    nose = (
        Stencil().ellipse(x, ny, wide, wide * 0.75)
        if kind != "cat"
        else Stencil().polygon(
            [(x - wide, ny - wide * 0.5), (x + wide, ny - wide * 0.5), (x, ny + wide * 0.7)]
        )
    )
    canvas.paint(nose, pink if kind in ("cat", "rabbit") else ink)
    if kind == "fox":
        return
    for side in (-1, 1):
        smile = bend(
            (x, ny + wide * 0.6),
            (x + side * size * 0.1, ny + size * 0.3),
            (x + side * size * 0.3, ny + size * 0.2),
        )
        canvas.paint(Stencil().line(smile, size * 0.035), mix(dark, ink, 0.6))
        if kind in ("cat", "rabbit"):
            for lift in (-0.12, 0.02, 0.16):
                start = (x + side * size * 0.4, y + size * (0.42 + lift * 0.4))
                hair = bend(
                    start,
                    (x + side * size * 0.9, start[1] - size * 0.06),
                    (x + side * size * 1.35, start[1] + lift * size),
                )
                canvas.paint(Stencil().line(hair, size * 0.014), scheme.paper, opacity=0.9)
