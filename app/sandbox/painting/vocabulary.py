"""The words of a prompt that the sandbox knows how to paint."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from app.sandbox.painting import patterns, places, subjects
from app.sandbox.painting.canvas import Canvas
from app.sandbox.painting.palettes import Scheme
from app.sandbox.painting.places import Place
from app.sandbox.painting.subjects import Subject

Pattern = Callable[[Canvas, Scheme], None]
_Thing = TypeVar("_Thing")


def place_of(words: Iterable[str]) -> Place | None:
    """The place that the first known word names."""
    return next((_PLACES[word] for word in words if word in _PLACES), None)


def subject_of(words: Iterable[str]) -> Subject | None:
    """The subject that the first known word names; a portrait may be of a cat."""
    known = [word for word in words if word in _SUBJECTS]
    known.sort(key=lambda word: word in ("portrait", "face", "model"))
    return _SUBJECTS[known[0]] if known else None


def pattern_of(words: Iterable[str]) -> Pattern | None:
    """The pattern that the first known word names."""
    return next((_PATTERNS[word] for word in words if word in _PATTERNS), None)


def _by_word(meanings: Iterable[tuple[_Thing, str]]) -> dict[str, _Thing]:
    return {word: thing for thing, words in meanings for word in words.split()}


_PLACES = _by_word(
    [
        (places.mountains, "mountain mountains alps peak peaks hill hills lake lakes valley river"),
        (places.mountains, "snow volcano landscape cliff glacier waterfall"),
        (places.sea, "sea ocean beach coast island wave waves boat ship sail sailing sailboat yacht"),
        (places.sea, "harbour harbor underwater whale surf water lighthouse"),
        (places.dunes, "desert dune dunes sand sahara camel mars canyon"),
        (places.forest, "forest wood woods tree trees jungle pine pines woodland fog mist misty foggy"),
        (places.meadow, "meadow field fields farm village countryside garden park house cottage cabin barn"),
        (places.city, "city skyline street town building buildings skyscraper urban downtown cyberpunk"),
        (places.city, "bridge tokyo york london paris berlin"),
        (places.space, "space planet planets galaxy nebula cosmos cosmic universe saturn astronaut"),
        (places.space, "spaceship rocket alien"),
    ]
)
_SUBJECTS = _by_word(
    [
        (subjects.person, "portrait person man woman girl boy face people lady gentleman king queen child"),
        (subjects.person, "princess selfie headshot model actor actress wizard scientist professor"),
        (subjects.person, "astronaut chef knight"),
        (subjects.animal("cat"), "cat cats kitten kittens kitty tiger lion leopard"),
        (subjects.animal("dog"), "dog dogs puppy puppies corgi retriever terrier poodle hound"),
        (subjects.animal("fox"), "fox foxes wolf"),
        (subjects.animal("rabbit"), "rabbit rabbits bunny hare"),
        (subjects.animal("bear"), "bear bears teddy panda"),
        (subjects.flowers, "flower flowers bouquet rose roses tulip tulips daisy daisies blossom blossoms"),
        (subjects.flowers, "vase plant botanical sunflower sunflowers poppy poppies"),
    ]
)
_PATTERNS: dict[str, Pattern] = _by_word(
    [
        (patterns.tiles, "tiles tile mosaic bauhaus quilt geometric"),
        (patterns.orbs, "circles bubbles spheres orbs"),
        (patterns.arches, "rainbow rainbows arch arches"),
        (patterns.ribbons, "ribbons ribbon flow flowing strata"),
    ]
)
