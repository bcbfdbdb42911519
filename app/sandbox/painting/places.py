"""Places: each paints a whole landscape on the canvas."""

import math
from collections.abc import Callable, Collection

from app.sandbox.painting import terrain
from app.sandbox.painting.canvas import Canvas, Stencil, bend, mix
from app.sandbox.painting.palettes import Scheme

Place = Callable[[Canvas, Scheme, Collection[str]], None]


def mountains(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """Ridges that fade into the distance, now and then above a lake."""
    rng, unit, width = canvas.rng, canvas.unit, canvas.width
    lake = bool({"lake", "lakes", "river", "water", "reflection"} & set(words)) or rng.random() < 0.3
    ground = canvas.height * (0.68 if lake else 1.0)
    terrain.sky(
        canvas, scheme, ground, sun_at=(rng.uniform(0.2, 0.8) * width, ground * rng.uniform(0.25, 0.42))
    )
    for index in range(5):
        depth = index / 4
        base = ground * (0.5 + 0.42 * depth)
        ridge = terrain.ridge(canvas, base, unit * (0.2 - 0.09 * depth), jagged=0.56)
        colour = scheme.layer(depth)
        canvas.paint(
            Stencil().polygon(terrain.down_to(ridge, ground)),
            mix(colour, scheme.ink, 0.06),
            terrain.in_mist(scheme, depth),
        )
        if index <= (2 if {"snow", "snowy", "winter", "alps"} & set(words) else 1):
            terrain.snow_caps(canvas, scheme, ridge)
        canvas.glow(rng.uniform(0, width), base + unit * 0.16, width * 0.6, scheme.sky[2], 0.3, unit * 0.1)
    if lake:
        canvas.mirror(ground, mix(scheme.near, scheme.sky[0], 0.5))
    else:
        terrain.row_of_conifers(canvas, scheme.ink, ground * 0.99, unit * 0.11, spread=0.045)


def sea(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """Open water, the sun's path on it, and waves that come closer."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    horizon = height * rng.uniform(0.5, 0.58)
    sun_x = width * rng.uniform(0.25, 0.75)
    terrain.sky(canvas, scheme, horizon, sun_at=(sun_x, horizon - unit * rng.uniform(0.02, 0.2)), size=0.12)
    if rng.random() < 0.6:
        island = terrain.ridge(canvas, horizon + unit * 0.04, unit * 0.1, jagged=0.5)
        canvas.paint(
            Stencil().polygon(terrain.down_to(island, horizon + 2)), scheme.far, scheme.sky[2], opacity=0.85
        )
    canvas.wash(mix(scheme.sky[2], scheme.far, 0.55), mix(scheme.far, scheme.near, 0.35), top=horizon)
    glitter = Stencil()
    for step in range(46):
        y = horizon + (step / 46) ** 1.5 * (height - horizon) * 0.75 + unit * 0.004
        half = unit * rng.uniform(0.01, 0.075) * (0.5 + 1.2 * step / 46)
        x, thin = sun_x + rng.gauss(0, unit * 0.04), unit * (0.0012 + 0.0028 * step / 46)
        glitter.rectangle(x - half, y - thin, x + half, y + thin, thin)
    canvas.paint(glitter, mix(scheme.sun, scheme.sky[2], 0.2), opacity=0.75)
    if {"boat", "boats", "ship", "sail", "sailing", "sailboat", "yacht"} & set(words) or rng.random() < 0.45:
        terrain.sailboat(canvas, scheme, width * rng.choice((0.28, 0.7)), horizon + unit * 0.1)
    for index in range(4):
        depth = (index + 1) / 4
        base = horizon + (height - horizon) * (0.3 + 0.55 * depth**1.1)
        wave = terrain.wave(canvas, base, unit * (0.008 + 0.016 * depth), 2.4 - 1.2 * depth)
        colour = scheme.layer(0.25 + 0.6 * depth)
        shape = Stencil().polygon(terrain.down_to(wave, height))
        canvas.paint(shape, mix(colour, scheme.sky[2], 0.12), mix(colour, scheme.near, 0.5), opacity=0.92)
        canvas.paint(terrain.foam(canvas, wave, unit * 0.011 * (0.4 + depth)), scheme.paper, opacity=0.75)


def dunes(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """Smooth dunes under a large sun, each with a lit and a shaded side."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    horizon = height * rng.uniform(0.5, 0.6)
    terrain.sky(
        canvas,
        scheme,
        height * 0.75,
        sun_at=(width * rng.uniform(0.25, 0.75), horizon - unit * 0.16),
        size=0.17,
    )
    for index in range(5):
        depth = index / 4
        base = horizon + (height - horizon) * (0.06 + 0.72 * depth)
        crest = terrain.wave(canvas, base, unit * (0.03 + 0.05 * depth), 1.5 - 0.5 * depth)
        lit, shade = mix(scheme.layer(depth), scheme.sun, 0.3), scheme.layer(min(1, depth + 0.12))
        canvas.paint(Stencil().polygon(terrain.down_to(crest, height)), lit, shade)
        peak = min(range(len(crest)), key=lambda i: crest[i][1])
        top = crest[peak]
        foot = (top[0] + unit * rng.uniform(-0.3, -0.1), top[1] + unit * 0.5)
        edge = bend(foot, (top[0] - unit * 0.02, top[1] + unit * 0.22), top)
        side = [*edge, *crest[peak:], (width, foot[1])]
        canvas.paint(Stencil().polygon(side), shade, scheme.layer(min(1, depth + 0.3)), opacity=0.55)


def forest(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """Conifers in the mist, dark ones in front."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    sun = (width * rng.uniform(0.25, 0.75), height * rng.uniform(0.22, 0.36))
    terrain.sky(canvas, scheme, height, sun_at=sun, size=0.1)
    for index in range(5):
        depth = index / 4
        base = height * (0.58 + 0.44 * depth**1.2)
        hill = terrain.wave(canvas, base, unit * 0.03, 1.2)
        colour = mix(scheme.sky[2], scheme.layer(depth), 0.45 + 0.55 * depth)
        grove = Stencil()
        gap = unit * (0.035 + 0.1 * depth)
        x = -gap * rng.random()
        while x < width + gap:
            ground = hill[min(len(hill) - 1, max(0, round(x / width * (len(hill) - 1))))][1] + unit * 0.01
            tall = unit * (0.14 + 0.42 * depth**1.3) * rng.uniform(0.6, 1.1)
            in_the_clearing = depth > 0.7 and abs(x - sun[0]) < unit * 0.24
            terrain.conifer(grove, x, ground, tall * (0.4 if in_the_clearing else 1))
            x += gap * rng.uniform(0.5, 1.3)
        canvas.paint(
            grove.polygon(terrain.down_to(hill, height)),
            colour,
            mix(colour, scheme.sky[2], 0.3 * (1 - depth)),
        )
        if index < 4:
            canvas.glow(
                width * rng.random(), base + unit * 0.05, width * 0.9, scheme.sky[2], 0.6, unit * 0.16
            )


def meadow(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """Rolling hills with round trees, a small house and flowers in front."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    sun = (width * rng.uniform(0.2, 0.8), height * rng.uniform(0.16, 0.3))
    terrain.sky(canvas, scheme, height * 0.7, sun_at=sun, size=0.09)
    canvas.clouds(5, scheme.paper, height * 0.08, height * 0.34, 0.7)
    for index in range(4):
        depth = index / 3
        base = height * (0.52 + 0.32 * depth)
        hill = terrain.wave(canvas, base, unit * (0.04 + 0.03 * depth), 1.1)
        colour = mix(scheme.layer(depth * 0.75), scheme.second, 0.16)
        lit = mix(colour, scheme.sun, 0.3)
        canvas.paint(Stencil().polygon(terrain.down_to(hill, height)), lit, mix(colour, scheme.near, 0.25))
        if index == 3:
            break
        for _ in range(3 + 2 * index):
            x, y = hill[rng.randrange(len(hill))]
            size = unit * (0.016 + 0.03 * depth) * rng.uniform(0.7, 1.3)
            terrain.round_tree(
                canvas,
                x,
                y + size * 0.4,
                size,
                mix(scheme.layer(0.5 + depth * 0.4), scheme.accent, rng.choice((0, 0, 0.5))),
            )
        if index == 1:
            terrain.house(canvas, scheme, *hill[rng.randrange(15, 60)], unit * 0.05)
    for _ in range(70):
        y = height * rng.uniform(0.9, 1.0)
        size = unit * 0.008 * (y / height) ** 4 * rng.uniform(0.5, 1.3)
        canvas.disc(width * rng.random(), y, size, rng.choice((scheme.accent, scheme.second, scheme.paper)))


def city(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """A skyline in three distances, windows lit, above a river."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    river = height * rng.uniform(0.76, 0.84)
    sun = (width * rng.uniform(0.3, 0.7), river - unit * rng.uniform(0.28, 0.42))
    terrain.sky(canvas, scheme, river, sun_at=sun, size=0.2)
    for index in range(3):
        depth = index / 2
        colour = mix(scheme.sky[2], scheme.layer(0.15 + 0.85 * depth), 0.5 + 0.5 * depth)
        blocks, windows, x = Stencil(), Stencil(), -unit * 0.05 * rng.random()
        while x < width:
            wide = unit * rng.uniform(0.05, 0.11) * (0.75 + 0.5 * depth)
            middle = 1 - abs((x + wide / 2) / width - 0.5) * 1.1
            tall = unit * rng.uniform(0.14, 0.46) * middle * (1.25 - 0.5 * depth)
            top = river - tall
            blocks.rectangle(x, top, x + wide + 1, river + 1)
            roof = rng.random()
            if roof < 0.2:
                blocks.polygon([(x, top), (x + wide / 2, top - wide * 0.6), (x + wide, top)])
            elif roof < 0.45:
                blocks.rectangle(x + wide * 0.2, top - unit * 0.02, x + wide * 0.8, top)
            elif roof < 0.6:
                blocks.line([(x + wide / 2, top), (x + wide / 2, top - unit * 0.07)], unit * 0.004)
            pane, step = unit * 0.0065, unit * 0.019
            for row in range(1, int(tall / step)):
                for column in range(1, int(wide / step)):
                    if rng.random() < 0.42:
                        left, upper = x + column * step - pane / 2, top + row * step - pane / 2
                        windows.rectangle(left, upper, left + pane, upper + pane * 1.4)
            x += wide + unit * rng.choice((0, 0, 0.004, 0.02))
        canvas.paint(blocks, mix(colour, scheme.near, 0.15), mix(colour, scheme.sky[2], 0.25 * (1 - depth)))
        if depth > 0:
            lamp = mix(scheme.second, scheme.sun, 0.5)
            canvas.paint(windows, lamp, opacity=0.4 + 0.45 * depth)
    canvas.mirror(river, scheme.near)


def space(canvas: Canvas, scheme: Scheme, words: Collection[str]) -> None:
    """A ringed planet among stars and coloured clouds."""
    rng, unit, width, height = canvas.rng, canvas.unit, canvas.width, canvas.height
    deep = mix(scheme.near, (4, 4, 18), 0.6)
    canvas.wash(deep, mix(deep, scheme.near, 0.7), mix(scheme.far, deep, 0.55))
    for colour in (scheme.accent, scheme.far, scheme.second, scheme.far):
        x, y = width * rng.random(), height * rng.random()
        canvas.glow(x, y, unit * rng.uniform(0.4, 0.8), colour, 0.4, unit * rng.uniform(0.25, 0.5))
    canvas.stars(150, scheme.paper, height * 1.4)
    x, y = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.42, 0.58)
    radius = unit * rng.uniform(0.2, 0.26)
    canvas.glow(x, y, radius * 2, scheme.sun, 0.35)
    canvas.disc(
        x, y, radius, mix(scheme.accent, scheme.sun, 0.45), scheme.accent, mix(scheme.accent, deep, 0.45)
    )
    for band in range(6):
        level = -0.8 + band * 0.3 + rng.uniform(-0.05, 0.05)
        half = radius * math.sqrt(max(0.0, 1 - level**2)) * 0.985
        thin, tone = radius * rng.uniform(0.02, 0.06), rng.choice((scheme.second, scheme.sun, scheme.far))
        canvas.paint(Stencil().ellipse(x, y + level * radius, half, thin), tone, opacity=0.4)
    shade = (
        Stencil().ellipse(x, y, radius).ellipse(x - radius * 0.35, y - radius * 0.25, radius * 1.1, cut=True)
    )
    canvas.paint(shade, deep, opacity=0.55, blur=unit * 0.012)
    for size, opacity in ((1.9, 0.85), (1.66, 0.6)):
        ring = Stencil().ellipse(x, y, radius * size, radius * size * 0.24)
        ring.ellipse(x, y, radius * (size - 0.13), radius * (size - 0.13) * 0.22, cut=True)
        behind = radius * math.sqrt(max(0.0, 1 - 0.02))
        ring.polygon(
            [
                (x - behind, y),
                (x - behind * 0.8, y - radius * 0.5),
                (x + behind * 0.8, y - radius * 0.5),
                (x + behind, y),
            ],
            cut=True,
        )
        canvas.paint(ring, mix(scheme.second, scheme.paper, 0.4), opacity=opacity)
    for _ in range(2):
        moon, turn = unit * rng.uniform(0.02, 0.045), rng.uniform(0, 2 * math.pi)
        mx, my = x + math.cos(turn) * unit * 0.42, y + math.sin(turn) * unit * 0.36
        canvas.disc(mx, my, moon, scheme.sun, scheme.far)
