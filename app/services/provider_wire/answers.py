"""What answers over HTTP say, whoever gives them."""

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

_LONGEST_PAUSE = timedelta(minutes=5)


def json_of(response: httpx.Response) -> object:
    """The answer's body, or None where it is no JSON."""
    try:
        parsed: object = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return parsed


def is_passing(status: int) -> bool:
    """Whether the same request may well be answered a moment later."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    )


def retry_after_header(response: httpx.Response, now: datetime) -> float | None:
    """The seconds in the header `Retry-After`, given as such or as a date; None where it is of no use."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def pause_of(seconds: float | None) -> timedelta | None:
    """A pause that was asked for as it is kept: at most five minutes."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_PAUSE.total_seconds()))
