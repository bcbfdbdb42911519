"""Takes metadata (EXIF, GPS, XMP, comments, thumbnails) out of picture files; the picture itself stays.

Each function returns the file without it, or None where the file is not built as it should be, and has to
be encoded anew. Color profiles stay: without them wide-gamut pictures would change their colors.
"""

import re
import struct

from app.services.training_sets.picture_headers import PictureFormat

# https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B: markers, and those that have no length.
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP0, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE2, 0xEE, 0xEF, 0xFE
# "Adobe" says how the colors are stored.
_JPEG_KEPT = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP14: b"Adobe"}
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_PNG_START = b"\x89PNG\r\n\x1a\n"
# https://www.w3.org/TR/png-3/: what is needed to show a picture as it is meant. Everything else goes.
_PNG_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP"}
)
# https://developers.google.com/speed/webp/docs/riff_container
_WEBP_DROPPED = frozenset({b"EXIF", b"XMP "})
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ICCP", b"ALPH"})
_WEBP_FLAGS_OF_METADATA = 0x08 | 0x04


def without_metadata(data: bytes, kind: PictureFormat) -> bytes | None:
    """The file without metadata, as above."""
    try:
        match kind:
            case PictureFormat.JPEG:
                return _jpeg(data)
            case PictureFormat.PNG:
                return _png(data)
            case PictureFormat.WEBP:
                return _webp(data)
    except (IndexError, struct.error):
        return None


def _jpeg(data: bytes) -> bytes | None:
    """Up to the end of the first picture: behind it phones put more pictures, films and their metadata."""
    if data[:2] != bytes((0xFF, _SOI)):
        return None
    kept = [data[:2]]
    at = 2
    while True:
        found = _NEXT_MARKER.match(data, at)
        if found is None:
            return None
        marker, start = data[found.end() - 1], found.end() - 2
        if marker == _EOI:
            return b"".join([*kept, b"\xff\xd9"])
        end = found.end() + struct.unpack_from(">H", data, found.end())[0]
        if marker == _SOS:
            following = _NEXT_MARKER.search(data, end)
            if following is None:
                return None
            end = following.start()
        if end > len(data):
            return None
        if _jpeg_needs(marker, data[found.end() + 2 : found.end() + 14]):
            kept.append(data[start:end])
        at = end


def _jpeg_needs(marker: int, start: bytes) -> bool:
    if marker in _JPEG_KEPT:
        return start.startswith(_JPEG_KEPT[marker])
    return not (_APP0 <= marker <= _APP15 or marker == _COM)


def _png(data: bytes) -> bytes | None:
    if not data.startswith(_PNG_START):
        return None
    kept = [_PNG_START]
    at = len(_PNG_START)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return None
        if kind in _PNG_KEPT:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return None


def _webp(data: bytes) -> bytes | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kept = []
    at, total = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= total:
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        if end > len(data) or kind not in _WEBP_KEPT | _WEBP_DROPPED:
            return None
        if kind == b"VP8X":
            flags = data[at + 8] & ~_WEBP_FLAGS_OF_METADATA
            kept.append(data[at : at + 8] + bytes((flags,)) + data[at + 9 : end] + bytes(length % 2))
        elif kind in _WEBP_KEPT:
            kept.append(data[at:end] + bytes(length % 2))
        at = end + length % 2
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body
