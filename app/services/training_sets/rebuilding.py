"""Makes of any set the zip that is sent: flat, upright, RGB, without metadata. Equal sets give equal zips."""

import hashlib
import re
import stat
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.datasets import FindingCode
from app.services.training_sets.findings import Findings
from app.services.training_sets.likeness import near_duplicates
from app.services.training_sets.members import Member, parts_of
from app.services.training_sets.picture_headers import (
    ALLOWED,
    PictureHeader,
    TooManyPixelsError,
    UnreadablePictureError,
    quoted,
    read_header,
)
from app.services.training_sets.pictures import MAX_PICTURE_BYTES, ReadyPicture, made_ready

MAX_CAPTION_BYTES = 64 * 1024
SHORT_SIDE = 512
EXTREME_RATIO = 3.0
RECOMMENDED_PICTURES = 10


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many pictures and captions a rebuilt zip holds."""

    pictures: int
    captions: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of a picture once its bytes are written."""

    name: str
    digest: bytes
    hash: int | None


def rebuild(members: Sequence[Member], target: Path, findings: Findings) -> Rebuilt:
    """Write the pictures among `members` and their captions into a new zip at `target`.

    Every header is read before the first picture is decoded, and one picture at a time is in memory. With
    errors among the `findings`, what was written is of no use. Blocks for as long as decoding takes.
    """
    for member in members:
        if not member.is_picture and not member.is_caption:
            message = f"{quoted(member.name)} is no {ALLOWED} picture and is left out."
            findings.ignore(FindingCode.OTHER_FILE, message, member.name)
    pictures = _readable(sorted((m for m in members if m.is_picture), key=_place), findings)
    if findings.errors:
        return Rebuilt(0, 0)
    captions = _captions(
        sorted((m for m in members if m.is_caption), key=_place), {m.stem for m, _ in pictures}, findings
    )
    seen: list[_Seen] = []
    taken: set[str] = set()
    captioned = 0
    with zipfile.ZipFile(target, "x") as archive:
        for member, header in pictures:
            ready = _ready(member, header, findings)
            if ready is None:
                continue
            stem = _unique(_safe(member.name), taken)
            _write(archive, f"{stem}.{ready.format}", ready.data)
            if member.stem in captions:
                _write(archive, f"{stem}.txt", captions[member.stem])
                captioned += 1
            seen.append(_Seen(member.name, hashlib.sha256(ready.data).digest(), ready.looks.hash))
            _judge(member.name, ready, findings)
    _find_duplicates(seen, findings)
    _judge_number(len(seen), findings)
    return Rebuilt(len(seen), captioned)


def _place(member: Member) -> tuple[str, str]:
    return member.name, member.order


def _readable(members: Sequence[Member], findings: Findings) -> list[tuple[Member, PictureHeader]]:
    """The pictures by their headers."""
    pictures = []
    for member in members:
        try:
            pictures.append((member, _header(member)))
        except TooManyPixelsError as exc:
            findings.error(FindingCode.TOO_MANY_PIXELS, f"{quoted(member.name)} {exc}.", member.name)
        except UnreadablePictureError as exc:
            _undecodable(member, exc, findings)
    return pictures


def _header(member: Member) -> PictureHeader:
    try:
        with member.open() as stream:
            return read_header(stream)
    except (UnreadablePictureError, TooManyPixelsError):
        raise
    except Exception as exc:
        if isinstance(exc, OSError):
            raise
        # zipfile and zlib name no closed list either.
        raise UnreadablePictureError("is damaged in the zip") from exc


def _ready(member: Member, header: PictureHeader, findings: Findings) -> ReadyPicture | None:
    try:
        return made_ready(member.read(MAX_PICTURE_BYTES), header)
    except UnreadablePictureError as exc:
        _undecodable(member, exc, findings)
        return None


def _undecodable(member: Member, reason: UnreadablePictureError, findings: Findings) -> None:
    findings.warn(FindingCode.UNDECODABLE, f"{quoted(member.name)} {reason}, and is left out.", member.name)


