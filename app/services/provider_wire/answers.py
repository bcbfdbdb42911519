"""What answers over HTTP say, whoever gives them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

_LONGEST_PAUSE = timedelta(minutes=5)


class Answer(Protocol):
    """A whole answer, whatever its status; httpx's own responses are such."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, however it is written."""
        ...

    @property
    def content(self) -> bytes: ...

    @property
    def is_success(self) -> bool: ...

    @property
    def is_redirect(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """An answer and nothing else."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status_code < 400


def json_of(answer: Answer) -> object:
    """The answer's body, or None where it is no JSON."""
    try:
        parsed: object = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return parsed


def is_passing(status: int) -> bool:
    """Whether the same request may well be answered a moment later."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    )


def retry_after_header(answer: Answer, now: datetime) -> float | None:
    """The seconds in the header `Retry-After`, given as such or as a date; None where it is of no use."""
    value = answer.headers.get("retry-after")
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
