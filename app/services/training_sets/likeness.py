"""Which pictures look alike, and which are blurred: measures on a small gray copy."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

NEAR_BITS = 6
"""In how many of their 64 bits the hashes of near-duplicates may differ."""

BLURRED_BELOW = 7.0
"""The variance of the Laplacian below which a picture is blurred.

Measured at 512 pixels: sharp pictures have 180 to 290, blurred by a Gaussian of 1 pixel 21 to 40, of 1.5
pixels 8 to 15, of 2 pixels 4 to 7.
"""

SIDE = 512
"""The longer side, in pixels, at which sharpness is measured: about what trainers scale to."""

# Below these standard deviations of its gray values a picture is a plain surface, about which neither
# measure says anything.
_FLAT_FOR_BLUR = 8.0
_FLAT_FOR_HASH = 3.0
_BANDS = ((0, 10), *((10 + 9 * band, 9) for band in range(NEAR_BITS)))


@dataclass(frozen=True, slots=True)
class Looks:
    """How a picture looks. `hash` is None for plain surfaces; `sharpness` is the Laplacian's variance."""

    hash: int | None
    sharpness: float | None

    @property
    def is_blurred(self) -> bool:
        """Whether too little detail is left to learn from."""
        return self.sharpness is not None and self.sharpness < BLURRED_BELOW


def looks_of(gray: "Image") -> Looks:
    """The measures of a gray picture (mode `L`), of any size; it is scaled down in place."""
    from PIL import Image, ImageFilter, ImageStat

    gray.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    contrast = ImageStat.Stat(gray).stddev[0]
    sharpness = None
    if contrast >= _FLAT_FOR_BLUR and min(gray.size) > 2:
        laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
        inner = gray.filter(laplacian).crop((1, 1, gray.width - 1, gray.height - 1))
        sharpness = ImageStat.Stat(inner).var[0]
    return Looks(_dhash(gray) if contrast >= _FLAT_FOR_HASH else None, sharpness)


def _dhash(gray: "Image") -> int:
    """64 bits, each telling whether one of 9 x 8 fields is brighter than its neighbour to the left."""
    from PIL import Image

    fields = gray.resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(0, 72, 9):
        for left in range(row, row + 8):
            bits = bits << 1 | (fields[left] < fields[left + 1])
    return bits


def near_duplicates(hashes: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    """For each picture that looks like an earlier one: its index, and the index of such a one.

    Hashes that differ in at most `NEAR_BITS` bits agree in one of `NEAR_BITS` + 1 bands, so that only
    those with a band in common need to be compared.
    """
    seen: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, value in enumerate(hashes):
        if value is None:
            continue
        bands = [(start, value >> start & (1 << width) - 1) for start, width in _BANDS]
        alike = (
            earlier
            for band in bands
            for earlier in seen[band]
            if ((hashes[earlier] or 0) ^ value).bit_count() <= NEAR_BITS
        )
        first = next(alike, None)
        if first is not None:
            yield index, first
        for band in bands:
            seen[band].append(index)