def _captions(members: Sequence[Member], pictures: set[str], findings: Findings) -> dict[str, bytes]:
    """The captions that belong to a picture, by their paths without suffix."""
    captions: dict[str, bytes] = {}
    for member in members:
        name = member.name
        if member.stem not in pictures:
            findings.warn(
                FindingCode.CAPTION_WITHOUT_PICTURE,
                f"The caption {quoted(name)} has no picture of the same name, and is left out.",
                name,
            )
            continue
        try:
            text = member.read(MAX_CAPTION_BYTES)
            text.decode()
        except UnreadablePictureError as exc:
            message = f"The caption {quoted(name)} {exc}, and is left out."
            findings.warn(FindingCode.CAPTION_UNUSABLE, message, name)
        except UnicodeDecodeError:
            message = f"The caption {quoted(name)} is not a text in UTF-8, and is left out."
            findings.warn(FindingCode.CAPTION_UNUSABLE, message, name)
        else:
            if captions.setdefault(member.stem, text) != text:
                message = f"There is another caption named {quoted(name)}; this one is left out."
                findings.warn(FindingCode.CAPTION_UNUSABLE, message, name)
    return captions


def _judge(name: str, picture: ReadyPicture, findings: Findings) -> None:
    """Warn of what makes a picture a poor one to learn from."""
    short, long = sorted((picture.width, picture.height))
    size = f"{picture.width} x {picture.height} pixels"
    if short < SHORT_SIDE:
        message = f"{quoted(name)} has {size}; {SHORT_SIDE} or more on the short side are recommended."
        findings.warn(FindingCode.TOO_SMALL, message, name)
    if long > EXTREME_RATIO * short:
        message = f"{quoted(name)} has {size}; most of it is cut off or squeezed in training."
        findings.warn(FindingCode.EXTREME_RATIO, message, name)
    if picture.looks.is_blurred:
        findings.warn(FindingCode.BLURRED, f"{quoted(name)} is blurred.", name)


def _find_duplicates(seen: Sequence[_Seen], findings: Findings) -> None:
    first: dict[bytes, str] = {}
    for picture in seen:
        if picture.digest in first:
            message = f"{quoted(picture.name)} is the same picture as {quoted(first[picture.digest])}."
            findings.warn(FindingCode.DUPLICATE, message, picture.name)
        first.setdefault(picture.digest, picture.name)
    # A picture that is there twice is told of once.
    singles = list({picture.digest: picture for picture in reversed(seen)}.values())[::-1]
    for later, earlier in near_duplicates([picture.hash for picture in singles]):
        name, other = singles[later].name, singles[earlier].name
        message = f"{quoted(name)} looks almost like {quoted(other)}."
        findings.warn(FindingCode.NEAR_DUPLICATE, message, name)


def _judge_number(pictures: int, findings: Findings) -> None:
    if not pictures:
        unread = [f.message for f in findings.warnings if f.code is FindingCode.UNDECODABLE][:3]
        message = " ".join([f"There is no usable picture. Allowed are {ALLOWED} files.", *unread])
        findings.error(FindingCode.NO_PICTURE, message)
    elif pictures < RECOMMENDED_PICTURES:
        counted = "1 picture" if pictures == 1 else f"{pictures} pictures"
        findings.warn(
            FindingCode.FEW_PICTURES,
            f"The training set has {counted}; {RECOMMENDED_PICTURES} or more are recommended.",
        )


def _safe(name: str) -> str:
    """The name without folders and suffix, in letters that every file system takes."""
    stem = PurePosixPath(parts_of(name)[-1]).stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain)[:100].strip("._-") or "picture"


def _unique(stem: str, taken: set[str]) -> str:
    """`stem`, or `stem_2` and so on when it is taken; letter case does not tell names apart."""
    candidate, number = stem, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate.lower())
    return candidate


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    archive.writestr(entry, data)
