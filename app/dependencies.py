"""What a router may ask for."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from app.errors import FieldError, InvalidRequestError
from app.field_errors import shown
from app.services.access import Access
from app.services.images import ImageService
from app.services.jobs import JobService
from app.services.readiness import Readiness
from app.services.safe_fetch import UrlInspector
from app.services.training_sets import TrainingSets
from app.turns import Turn, Turns

_PREFERENCE = re.compile(r"\s*([a-z-]+)\s*(?:=\s*\"?([^\",;\s]*)\"?)?")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


async def check_caller(request: Request) -> None:
    client = request.scope.get("client")
    cast(Access, request.state.access).check(client[0] if client else None, request.headers)


async def _job_service(request: Request) -> JobService:
    return cast(JobService, request.state.jobs)


async def image_service(request: Request) -> ImageService:
    return cast(ImageService, request.state.images)


async def _training_sets(request: Request) -> TrainingSets:
    return cast(TrainingSets, request.state.training_sets)


async def _url_inspector(request: Request) -> UrlInspector:
    return cast(UrlInspector, request.state.url_inspector)


async def _readiness(request: Request) -> Readiness:
    return cast(Readiness, request.state.readiness)


async def _provider_note(request: Request) -> str:
    return cast(str, request.state.provider_note)


async def needs_key(request: Request) -> bool:
    return cast(Access, request.state.access).needs_key


async def _reader(request: Request) -> None:
    client = request.scope.get("client")
    cast(Access, request.state.access).check_place(client[0] if client else None, request.headers)


async def _sync_wait(
    request: Request,
    prefer: Annotated[
        str | None,
        Header(
            description="`respond-async`: answer with the job at once. `wait=n`: wait at most n seconds. "
            "Both: wait that long, then answer with the job.",
        ),
    ] = None,
) -> timedelta | None:
    longest = cast(timedelta, request.state.sync_wait)
    return longest if prefer is None else wait_preferred(prefer, longest)


async def _turn(request: Request) -> AsyncIterator[Turn]:
    async with await cast(Turns, request.state.turns).take() as turn:
        yield turn


async def _idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            description="1 to 255 printable characters. A repeated request with the same key joins the first "
            "one's job, so that nothing is paid for twice.",
        ),
    ] = None,
) -> str | None:
    if key is not None and not _KEY.fullmatch(key):
        message = f"{shown('', key)} is not possible; 1 to 255 printable ASCII characters are allowed."
        raise InvalidRequestError([FieldError("Idempotency-Key", message)])
    return key


def wait_preferred(prefer: str, longest: timedelta) -> timedelta | None:
    """How long a caller wants to be kept waiting, by its `Prefer` header (RFC 7240); None for not at all.

    Preferences that make no sense are ignored, as the RFC has it.
    """
    preferences: dict[str, str] = {}
    for part in prefer.lower().split(","):
        if match := _PREFERENCE.match(part):
            preferences.setdefault(match[1], match[2] or "")
    wait = preferences.get("wait")
    if wait is not None and wait.isdecimal():
        # Cut before it becomes a timedelta, which cannot hold every number.
        seconds = min(float(wait[:12]), longest.total_seconds())
        return timedelta(seconds=seconds) if seconds else None
    return None if "respond-async" in preferences else longest


def prefers_async(request: Request) -> bool:
    """Whether the caller asked for the job instead of its outcome."""
    return "respond-async" in request.headers.get("prefer", "").lower()


Jobs = Annotated[JobService, Depends(_job_service)]
Images = Annotated[ImageService, Depends(image_service)]
TrainingSetsDep = Annotated[TrainingSets, Depends(_training_sets)]
UrlInspectorDep = Annotated[UrlInspector, Depends(_url_inspector)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
ProviderNote = Annotated[str, Depends(_provider_note)]

NeedsKey = Annotated[bool, Depends(needs_key)]
"""Whether callers have to show an API key."""

Caller = Annotated[None, Depends(check_caller)]
"""A caller that may use the service; anybody else gets 401 or 403."""

GUARDED = [Depends(check_caller)]
"""The same for all routes of a router, as its `dependencies`."""

Reader = Annotated[None, Depends(_reader)]
"""A caller that may see pages without secrets, such as the documentation, also without a key."""

MyTurn = Annotated[Turn, Depends(_turn)]
"""Leave to be taken in, when many requests arrive at once; declare it before what costs work."""

SyncWait = Annotated[timedelta | None, Depends(_sync_wait)]
"""How long to keep this caller waiting; None: answer as soon as the job is recorded."""

IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]


def upload_limit(request: Request) -> int:
    """How many bytes the files of one upload may have together."""
    return cast(int, request.state.upload_limit_bytes)
