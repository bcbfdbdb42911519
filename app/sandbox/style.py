"""What a training learns: the palette of its pictures and a few pieces cut out of them."""

import base64
import io
import json
import math
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, ImageFilter, ImageOps, ImageStat

Colour = tuple[int, int, int]

_MAX_MEMBERS = 2_000  # entries of the zip that are looked at
_MAX_PICTURES = 200  # pictures that are decoded
_MAX_MEMBER_BYTES = 32 * 2**20  # one picture, unpacked
_MAX_TOTAL_BYTES = 512 * 2**20  # all pictures, unpacked
_MAX_PIXELS = 50_000_000  # one picture
_MAX_TOTAL_PIXELS = 1_000_000_000  # all pictures, as decoded: large JPEGs are decoded at an eighth or so
_STUDY_SIDE = 256  # pictures are studied at this size
_PIECE_SIDE = 96
_PIECES = 6
_COLOURS = 8
_FORMATS = ("JPEG", "PNG", "WEBP")


class NotAZipError(Exception):
    """The file is no zip archive, or one that is damaged."""


class NoPicturesError(Exception):
    """The zip holds no picture that can be opened."""


@dataclass(frozen=True)
class Style:
    """What a training learnt: colours, most frequent first, and small PNGs cut from the pictures."""

    palette: tuple[Colour, ...]
    pieces: tuple[bytes, ...]

    def to_json(self) -> str:
        pieces = [base64.b64encode(piece).decode("ascii") for piece in self.pieces]
        return json.dumps({"palette": self.palette, "pieces": pieces})

    @classmethod
    def from_json(cls, text: str) -> "Style":
        content = json.loads(text)
        palette = tuple((int(red), int(green), int(blue)) for red, green, blue in content["palette"])
        return cls(palette=palette, pieces=tuple(base64.b64decode(piece) for piece in content["pieces"]))


def learn(zip_path: Path) -> tuple[Style, list[str]]:
    """The style of a zip's pictures and the names of those that were used.  Blocks: call it in a thread.

    What macOS adds (`__MACOSX/`, `._name`), files that are no pictures and pictures beyond the limits
    above are passed over.  Raises NotAZipError and NoPicturesError.
    """
    names: list[str] = []
    studies: list[Image.Image] = []
    try:
        with zipfile.ZipFile(zip_path) as archive:
            unpacked = decoded = 0
            for member in archive.infolist()[:_MAX_MEMBERS]:
                if not _may_be_a_picture(member):
                    continue
                content = _unpack(archive, member)
                unpacked += len(content)
                if unpacked > _MAX_TOTAL_BYTES or decoded > _MAX_TOTAL_PIXELS or len(names) == _MAX_PICTURES:
                    break
                study, pixels = _study(content)
                decoded += pixels
                if study is not None:
                    names.append(member.filename)
                    studies.append(study)
    except (zipfile.BadZipFile, OSError) as exc:
        raise NotAZipError(f"{zip_path.name!r} is not a zip archive that can be read: {exc}") from exc
    if not studies:
        raise NoPicturesError(f"{zip_path.name!r} holds no picture that can be opened.")
    return Style(palette=_palette(studies), pieces=_pieces(studies)), names


def _may_be_a_picture(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not (
        member.is_dir() or hidden or path.suffix.lower() in (".txt", ".json", ".jsonl", ".csv", ".md")
    )


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes; nothing when it is damaged, encrypted or larger than a picture may be."""
    if member.file_size > _MAX_MEMBER_BYTES:
        return b""
    try:
        with archive.open(member) as stream:
            # The size in the directory is only a claim: what is read is what counts.
            content = stream.read(_MAX_MEMBER_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError):
        return b""
    return content if len(content) <= _MAX_MEMBER_BYTES else b""


def _study(content: bytes) -> tuple[Image.Image | None, int]:
    """A small upright copy of the picture, if it can be opened, and how many pixels were decoded for it."""
    pixels = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow thinks of a picture's size is decided below
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > _MAX_PIXELS:
                    return None, 0
                picture.draft("RGB", (2 * _STUDY_SIDE, 2 * _STUDY_SIDE))
                pixels = picture.width * picture.height
                picture.thumbnail((_STUDY_SIDE, _STUDY_SIDE), Image.Resampling.BOX)
                return ImageOps.exif_transpose(picture).convert("RGB"), pixels
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None, pixels


def _palette(studies: Sequence[Image.Image]) -> tuple[Colour, ...]:
    """The colours that the pictures share, most frequent first."""
    side = 48
    sheet = Image.new("RGB", (side * len(studies), side))
    for index, study in enumerate(studies):
        sheet.paste(study.resize((side, side), Image.Resampling.NEAREST), (index * side, 0))
    reduced = sheet.quantize(40, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    flat = reduced.getpalette() or []
    counts: dict[Colour, int] = {}
    for count, entry in reduced.getcolors() or []:
        if isinstance(entry, int):
            red, green, blue = flat[3 * entry : 3 * entry + 3]
            counts[red, green, blue] = counts.get((red, green, blue), 0) + count
    # Frequent, vivid and unlike the ones before: a small bright thing is what a picture is remembered by.
    chosen: list[Colour] = []
    while len(chosen) < min(_COLOURS, len(counts)):
        rest = [colour for colour in counts if colour not in chosen]
        chosen.append(max(rest, key=lambda colour: _merit(colour, counts[colour], chosen)))
    return tuple(sorted(chosen, key=lambda colour: counts[colour], reverse=True))


def _merit(colour: Colour, count: int, chosen: Sequence[Colour]) -> float:
    """How much a colour adds to those chosen so far."""
    vividness = (max(colour) - min(colour)) / 255
    apart = min((math.dist(colour, other) for other in chosen), default=1.0)
    return math.sqrt(count) * (0.35 + vividness) * apart


def _pieces(studies: Sequence[Image.Image]) -> tuple[bytes, ...]:
    """The liveliest square of pictures spread over the set, as PNGs of few colours."""
    step = max(1.0, len(studies) / _PIECES)
    chosen = [studies[int(index * step)] for index in range(min(_PIECES, len(studies)))]
    return tuple(_cut(study) for study in chosen)


def _cut(study: Image.Image) -> bytes:
    side = max(1, round(min(study.size) * 0.78))
    across, down = study.width - side, study.height - side
    edges = study.convert("L").filter(ImageFilter.FIND_EDGES)
    places = [(across * x // 2, down * y // 2) for x in (1, 0, 2) for y in (1, 0, 2)]
    boxes = [(left, top, left + side, top + side) for left, top in places]
    # The middle comes first and stays unless another place is clearly livelier.
    liveliness = [ImageStat.Stat(edges.crop(box)).mean[0] for box in boxes]
    best = max(range(len(boxes)), key=lambda index: liveliness[index] * (1.25 if index == 0 else 1))
    piece = study.crop(boxes[best]).resize((_PIECE_SIDE, _PIECE_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    piece.quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
