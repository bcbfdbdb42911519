"""Answers with a picture: conditional requests and ranges (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus

from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from app.services.images import StoredImage

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
# Nineteen digits are more than any file has bytes, and few enough to be read at once.
_SINGLE_RANGE = re.compile(
    r"\s*bytes\s*=\s*(?:0*([0-9]{1,19}))?\s*-\s*(?:0*([0-9]{1,19}))?\s*", re.ASCII | re.I
)


class RangeNotSatisfiableError(ValueError):
    """The range lies behind the end."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to before `stop`."""

    start: int
    stop: int


def http_date(moment: datetime) -> str:
    """`moment` (aware, in UTC) as headers carry it, in whole seconds."""
    return format_datetime(moment, usegmt=True)


def is_current(
    *, if_none_match: str | None, if_modified_since: str | None, etag: str, last_modified: datetime
) -> bool:
    """Whether the caller's copy is still good, so that 304 is the answer."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or etag in _ENTITY_TAG.findall(if_none_match)
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except ValueError:
        return False
    return since.tzinfo is not None and last_modified.replace(microsecond=0) <= since


def wanted_range(
    *, range_header: str | None, if_range: str | None, etag: str, last_modified: datetime, size: int
) -> ByteRange | None:
    """The one range that is wanted, or None for the whole.

    The whole is also the answer to several ranges at once, to what is not understood, and when the
    caller's part is of another version. Raises `RangeNotSatisfiableError`.
    """
    if range_header is None:
        return None
    if if_range is not None and if_range.strip() not in (etag, http_date(last_modified)):
        return None
    match = _SINGLE_RANGE.fullmatch(range_header)
    if match is None or match.groups() == (None, None):
        return None
    first, last = (None if digits is None else int(digits) for digits in match.groups())
    if first is None:
        start, stop = max(size - (last or 0), 0), size
    elif last is not None and last < first:
        return None
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    if start >= size:
        raise RangeNotSatisfiableError(f"The range {range_header!r} lies behind the end.")
    return ByteRange(start, stop)


def picture_response(
    request: Request,
    stored: StoredImage,
    stream: Callable[[StoredImage, int, int], AsyncIterator[bytes]],
    *,
    download: bool,
    private: bool,
) -> Response:
    """The answer to `request` for the picture `stored`; what is not in memory comes from `stream`.

    A `private` one is kept by the caller's own cache, but not by one that others share.
    Raises `HTTPException` (416) when the range lies behind the end.
    """
    asked = request.headers
    headers = {
        "etag": stored.etag,
        "last-modified": http_date(stored.last_modified),
        "cache-control": f"{'private' if private else 'public'}, max-age=31536000, immutable",
    }
    if is_current(
        if_none_match=asked.get("if-none-match"),
        if_modified_since=asked.get("if-modified-since"),
        etag=stored.etag,
        last_modified=stored.last_modified,
    ):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {
        "content-type": stored.media_type,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    if download:
        headers["content-disposition"] = f'attachment; filename="{stored.name}"'
    if request.method == "HEAD":  # Ranges are defined for GET alone.
        return Response(headers=headers | {"content-length": str(stored.size_bytes)})
    try:
        part = wanted_range(
            range_header=asked.get("range"),
            if_range=asked.get("if-range"),
            etag=stored.etag,
            last_modified=stored.last_modified,
            size=stored.size_bytes,
        )
    except RangeNotSatisfiableError as exc:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"{exc} The picture has {stored.size_bytes} bytes.",
            headers={"content-range": f"bytes */{stored.size_bytes}"},
        ) from exc
    if part is None:
        status, start, stop = HTTPStatus.OK, 0, stored.size_bytes
    else:
        status, start, stop = HTTPStatus.PARTIAL_CONTENT, part.start, part.stop
        headers["content-range"] = f"bytes {start}-{stop - 1}/{stored.size_bytes}"
    if stored.content is not None:
        # A slice of everything is the same object: nothing is copied.
        return Response(stored.content[start:stop], status, headers)
    headers["content-length"] = str(stop - start)
    return StreamingResponse(stream(stored, start, stop), status, headers)
