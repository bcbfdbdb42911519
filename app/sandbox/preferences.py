"""The request headers with which a caller says how long to wait and when to give up."""

import re

from app.sandbox.problems import ProblemError

_WAIT = re.compile(r"wait(?:=(\d{1,6}))?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?", re.IGNORECASE)
_LONGEST_WAIT = 60
_SHORTEST_DEADLINE = 5


def wait_seconds(header: str | None) -> int | None:
    """How long `Prefer` wants an answer to be waited for, at most 60 seconds; None for not at all."""
    for preference in (header or "").split(","):
        found = _WAIT.fullmatch(preference.strip())
        if found is not None:
            seconds = _LONGEST_WAIT if found[1] is None else int(found[1])
            return min(seconds, _LONGEST_WAIT) or None
    return None


def cancel_after_seconds(header: str | None) -> float | None:
    """The duration in `Cancel-After`, such as `90`, `45s` or `1h30m`; at least five seconds."""
    if header is None:
        return None
    found = _DURATION.fullmatch(header.strip())
    if found is None or not any(found.groups()):
        detail = f"Cancel-After must be a duration such as 90, 45s, 5m or 1h30m45s, not {header!r}."
        raise ProblemError(400, detail, title="Bad request")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total < _SHORTEST_DEADLINE:
        detail = f"Cancel-After must be at least {_SHORTEST_DEADLINE} seconds, not {header!r}."
        raise ProblemError(400, detail, title="Bad request")
    return float(total)
