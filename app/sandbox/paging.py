"""Pages of lists, with absolute addresses of their neighbours."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from app.sandbox.input_schema import JSONObject
from app.sandbox.problems import ProblemError

PAGE = 100
_CURSOR = re.compile(r"([ab])(\d{1,15})")
T = TypeVar("T")


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: below row `before`, or above row `after`; the first page has neither."""

    before: int | None = None
    after: int | None = None


Fetch = Callable[[int, Cursor], Awaitable[list[tuple[int, T]]]]
"""Gives up to so many entries with their row numbers, newest first."""


async def page(
    request: Request, address: str, fetch: Fetch[T], show: Callable[[T], JSONObject]
) -> JSONObject:
    """The page that `request` asks for, in Replicate's envelope."""
    cursor = _decode(request.query_params.get("cursor"))
    rows = await fetch(PAGE + 1, cursor)
    more = len(rows) > PAGE
    if cursor.after is not None:
        shown = rows[1:] if more else rows
        older, newer = True, more
    else:
        shown = rows[:PAGE]
        older, newer = more, cursor.before is not None
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]

    def neighbour(text: str) -> str:
        return f"{address}?{urlencode([*kept, ('cursor', base64.urlsafe_b64encode(text.encode()).decode())])}"

    return {
        "next": neighbour(f"b{shown[-1][0]}") if shown and older else None,
        "previous": neighbour(f"a{shown[0][0]}") if shown and newer else None,
        "results": [show(entry) for _, entry in shown],
    }


def fetch_from(entries: Sequence[T]) -> Fetch[T]:
    """A `Fetch` over a list that is already there, newest first."""
    numbered = [(len(entries) - place, entry) for place, entry in enumerate(entries)]

    async def fetch(limit: int, cursor: Cursor) -> list[tuple[int, T]]:
        if cursor.after is not None:
            return [row for row in numbered if row[0] > cursor.after][-limit:]
        return [row for row in numbered if cursor.before is None or row[0] < cursor.before][:limit]

    return fetch


def _decode(text: str | None) -> Cursor:
    if text is None:
        return Cursor()
    try:
        found = _CURSOR.fullmatch(base64.urlsafe_b64decode(text).decode())
    except (binascii.Error, ValueError):
        found = None
    if found is not None:
        row = int(found[2])
        return Cursor(before=row) if found[1] == "b" else Cursor(after=row)
    raise ProblemError(400, f"cursor is not one that this API has given out: {text!r}.", title="Bad request")
