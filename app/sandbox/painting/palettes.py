"""Colours that go well together, chosen by the prompt's words or learnt from training pictures."""

import colorsys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from app.sandbox.painting.canvas import Colour, luminance, mix


@dataclass(frozen=True)
class Scheme:
    """The colours of one picture by the part they play."""

    sky: tuple[Colour, Colour, Colour]  # top, middle, horizon
    sun: Colour
    far: Colour
    near: Colour
    accent: Colour
    second: Colour

    @property
    def is_dark(self) -> bool:
        return luminance(self.sky[0]) < 70

    @property
    def paper(self) -> Colour:
        """Nearly white, tinted by the sun."""
        return mix((255, 252, 246), self.sun, 0.25)

    @property
    def ink(self) -> Colour:
        """Nearly black, tinted by what is nearest."""
        return mix((18, 16, 24), self.near, 0.35)

    def layer(self, depth: float) -> Colour:
        """The colour of things at a distance: 0 is farthest, 1 nearest."""
        return mix(self.far, self.near, depth)

    def chips(self) -> tuple[Colour, ...]:
        """The colours to build patterns from, most striking first."""
        middle = mix(self.far, self.near, 0.35)
        return self.accent, self.second, middle, self.near, self.sun, mix(self.far, self.sky[2], 0.3)


def choose(words: Collection[str], rng: Random) -> Scheme:
    """A palette that suits the prompt's words; any palette when no word speaks of light or colour."""
    moods = {_MOODS[word] for word in words if word in _MOODS}
    fits = [(sum(_WEIGHTS.get(mood, 1) for mood in moods & tags), scheme) for tags, scheme in _CURATED]
    best = max(fit for fit, _ in fits)
    if not best:
        return rng.choice([scheme for tags, scheme in _CURATED if "mono" not in tags])
    return rng.choice([scheme for fit, scheme in fits if fit == best])


