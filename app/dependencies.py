"""What a router may ask for."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Generic, TypeVar, cast

from fastapi import Depends, Header, Request

from app.callers import Caller, Scope
from app.errors import FieldError, InvalidRequestError
from app.field_errors import shown
from app.models import JobKind
from app.services.access import Access
from app.services.fine_tunes import FineTunes
from app.services.images import ImageService
from app.services.jobs import JobService
from app.services.notifier import Notifier
from app.services.provider_fine_tunes import FineTuneLibrary
from app.services.readiness import Readiness
from app.services.replicate_words import ReplicateWords
from app.services.server_zips import ServerZips
from app.services.training_costs import TrainingCosts
from app.services.training_sets import Datasets
from app.services.webhook_intake import WebhookIntake
from app.services.webhook_receivers import WebhookReceivers
from app.turns import Turn, Turns

T = TypeVar("T")

_PREFERENCE = re.compile(r"\s*([a-z-]+)\s*(?:=\s*\"?([^\",;\s]*)\"?)?")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Needs:
    """A dependency: a caller that may do what `scope` stands for; anybody else gets 401 or 403."""

    def __init__(self, scope: Scope) -> None:
        self.scopes = (scope,)

    async def __call__(self, request: Request) -> Caller:
        return await _access(request).check(_peer(request), request.headers, self.scopes[0])


class NeedsScopeOfJob:
    """A dependency: a caller that may start jobs of the kind of the one that the path names."""

    scopes = (Scope.GENERATE, Scope.TRAIN)

    async def __call__(self, request: Request) -> Caller:
        caller = await _access(request).check(_peer(request), request.headers, Scope.READ)
        job = await (await job_service(request)).get(request.path_params["job_id"])
        caller.must_hold(Scope.GENERATE if job.kind is JobKind.GENERATION else Scope.TRAIN)
        return caller


class NeedsScopeUnlessBrowsing:
    """A dependency: whether a program asks, which then may look at everything; browsers only pass by."""

    scopes = (Scope.READ,)

    async def __call__(self, request: Request) -> bool:
        if "text/html" in request.headers.get("accept", ""):
            await _access(request).check_place(_peer(request), request.headers)
            return False
        await _access(request).check(_peer(request), request.headers, Scope.READ)
        return True


class NeedsScopeForImages:
    """A dependency: a caller that may fetch pictures, which is everybody where they are public."""

    scopes = (Scope.READ,)

    async def __call__(self, request: Request) -> None:
        await _access(request).check_for_images(_peer(request), request.headers)


check_for_images = NeedsScopeForImages()


def _access(request: Request) -> Access:
    return cast(Access, request.state.access)


def _peer(request: Request) -> str | None:
    client = request.scope.get("client")
    return client[0] if client else None


async def job_service(request: Request) -> JobService:
    return cast(JobService, request.state.jobs)


async def image_service(request: Request) -> ImageService:
    return cast(ImageService, request.state.images)


async def _datasets(request: Request) -> Datasets:
    return cast(Datasets, request.state.datasets)


async def _fine_tunes(request: Request) -> FineTunes:
    return cast(FineTunes, request.state.fine_tunes)


async def _fine_tune_libraries(request: Request) -> Mapping[str, FineTuneLibrary]:
    return cast(Mapping[str, FineTuneLibrary], request.state.fine_tune_libraries)


async def _training_costs(request: Request) -> TrainingCosts:
    return cast(TrainingCosts, request.state.training_costs)


async def _notifier(request: Request) -> Notifier:
    return cast(Notifier, request.state.notifier)


async def webhook_receivers(request: Request) -> WebhookReceivers:
    return cast(WebhookReceivers, request.state.webhook_receivers)


async def _webhook_intake(request: Request) -> WebhookIntake:
    return cast(WebhookIntake, request.state.webhook_intake)


async def _server_zips(request: Request) -> ServerZips:
    return cast(ServerZips, request.state.server_zips)


async def _replicate_words(request: Request) -> ReplicateWords:
    return cast(ReplicateWords, request.state.replicate_words)


async def _readiness(request: Request) -> Readiness:
    return cast(Readiness, request.state.readiness)


async def _metrics_page(request: Request) -> Callable[[str], Awaitable[tuple[bytes, str]]]:
    return cast(Callable[[str], Awaitable[tuple[bytes, str]]], request.state.metrics.page)


async def _provider_note(request: Request) -> str:
    return cast(str, request.state.provider_note)


async def _needs_key(request: Request) -> bool:
    return _access(request).needs_key


async def images_are_private(request: Request) -> bool:
    return _access(request).images_are_private


async def sync_wait(
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


async def _stopping(request: Request) -> asyncio.Event:
    return cast(asyncio.Event, request.state.stopping)


@dataclass(frozen=True, slots=True)
class InTurn(Generic[T]):
    """What was read of a request when its turn had come; to be entered by whoever goes on with it."""

    body: T
    turn: Turn


def in_turn(read: Callable[[Request], Awaitable[T]]) -> Callable[[Request], Awaitable[InTurn[T]]]:
    """A dependency that waits for its turn before it does what `read` does.

    For requests that cost work and may arrive by the hundred. Not a dependency of its own, with a clean-up,
    which would cost a tenth of taking a request in.
    """

    async def taken(request: Request) -> InTurn[T]:
        turn = await cast(Turns, request.state.turns).take()
        try:
            return InTurn(await read(request), turn)
        except BaseException:
            turn.over()
            raise

    return taken


async def idempotency_key(
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


Jobs = Annotated[JobService, Depends(job_service)]
Images = Annotated[ImageService, Depends(image_service)]
DatasetsDep = Annotated[Datasets, Depends(_datasets)]
FineTunesDep = Annotated[FineTunes, Depends(_fine_tunes)]
FineTuneLibraries = Annotated[Mapping[str, FineTuneLibrary], Depends(_fine_tune_libraries)]
TrainingCostsDep = Annotated[TrainingCosts, Depends(_training_costs)]
NotifierDep = Annotated[Notifier, Depends(_notifier)]
WebhookReceiversDep = Annotated[WebhookReceivers, Depends(webhook_receivers)]
WebhookIntakeDep = Annotated[WebhookIntake, Depends(_webhook_intake)]
ServerZipsDep = Annotated[ServerZips, Depends(_server_zips)]
ReplicateWordsDep = Annotated[ReplicateWords, Depends(_replicate_words)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]
MetricsPage = Annotated[Callable[[str], Awaitable[tuple[bytes, str]]], Depends(_metrics_page)]
ProviderNote = Annotated[str, Depends(_provider_note)]

NeedsKey = Annotated[bool, Depends(_needs_key)]
"""Whether callers have to show an API key."""

ImagesArePrivate = Annotated[bool, Depends(images_are_private)]
"""Whether pictures may not be kept where others can reach them."""

GUARDED_READ = [Depends(Needs(Scope.READ))]
"""For all routes of a router, as its `dependencies`: callers that may look at everything."""

may_generate = Needs(Scope.GENERATE)

GUARDED_GENERATE = [Depends(may_generate)]
"""Likewise: callers that may make pictures."""

GUARDED_TRAIN = [Depends(Needs(Scope.TRAIN))]
"""Likewise: callers that may make models and send training pictures."""

GUARDED_ADMIN = [Depends(Needs(Scope.ADMIN))]
"""Likewise: callers that may do everything."""

MayRead = Annotated[Caller, GUARDED_READ[0]]
"""For one route, as the type of a parameter: a caller that may look at everything."""

MayGenerate = Annotated[Caller, GUARDED_GENERATE[0]]
"""Likewise: a caller that may make pictures."""

MayTrain = Annotated[Caller, GUARDED_TRAIN[0]]
"""Likewise: a caller that may make models and send training pictures."""

MayAdminister = Annotated[Caller, GUARDED_ADMIN[0]]
"""Likewise: a caller that may do everything."""

MayCancel = Annotated[Caller, Depends(NeedsScopeOfJob())]
"""A caller that may start jobs like the one that the path calls `job_id`."""

MayFetchImages = Annotated[None, Depends(check_for_images)]
"""A caller that may look at everything, or anybody where pictures are public."""

IsProgram = Annotated[bool, Depends(NeedsScopeUnlessBrowsing())]
"""Whether a program asks, which may look at everything; a browser gets here without a key."""

Stopping = Annotated[asyncio.Event, Depends(_stopping)]
"""Set once the server is told to stop; what may last long ends then."""

SyncWait = Annotated[timedelta | None, Depends(sync_wait)]
"""How long to keep this caller waiting; None: answer as soon as the job is recorded."""

IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]


def upload_limit(request: Request) -> int:
    """How many bytes the files of one upload may have together."""
    return cast(int, request.state.upload_limit_bytes)
