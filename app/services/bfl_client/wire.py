"""Calls to BFL: which host they go to, which may be repeated, and what becomes of a fault."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from app.clock import Clock
from app.errors import (
    ProviderAnswerLostError,
    ProviderError,
    ProviderUnavailableError,
)
from app.models import JobKind, Run
from app.services.bfl_client.refusals import KEY_REFUSED, NO_KEY, key_error, refusal
from app.services.bfl_client.results import TASK_NOT_FOUND, is_task
from app.services.provider_wire.addresses import is_of, origin
from app.services.provider_wire.answers import Answer, is_passing, json_of, pause_of, retry_after_header
from app.services.provider_wire.faults import TransportFault
from app.services.provider_wire.patience import PassingFault, Patience
from app.services.provider_wire.secrecy import Scrubber
from app.services.provider_wire.sending import Outgoing, send_once
from app.services.provider_wire.time_limits import SLOWEST_LINE, CallLimit

_HOSTS = re.compile(r"(?:.+\.)?bfl\.(?:ai|ml)", re.ASCII)
"""Who may see the key: the clusters that polling addresses lead to have names of their own."""
FINE_TUNE_CLUSTER = "https://api.us1.bfl.ai"

_UNREACHABLE = "Black Forest Labs cannot be reached at the moment."
_BUSY = "Black Forest Labs has as many tasks from this service as it takes at once."
_MAY_HAVE_STARTED = "the task may have started"
_ANSWER = CallLimit(30, 60)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limit of a call, and how long a question that failed is repeated."""

    answer: CallLimit = _ANSWER
    give_up_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an order: the task as it shows it, and where to ask about it if not at the base."""

    task: dict[str, object]
    id: str
    url: str | None


class Wire:
    """BFL's HTTP API as JSON in, JSON out and errors of ours."""

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        key: str | None,
        base_url: str,
        cluster_url: str | None,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        limits: TimeLimits | None = None,
    ) -> None:
        """`cluster_url` is where fine-tunes are, None for BFL's own or, at another base, for the base."""
        self.base_url = _root(base_url)
        own = cluster_url or (FINE_TUNE_CLUSTER if is_of(self.base_url, _HOSTS) else base_url)
        self._cluster_url = _root(own)
        self.scrub = Scrubber(key)
        self._transport = transport
        self._key = key
        self._clock = clock
        self._patience = Patience(clock=clock, jitter=jitter)
        self._limits = limits or TimeLimits()

    async def create(
        self, path: str, content: bytes, *, on_cluster: bool, names: Mapping[str, str]
    ) -> Accepted:
        """Send an order, JSON that costs money: once, and never again from here.

        Raises `ProviderUnavailableError` when it surely did not run, `ProviderAnswerLostError` when it may
        have. `names` says what callers call BFL's fields.
        """
        base = self._cluster_url if on_cluster else self.base_url
        request = self._request("POST", self._below(base, path), content)
        limit = self._limits.answer.with_body(len(content), bytes_per_second=SLOWEST_LINE)
        try:
            answer = await send_once(self._transport, request, limit)
        except TransportFault as exc:
            if not exc.sent:
                raise ProviderUnavailableError(_UNREACHABLE) from exc
            raise ProviderAnswerLostError(
                f"No answer came to the order ({exc}); {_MAY_HAVE_STARTED}."
            ) from exc
        body = json_of(answer)
        # A task that has failed at once may come with any status.
        if not answer.is_success and not is_task(body):
            raise self._refused_create(answer, names)
        task = body if isinstance(body, dict) else {}
        # Which of the two a fine-tune is answered with, clients do not agree about.
        upstream_id = task.get("id") or task.get("finetune_id")
        if not isinstance(upstream_id, str):
            raise ProviderAnswerLostError(
                f"The answer of Black Forest Labs to the order made no sense; {_MAY_HAVE_STARTED}."
            )
        asked_at = self._trusted(task.get("polling_url"))
        if asked_at is None and on_cluster:
            asked_at = self._result_at(base, upstream_id)
        return Accepted(task, upstream_id, None if asked_at is None else str(asked_at))

    async def task(self, run: Run) -> dict[str, object] | None:
        """The run as BFL shows it, at the run's own address or else at the base; None where it is unknown."""
        for address in dict.fromkeys(self._addresses(run)):
            found = await self._repeated("GET", address, shows_task=True)
            if isinstance(found, dict) and found.get("status") != TASK_NOT_FOUND:
                return found
        return None

    async def on_cluster(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> object:
        """The JSON that a question about fine-tunes is answered with, None for 404; repeated like `task`."""
        address = self._below(self._cluster_url, path).copy_merge_params(query or {})
        return await self._repeated(method, address, content=content)

    def check_key(self) -> None:
        """Raise `ProviderRefusedError` unless there is a key that can be sent."""
        if not self._key:
            raise key_error(NO_KEY)
        # A stray line break or letter would come back in the transport's own error, key and all.
        if not self._key.isascii() or not self._key.isprintable() or " " in self._key:
            raise key_error(KEY_REFUSED)

    async def _repeated(
        self, method: str, address: httpx.URL, *, content: bytes | None = None, shows_task: bool = False
    ) -> object:
        async def ask(left: float) -> object:
            request = self._request(method, address, content)
            try:
                answer = await send_once(self._transport, request, self._limits.answer.within(left))
            except TransportFault as exc:
                raise PassingFault(_UNREACHABLE, reason=str(exc)) from exc
            return self._answered(answer, shows_task=shows_task)

        what = f"{method} {address.host}{address.path}"
        return await self._patience.repeated(what, ask, give_up_seconds=self._limits.give_up_seconds)

    def _answered(self, answer: Answer, *, shows_task: bool) -> object:
        body = json_of(answer)
        # A task that has failed may come with 503, or with 422.
        if shows_task and is_task(body):
            return body
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.is_success:
            sound = isinstance(body, dict) and (not shows_task or isinstance(body.get("status"), str))
            if not sound:
                detail = "The answer of Black Forest Labs made no sense."
                raise PassingFault(detail, reason="an answer without sense")
            return body
        if not is_passing(answer.status_code):
            raise refusal(answer, self.scrub)
        raise PassingFault(
            _BUSY if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else _UNREACHABLE,
            reason=f"status {answer.status_code}",
            pause=pause_of(retry_after_header(answer, self._clock.now())),
        )

    def _refused_create(self, answer: Answer, names: Mapping[str, str]) -> ProviderError:
        status = answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            pause = pause_of(retry_after_header(answer, self._clock.now()))
            return ProviderUnavailableError(_BUSY, retry_after=pause)
        if is_passing(status):
            return ProviderAnswerLostError(
                f"Black Forest Labs answered the order with status {status}; {_MAY_HAVE_STARTED}."
            )
        return refusal(answer, self.scrub, names)

    def _addresses(self, run: Run) -> Iterator[httpx.URL]:
        """Where the run may be known; a task that was sent to a cluster is known to that cluster alone."""
        given = self._trusted(run.url)
        if given is not None:
            yield given
        base = self._cluster_url if run.kind is JobKind.TRAINING else self.base_url
        yield self._result_at(base, run.id)

    def _result_at(self, base: httpx.URL, upstream_id: str) -> httpx.URL:
        return self._below(base, "get_result").copy_merge_params({"id": upstream_id})

    def _below(self, base: httpx.URL, path: str) -> httpx.URL:
        return base.copy_with(path=f"{base.path.rstrip('/')}/v1/{path}")

    def _trusted(self, url: object) -> httpx.URL | None:
        """An address that BFL named, unless it is a stranger's: it would be told the key."""
        if not isinstance(url, str):
            return None
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL:
            return None
        return address if self._may_see_key(address) and not address.userinfo else None

    def _may_see_key(self, address: httpx.URL) -> bool:
        return is_of(address, _HOSTS) or origin(address) in (origin(self.base_url), origin(self._cluster_url))

    def _request(self, method: str, address: httpx.URL, content: bytes | None) -> Outgoing:
        self.check_key()
        if not self._may_see_key(address):
            raise ValueError(f"the key would go to {address.host!r}")
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "x-key": str(self._key)}
        if content is not None:
            headers["Content-Type"] = "application/json"
        return Outgoing(method, str(address), headers, content)


def _root(url: str) -> httpx.URL:
    """An address of the API without `/v1`, however it was written."""
    return httpx.URL(url.rstrip("/").removesuffix("/v1"))
