"""What every provider of image models offers, and what it reports."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from app.datasets import ProviderFile
from app.models import (
    Failure,
    GenerationRequest,
    JobKind,
    JobStatus,
    Limits,
    Order,
    Progress,
    Run,
    TrainingRequest,
    TrainingResult,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says about one run, in our words.

    `status` is never `QUEUED`. With `SUCCEEDED`, `outputs` are the addresses of the finished pictures
    (as its `download` takes them), and `outputs_removed` says that the provider has already deleted them.
    With `FAILED`, `reruns` says how many new runs of the same order the fault is worth, and `cost_nothing`
    that the run surely cost nothing, so that another provider may be tried. `logs` is the whole log so far,
    or None where the answer carried none. `url` is where the provider wants to be asked about the run, None
    where its id is enough.
    """

    status: JobStatus
    upstream_id: str
    url: str | None = None
    outputs: tuple[str, ...] = ()
    outputs_removed: bool = False
    failure: Failure | None = None
    reruns: int = 0
    cost_nothing: bool = False
    version: str | None = None
    logs: str | None = None
    progress: Progress | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    predict_seconds: float | None = None
    result: TrainingResult | None = None

    @property
    def transient(self) -> bool:
        """Whether a new run of the same order may well succeed."""
        return self.reruns > 0


@dataclass(frozen=True, slots=True)
class WebhookNews:
    """What a provider's webhook tells: of which run, and how that stands, given what kind of run it is."""

    upstream_id: str
    report_as: Callable[[JobKind], Report]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be used, by the `name` that callers give; `version` is its current one if it has any.

    `is_loaded` is None where models need not be loaded. `problem` says why one that is there cannot be used.
    """

    name: str
    provider: str
    description: str | None = None
    version: str | None = None
    official: bool = False
    is_loaded: bool | None = None
    problem: str | None = None


class Provider(Protocol):
    """One place where pictures are made.

    Every method may raise `ProviderUnavailableError` (surely did not run; try again later),
    `ProviderRefusedError` (the request or the account is at fault) and `ProviderAnswerLostError` (may or
    may not have run, or the answer made no sense).

    `settled_after` says how long after an answer was lost its run must show to `find`; each time that it
    did not, the order is sent again, as often as there are times but the last. Empty where runs cannot be
    found: then nothing is ever sent again. `signs_webhooks` says whether a webhook is known to be the
    provider's own; one that is not only makes us ask.
    """

    @property
    def name(self) -> str:
        """What callers' model names begin with, before the slash; `replicate` needs no such beginning."""
        ...

    @property
    def settled_after(self) -> Sequence[timedelta]: ...

    @property
    def signs_webhooks(self) -> bool: ...

    def limits(self, model: str) -> Limits:
        """How many runs the provider takes at once, counted over all processes."""
        ...

    async def plan_generation(self, request: GenerationRequest) -> Order:
        """The order that makes `request`, checked against the model's own schema; costs nothing."""
        ...

    async def plan_training(self, request: TrainingRequest) -> Order:
        """The order that trains `request`, checked against the trainer's own schema; costs nothing."""
        ...

    async def upload(self, training_set: Path) -> ProviderFile:
        """Bring a zip of pictures to where the trainer finds it. Costs nothing."""
        ...

    async def has_file(self, address: str) -> bool:
        """Whether the file that was uploaded to `address` still lies there."""
        ...

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        """Do what must be done before `create`. Safe to repeat, costs nothing.

        `training_set` is the address of the uploaded pictures, for a training that has some.
        """
        ...

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        """Start the run: the one call that costs money. With `wait`, the answer may be that late.

        The provider is asked to tell `webhook`, an address of ours, how the run goes on.
        """
        ...

    async def fetch(self, run: Run) -> Report:
        """What the run looks like now."""
        ...

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        """All runs made since then, by upstream id, in as few calls as the provider allows."""
        ...

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        """The run that was made from `order` since then and is not in `exclude`; None if there is none."""
        ...

    async def cancel(self, run: Run) -> Report:
        """Ask the run to stop; the answer says how it really stands. Safe to repeat."""
        ...

    def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a finished picture; refuses addresses that are not the provider's."""
        ...

    async def models(self) -> list[ModelInfo]:
        """The models that can be used now."""
        ...

    async def webhook_secret(self) -> str:
        """What the provider signs its webhooks with, as `whsec_` and a key in base64."""
        ...

    def read_webhook(self, body: bytes) -> WebhookNews:
        """What a webhook says whose signature was verified; `InvalidRequestError` for what makes no sense."""
        ...
