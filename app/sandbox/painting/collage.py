"""Collages: how pieces of the training pictures come into a tuned model's picture."""

import io
import math
from collections.abc import Sequence

from PIL import Image

from app.sandbox.painting.canvas import Canvas, Stencil, mix
from app.sandbox.painting.palettes import Scheme
from app.sandbox.painting.patterns import ring, tile


def open_pieces(pieces: Sequence[bytes]) -> list[Image.Image]:
    """The pieces as pictures."""
    return [Image.open(io.BytesIO(piece)).convert("RGB") for piece in pieces]


def medallion(canvas: Canvas, scheme: Scheme, pieces: Sequence[Image.Image]) -> None:
    """One piece in a large disc, others on an orbit around it."""
    rng, unit = canvas.rng, canvas.unit
    x, y, radius = canvas.width / 2, canvas.height * 0.47, unit * 0.25
    ring(canvas, x, y, unit * 0.375, unit * 0.004, scheme.paper, 0.85)
    _disc(canvas, scheme, pieces[0], x, y, radius)
    others = [pieces[1 + index % (len(pieces) - 1)] if len(pieces) > 1 else pieces[0] for index in range(5)]
    start = rng.uniform(0, 2 * math.pi)
    for index, piece in enumerate(others):
        turn = start + index / len(others) * 2 * math.pi
        small = unit * (0.085 if index % 2 else 0.065)
        _disc(
            canvas, scheme, piece, x + math.cos(turn) * unit * 0.375, y + math.sin(turn) * unit * 0.375, small
        )


def frieze(canvas: Canvas, scheme: Scheme, pieces: Sequence[Image.Image]) -> None:
    """Three framed pieces in a row, the middle one larger."""
    unit, count = canvas.unit, 3
    widths = [unit * (0.34 if index == 1 else 0.235) for index in range(count)]
    gap = unit * 0.04
    left, bottom = (canvas.width - sum(widths) - (count - 1) * gap) / 2, canvas.height * 0.62
    for index, wide in enumerate(widths):
        tall = wide * 1.12
        _window(canvas, scheme, pieces[index % len(pieces)], left, bottom - tall, wide, tall)
        left += wide + gap


def quilt(canvas: Canvas, scheme: Scheme, pieces: Sequence[Image.Image]) -> None:
    """A quilt whose squares are patterns and pieces by turns."""
    rng = canvas.rng
    side = canvas.unit / 4
    columns, rows = round(canvas.width / side), round(canvas.height / side)
    wide, tall = canvas.width / columns, canvas.height / rows
    canvas.wash(scheme.paper)
    shift, turn = rng.randrange(2), rng.randrange(len(pieces))
    gap = canvas.unit * 0.006
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide, row * tall
            if (row + column + shift) % 2:
                tile(canvas, scheme, left, top, wide, tall)
                continue
            piece = pieces[turn % len(pieces)]
            turn += 1
            shape = Stencil().rectangle(
                left + gap, top + gap, left + wide - gap, top + tall - gap, wide * 0.14
            )
            canvas.inlay(shape, piece)


def _disc(canvas: Canvas, scheme: Scheme, piece: Image.Image, x: float, y: float, radius: float) -> None:
    lift = radius * 0.08
    canvas.paint(Stencil().ellipse(x, y + lift, radius * 1.06), scheme.ink, opacity=0.4, blur=radius * 0.1)
    canvas.disc(x, y, radius * 1.07, scheme.paper)
    canvas.inlay(Stencil().ellipse(x, y, radius), piece)


def _window(
    canvas: Canvas, scheme: Scheme, piece: Image.Image, left: float, top: float, wide: float, tall: float
) -> None:
    edge = canvas.unit * 0.011
    right, bottom, radius = left + wide, top + tall, wide * 0.16
    shadow = Stencil().rectangle(left, top + edge, right, bottom + edge * 2, radius)
    canvas.paint(shadow, scheme.ink, opacity=0.4, blur=wide * 0.06)
    frame = Stencil().rectangle(left - edge, top - edge, right + edge, bottom + edge, radius + edge)
    canvas.paint(frame, scheme.paper, mix(scheme.paper, scheme.sky[2], 0.4))
    canvas.inlay(Stencil().rectangle(left, top, right, bottom, radius), piece)
