"""Calls to Replicate: which may be repeated, how long they may take, and what becomes of a fault."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx

from app.clock import Clock
from app.errors import (
    ProviderAnswerLostError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, JsonValue
from app.services.provider_wire.answers import Answer, is_passing, json_of
from app.services.provider_wire.faults import TransportFault, is_transport_fault
from app.services.provider_wire.patience import PassingFault, Patience
from app.services.provider_wire.secrecy import Scrubber
from app.services.replicate_client.multipart import file_upload
from app.services.replicate_client.official import OfficialApi
from app.services.replicate_client.refusals import NO_TOKEN, TOKEN_REFUSED, refusal, retry_after
from app.services.replicate_client.their_clock import TheirClock
from app.services.replicate_client.time_limits import TimeLimits

_LONGEST_WAIT = 60
"""Replicate keeps a create waiting for a minute at most."""
_UNREACHABLE = "Replicate cannot be reached at the moment."
_BUSY = "Replicate is busy and asks to be called again later."


class Wire:
    """Replicate's HTTP API as JSON in, JSON out and errors of ours."""

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        transport: httpx.AsyncBaseTransport,
        token: str | None,
        base_url: str,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        limits: TimeLimits | None = None,
    ) -> None:
        self.base_url = httpx.URL(base_url)
        self.scrub = Scrubber(token)
        self.their_clock = TheirClock(clock)
        self._http = http
        self._token = token
        self._clock = clock
        self._patience = Patience(clock=clock, jitter=jitter)
        self._limits = limits or TimeLimits()
        self._official = OfficialApi(http=http, transport=transport, token=token or "", base_url=base_url)
        self._paused_until: datetime | None = None

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> object:
        """The JSON found at `path`; repeated through passing faults, for a minute at most."""
        limit = self._limits.answer
        return await self._repeated(
            f"GET {path}",
            lambda left: self._official.send("GET", path, query=query, limit=limit.within(left)),
            give_up_seconds=self._limits.give_up_seconds,
        )

    async def look_up(self, path: str) -> object:
        """Like `get`, for somebody who waits: given up after a quarter of that time."""
        limit = self._limits.lookup
        return await self._repeated(
            f"GET {path}",
            lambda left: self._official.send("GET", path, limit=limit.within(left)),
            give_up_seconds=self._limits.lookup_give_up_seconds,
        )

    async def post_again(self, path: str, body: Mapping[str, JsonValue] | None = None) -> object:
        """Send a POST that does no harm when it arrives twice; repeated like `get`."""
        limit = self._limits.answer
        return await self._repeated(
            f"POST {path}",
            lambda left: self._official.send("POST", path, body=body, limit=limit.within(left)),
            give_up_seconds=self._limits.give_up_seconds,
        )

    async def upload(self, path: str, file: Path, *, media_type: str) -> object:
        """Send `file` from disk as the form field `content`; repeated through passing faults.

        One attempt may take as long as the size needs on a slow line; none begins after the first minute.
        """

        async def send(_left: float) -> Answer:
            # The official package reads a file into memory before it sends it.
            content, headers = await file_upload(file, media_type=media_type)
            limit = self._limits.upload_of(int(headers["Content-Length"]))
            try:
                async with asyncio.timeout(limit.total_seconds):
                    return await self._http.post(
                        f"{str(self.base_url).rstrip('/')}{path}",
                        content=content,
                        headers={**headers, "Authorization": f"Bearer {self._token}"},
                        timeout=limit.timeout,
                        follow_redirects=False,
                    )
            except Exception as exc:
                if is_transport_fault(exc):
                    raise TransportFault(exc) from exc
                raise

        return await self._repeated(f"POST {path}", send, give_up_seconds=self._limits.give_up_seconds)

    async def create(
        self,
        path: str,
        body: Mapping[str, JsonValue],
        *,
        wait: timedelta | None = None,
        secrets: Iterable[str] = (),
    ) -> dict[str, object]:
        """Send a POST that costs money: once, and never again from here.

        Raises `ProviderUnavailableError` when it surely did not run, `ProviderAnswerLostError` when it may
        have. After a 429 nothing is sent until the pause that Replicate asked for is over.
        """
        self._check_token()
        self._check_pause()
        headers: dict[str, str] = {}
        seconds = None
        if wait is not None and wait > timedelta(0):
            seconds = min(max(int(wait.total_seconds()), 1), _LONGEST_WAIT)
            headers["Prefer"] = f"wait={seconds}"
        limit = self._limits.create(seconds)
        try:
            answer = await self._official.create(path, body=body, headers=headers, limit=limit)
        except TransportFault as exc:
            if not exc.sent:
                raise ProviderUnavailableError(_UNREACHABLE) from exc
            raise ProviderAnswerLostError(
                f"No answer came to the order ({exc}); the run may have started."
            ) from exc
        if answer.is_success:
            self.their_clock.learn(answer)
            run = json_of(answer)
            if isinstance(run, dict) and isinstance(run.get("id"), str):
                return run
            raise ProviderAnswerLostError(
                "Replicate's answer to the order made no sense; the run may have started."
            )
        raise self._refused_create(answer, secrets)

    def _refused_create(self, answer: Answer, secrets: Iterable[str]) -> ProviderError:
        status = answer.status_code
        pause = retry_after(answer, self.their_clock.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            if pause is not None:
                self._paused_until = self._clock.now() + pause
            return ProviderUnavailableError(_BUSY, retry_after=pause)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in answer.headers:
            return ProviderUnavailableError(_BUSY, retry_after=pause)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            return ProviderAnswerLostError(
                f"Replicate answered the order with status {status}; the run may have started."
            )
        return refusal(answer, self.scrub, secrets)

    async def _repeated(
        self, what: str, send: Callable[[float], Awaitable[Answer]], *, give_up_seconds: float
    ) -> object:
        """What `send` is answered; it is told how many seconds are left."""
        self._check_token()

        async def ask(left: float) -> object:
            try:
                answer = await send(left)
            except TransportFault as exc:
                raise PassingFault(_UNREACHABLE, reason=str(exc)) from exc
            return self._answered(answer)

        return await self._patience.repeated(what, ask, give_up_seconds=give_up_seconds)

    def _answered(self, answer: Answer) -> object:
        if answer.is_success:
            self.their_clock.learn(answer)
            parsed = json_of(answer)
            if parsed is None and answer.content:
                raise PassingFault("Replicate gave an answer that is not JSON.", reason="no JSON")
            return parsed
        if not is_passing(answer.status_code):
            raise refusal(answer, self.scrub)
        raise PassingFault(
            _BUSY if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else _UNREACHABLE,
            reason=f"status {answer.status_code}",
            pause=retry_after(answer, self.their_clock.now()),
        )

    def _check_token(self) -> None:
        if not self._token:
            raise _token_error(NO_TOKEN)
        # A stray line break or letter would come back in the transport's own error, token and all.
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise _token_error(TOKEN_REFUSED)

    def _check_pause(self) -> None:
        if self._paused_until is None:
            return
        rest = self._paused_until - self._clock.now()
        if rest > timedelta(0):
            raise ProviderUnavailableError(_BUSY, retry_after=rest)
        self._paused_until = None


def _token_error(detail: str) -> ProviderRefusedError:
    return ProviderRefusedError(
        detail,
        failure_code=FailureCode.PROVIDER_TOKEN_REFUSED,
        upstream_status=HTTPStatus.UNAUTHORIZED,
    )