def from_colours(colours: Sequence[Colour], rng: Random) -> Scheme:
    """A palette made of the colours of training pictures, each put where it serves best."""
    by_light = sorted(colours, key=luminance) or [(128, 128, 128)]
    by_vividness = sorted(colours, key=_vividness, reverse=True) or by_light
    near, light = by_light[0], by_light[-1]
    accent = by_vividness[0]
    second = max(by_vividness[: max(2, len(by_vividness) // 2)], key=lambda colour: _distance(colour, accent))
    calm = [colour for colour in by_light[len(by_light) // 2 :] if colour not in (accent, second)] or [light]
    top = rng.choice(calm)
    return Scheme(
        sky=(top, mix(top, light, 0.5), light),
        sun=mix(light, (255, 255, 255), 0.4),
        far=mix(second, light, 0.35),
        near=mix(near, (0, 0, 0), 0.15),
        accent=accent,
        second=second,
    )


def _vividness(colour: Colour) -> float:
    _, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    return saturation * value


def _distance(first: Colour, second: Colour) -> float:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def _colour(code: str) -> Colour:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def _scheme(tags: str, colours: str) -> tuple[frozenset[str], Scheme]:
    top, middle, low, sun, far, near, accent, second = map(_colour, colours.split())
    return frozenset(tags.split()), Scheme((top, middle, low), sun, far, near, accent, second)


# Each line of colours: sky at the top, in the middle, at the horizon; sun; far; near; two accents.
_CURATED = (
    _scheme("sunset warm red", "3a3368 b3567f f7ae78 ffe9bd c87187 2c1b40 f67280 f8c195"),
    _scheme("sunset warm orange", "e9825b f4ae72 fde0b0 fff4d8 d98862 4a2238 c94b3b f3c069"),
    _scheme("day cold mist", "9fc0d6 d3e2e6 f7ebde fff8ea a9c1c8 25424f e07a5f f2cc8f"),
    _scheme("sunset warm yellow", "eebd7a f6d9a6 fdf1d8 fffaea dba463 55362a bc4b32 75803f"),
    _scheme("night cold blue", "070b2a 1b2a5e 565a9c f6f2df 3f4d8b 080d26 f2c14e 9a8ad0"),
    _scheme("night green aurora", "04121f 0b3b4a 2f9080 e8fff2 227478 03151c 6ef0b5 b58bff"),
    _scheme("day sea blue turquoise", "4fb0d0 a3dbe4 f6f1dc fff6d6 5baab6 0d4759 ff8c61 ffd275"),
    _scheme("day spring green", "93cfe0 d3ebdf fcf7dd fff9d0 a9c9a4 2b5a44 f28482 f6bd60"),
    _scheme("autumn warm orange", "e6c59a f3dcbd fcefdf ffe3ad db9f72 482a29 c8553d 6b8f5c"),
    _scheme("winter cold blue white", "86a3c7 c6d5e8 f8f2f1 ffffff b9c9de 2b4160 d1495b edae49"),
    _scheme("abstract pop red", "f3e8d8 f8efe2 fff8ee ff7059 7fb7be 1d3557 e63946 f4b942"),
    _scheme("abstract warm earth brown", "efd5be f5e2cf fcf1e4 ea8d5f d9a690 562b2c bb5a3c 3e6b64"),
    _scheme("sunset pastel purple violet", "5c5e9e b393c6 f8d3ca fff1da a089c0 2e2353 f59ca9 ffd3a5"),
    _scheme("mono black white", "cfccc5 e4e1da f7f4ee ffffff aaa7a1 22242a c7423c 8c8880"),
    _scheme("night city pink neon", "140c33 4d206e e24c7f ffdba6 713083 0d0820 ff4d8d 39e0e6"),
    _scheme("day spring pastel green jade", "c3ddcd e1eee0 f9f5e8 fdebc2 93bda7 113d3a e2725b dba945"),
    _scheme("day pastel pink", "f6c9cc fbe0da fff4e9 fffaf0 e5a7a8 5b3350 e4677c 5fa8a0"),
    _scheme("sea cold turquoise teal", "1f5f78 5ea9ae f3dfc1 fff0cf 4b929b 0a2c3f f0795b f6c667"),
)

# The hour and the season colour everything in a picture; a colour's name may speak of one thing in it.
_WEIGHTS = {"mono": 4, "night": 3, "sunset": 3, "winter": 3, "autumn": 3, "sea": 2, "spring": 2, "mist": 2}
_MOODS = {
    word: mood
    for mood, words in {
        "sunset": "sunset sunrise dawn dusk evening golden twilight romantic",
        "night": "night midnight moon moonlight stars starry dark galaxy space nebula cosmic universe planet",
        "winter": "winter snow snowy ice icy frozen arctic christmas",
        "autumn": "autumn fall october harvest pumpkin",
        "spring": "spring garden meadow may field fields grass",
        "sea": "sea ocean beach coast lagoon underwater tropical",
        "mist": "mist misty fog foggy rain rainy",
        "neon": "neon cyberpunk synthwave vaporwave futuristic",
        "aurora": "aurora",
        "warm": "warm fire summer desert dune dunes sahara savanna",
        "cold": "cold",
        "day": "day morning noon sunny sky",
        "pastel": "pastel soft dreamy watercolor watercolour cute",
        "earth": "earth clay terracotta ceramic pottery wooden",
        "mono": "monochrome grayscale greyscale noir charcoal sketch pencil ink",
        "pop": "poster pop bauhaus geometric abstract retro print",
        "red": "red crimson scarlet",
        "orange": "orange",
        "yellow": "yellow gold",
        "green": "green emerald",
        "jade": "jade",
        "blue": "blue navy",
        "turquoise": "turquoise cyan",
        "teal": "teal",
        "purple": "purple",
        "violet": "violet lavender",
        "pink": "pink magenta rose",
        "brown": "brown",
    }.items()
    for word in words.split()
}
