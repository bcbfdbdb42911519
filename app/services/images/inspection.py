"""Whether a body is a whole picture, told from its header and its end, without decoding it."""

import mmap
from dataclasses import dataclass
from enum import StrEnum

from app.errors import DownloadError

MOST_PIXELS = 100_000_000

Body = bytes | mmap.mmap
"""A whole file."""


class MediaType(StrEnum):
    """The kinds of pictures that are kept."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"

    @property
    def extension(self) -> str:
        """How the names of such files end, without the dot."""
        return "jpg" if self is MediaType.JPEG else self.value.removeprefix("image/")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a body turned out to be; width and height in pixels."""

    media_type: MediaType
    width: int
    height: int


def inspect(body: Body) -> Picture:
    """What the picture in `body` is. Blocks, though for microseconds only.

    Raises `DownloadError` when it is none of the kinds we keep, damaged, cut off (all of which another
    download may mend) or larger than 100 megapixels (which it will not).
    """
    media_type = _kind_of(body[:12])
    if media_type is None:
        raise DownloadError(
            "The provider's file is not a PNG, JPEG, WebP or GIF picture; "
            f"it begins with {body[:16]!r} and has {len(body)} bytes."
        )
    if not _is_complete(media_type, body):
        raise DownloadError(
            f"The provider's {media_type.name} picture is incomplete: "
            f"it breaks off after {len(body)} bytes, before its end."
        )
    width, height = _dimensions(media_type, body)
    if not width or not height:
        raise DownloadError(
            f"The provider's {media_type.name} picture is damaged: its header is not readable."
        )
    if width * height > MOST_PIXELS:
        raise DownloadError(
            f"The provider's picture is {width} x {height} pixels; at most {MOST_PIXELS:,} pixels are taken.",
            gone=True,
        )
    return Picture(media_type, width, height)


def _kind_of(head: bytes) -> MediaType | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return MediaType.WEBP
    if head.startswith((b"GIF87a", b"GIF89a")):
        return MediaType.GIF
    return None


def _is_complete(media_type: MediaType, body: Body) -> bool:
    """Whether the end that the format prescribes is there; what follows it is nobody's concern.

    Searches say where they start, since a map has a position of its own.
    """
    match media_type:
        case MediaType.PNG:
            return body.rfind(b"IEND\xaeB`\x82", 0) != -1
        case MediaType.JPEG:
            # An embedded preview has an end of its own, before the first scan.
            scan = _jpeg_segment(body, _JPEG_SCAN)
            return scan is not None and body.rfind(b"\xff\xd9", scan) != -1
        case MediaType.WEBP:
            return len(body) >= 8 + int.from_bytes(body[4:8], "little")
        case MediaType.GIF:
            return body[-16:].rstrip(b"\x00").endswith(b";") and body.rfind(b"\x00;", 0) != -1


def _dimensions(media_type: MediaType, body: Body) -> tuple[int, int]:
    """Width and height as the header has them; noughts where it is not readable.

    Read by hand, as Pillow's decoder of WebP takes ten times as long as everything else here, and the
    memory of the whole picture.
    """
    match media_type:
        case MediaType.PNG:
            found = body[16:24] if body[12:16] == b"IHDR" else b""
            return int.from_bytes(found[:4], "big"), int.from_bytes(found[4:], "big")
        case MediaType.JPEG:
            frame = _jpeg_segment(body, _JPEG_FRAMES)
            found = body[frame + 5 : frame + 9] if frame is not None else b""
            return int.from_bytes(found[2:], "big"), int.from_bytes(found[:2], "big")
        case MediaType.WEBP:
            return _webp_dimensions(body[12:30])
        case MediaType.GIF:
            return int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")


_JPEG_SCAN = frozenset({0xDA})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_EMPTY = frozenset(range(0xD0, 0xD9)) | {0x01}
_JPEG_MOST_STEPS = 5000
"""More segments and fill bytes than any picture has before its first scan."""


def _jpeg_segment(body: Body, wanted: frozenset[int]) -> int | None:
    """Where the first segment with one of these markers begins (ITU T.81, annex B)."""
    at = 2
    for _ in range(_JPEG_MOST_STEPS):
        if at + 4 > len(body) or body[at] != 0xFF:
            break
        marker = body[at + 1]
        if marker in wanted:
            return at
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _JPEG_EMPTY:
            at += 2
        else:
            at += 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    return None


def _webp_dimensions(chunk: bytes) -> tuple[int, int]:
    """The size that the first chunk of a WebP file tells (RFC 9649, section 2)."""
    name, content = chunk[:4], chunk[8:]
    if name == b"VP8X" and len(content) == 10:
        return 1 + int.from_bytes(content[4:7], "little"), 1 + int.from_bytes(content[7:10], "little")
    if name == b"VP8L" and content[:1] == b"\x2f":
        bits = int.from_bytes(content[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        return (
            int.from_bytes(content[6:8], "little") & 0x3FFF,
            int.from_bytes(content[8:10], "little") & 0x3FFF,
        )
    return 0, 0
