"""The provider `replicate`: orders, runs and pictures in our words."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic_core import from_json

from app.clock import Clock
from app.datasets import ProviderFile
from app.errors import (
    FieldError,
    InvalidRequestError,
    ModelNotFoundError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import (
    NO_LIMITS,
    FailureCode,
    GenerationRequest,
    JobKind,
    JsonValue,
    Limits,
    Order,
    Run,
    TrainingRequest,
)
from app.services.images.recently_used import RecentlyUsed
from app.services.model_inputs import fit_generation, fit_training, in_todays_words
from app.services.provider import ModelInfo, Report, WebhookNews
from app.services.provider_wire.downloads import Downloads
from app.services.replicate_client import listing
from app.services.replicate_client.catalogue import Catalogue, RunnableModel
from app.services.replicate_client.reports import report_of
from app.services.replicate_client.time_limits import TimeLimits
from app.services.replicate_client.training_files import is_there, uploaded
from app.services.replicate_client.training_orders import destination_for, made_ready
from app.services.replicate_client.wire import Wire
from app.signing import is_secret

DELIVERY_HOSTS = re.compile(r"(?:.+\.)?replicate\.delivery", re.ASCII)
"""Where finished pictures lie."""

_FLAVOURS = {"dev": "black-forest-labs/flux-dev", "schnell": "black-forest-labs/flux-schnell"}
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_RESULTS_REMEMBERED = 1000
_WEBHOOK_EVENTS = {
    JobKind.GENERATION: ("start", "completed"),
    # Their progress is in their log.
    JobKind.TRAINING: ("start", "logs", "completed"),
}


class ReplicateClient:
    """Replicate, or whatever speaks its wire at `base_url` (which ends in `/v1`).

    `http` speaks to the API and `transport`, the one beneath it, fetches the pictures, which are public.
    `trainer` is `owner/name`, or `owner/name:version` to stay with one version.
    """

    name = "replicate"
    settled_after = (timedelta(seconds=15), timedelta(minutes=2), timedelta(minutes=10))
    signs_webhooks = True

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        transport: httpx.AsyncBaseTransport,
        token: str | None,
        base_url: str,
        default_model: str,
        trainer: str,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        limits: TimeLimits | None = None,
    ) -> None:
        self._clock = clock
        self._default_model = default_model
        self._trainer = trainer
        self._wire = Wire(
            http=http,
            transport=transport,
            token=token,
            base_url=base_url,
            clock=clock,
            jitter=jitter,
            limits=limits,
        )
        self._catalogue = Catalogue(wire=self._wire, clock=clock)
        self._downloads = Downloads(transport=transport, base_url=self._wire.base_url, allowed=DELIVERY_HOSTS)
        self._results_seen: RecentlyUsed[str, bool] = RecentlyUsed(_RESULTS_REMEMBERED, weigh=lambda _: 1)

    def limits(self, model: str) -> Limits:
        """None: Replicate says by itself when it wants to be asked later."""
        return NO_LIMITS

    def forget_model(self, name: str) -> None:
        """Look `owner/name` up anew when it is next used."""
        self._catalogue.forget_model(name)

    async def plan_generation(self, request: GenerationRequest) -> Order:
        """The order that makes `request`, for the model that its name, flavour or absence stands for."""
        model, flavour = await self._model_for(request.model)
        fitted = fit_generation(request, model.schema, flavour=flavour)
        return Order(
            provider=self.name,
            kind=JobKind.GENERATION,
            model=model.name,
            version=model.version,
            input=fitted.input,
            expected_outputs=fitted.expected_outputs,
            seed=fitted.seed,
            ignored=fitted.ignored,
        )

    async def _model_for(self, asked: str | None) -> tuple[RunnableModel, str | None]:
        """The model meant by what the caller wrote, and the flavour it is to be run in."""
        if asked is None:
            return await self._catalogue.model(self._default_model), None
        if asked not in _FLAVOURS:
            return await self._catalogue.model(asked), None
        default = await self._catalogue.model(self._default_model)
        if asked in default.schema.enum("model"):
            return default, asked
        return await self._catalogue.model(_FLAVOURS[asked]), asked

    async def plan_training(self, request: TrainingRequest) -> Order:
        """The order that trains `request`; its secrets stay out of it and come again with `create`."""
        trainer = await self._trainer_for(request)
        if request.dreambooth is not None:
            request = in_todays_words(request, request.dreambooth, trainer.schema)
        fitted = fit_training(request, trainer.schema)
        return Order(
            provider=self.name,
            kind=JobKind.TRAINING,
            model=trainer.name,
            version=trainer.version,
            input=fitted.input,
            seed=fitted.seed,
            destination=await destination_for(request.destination, request.trigger_word, self._catalogue),
            training_set=request.training_set,
            secrets=tuple(request.secrets or ()),
            trigger_word=request.trigger_word,
            ignored=(*fitted.ignored, *request.ignored),
        )

    async def _trainer_for(self, request: TrainingRequest) -> RunnableModel:
        if request.trainer is None:
            return await self._catalogue.model(self._trainer, training=True)
        try:
            return await self._catalogue.model(request.trainer, training=True)
        except InvalidRequestError as exc:
            message = f"{request.trainer[:200]!r} is not a trainer; give owner/name or owner/name:version."
            raise InvalidRequestError([FieldError("trainer_version", message)]) from exc

    async def upload(self, training_set: Path) -> ProviderFile:
        """Bring a zip to the Files API, where it lies for a day."""
        return await uploaded(training_set, self._wire, now=self._clock.now())

    async def has_file(self, address: str) -> bool:
        """Whether the Files API still knows the file at `address`."""
        return await is_there(address, self._wire)

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        """Make a training's destination where it is missing, and put its pictures' address in."""
        if order.kind is JobKind.GENERATION:
            return order
        return await made_ready(order, training_set, self._wire)

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        """Start the run; only a generation is waited for, and at most a minute."""
        hidden = tuple(secrets.values())
        run_input: dict[str, JsonValue] = {**order.input, **secrets}
        body: dict[str, JsonValue] = {"input": run_input}
        if order.kind is JobKind.TRAINING:
            path = f"/models/{order.model}/versions/{order.version}/trainings"
            body["destination"] = order.destination
            wait = None
        elif order.version is None:
            path = f"/models/{order.model}/predictions"
        else:
            path = "/predictions"
            body["version"] = order.version
        if webhook is not None:
            body["webhook"] = webhook
            body["webhook_events_filter"] = list(_WEBHOOK_EVENTS[order.kind])
        run = await self._wire.create(path, body, wait=wait, secrets=hidden)
        return report_of(
            run, order.kind, self._wire.scrub, expected_outputs=order.expected_outputs, secrets=hidden
        )

    async def fetch(self, run: Run) -> Report:
        """What the run looks like now; `ProviderRefusedError` with status 404 where there is none."""
        return self._read(await self._wire.get(_path(run)), run.kind)

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        """All runs made since then, by our clock, a hundred a call; the newest two thousand at most."""
        reports = await listing.sweep(self._wire, kind, since=since)
        for report in reports.values():
            self._learn(report)
        return reports

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        """A run of `order` that was made around `since`, by our clock; see `listing.find`.

        None says that Replicate's list shows none now; one made a moment ago may not be listed yet.
        """
        return await listing.find(self._wire, order, since=since, exclude=exclude)

    async def cancel(self, run: Run) -> Report:
        """Stop the run; the answer says how it really stands."""
        path = _path(run)
        try:
            answer = await self._wire.post_again(f"{path}/cancel")
        except ProviderRefusedError as exc:
            if exc.upstream_status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED):
                raise
            # What cannot be canceled has ended, as a rule; how, its own address tells.
            return await self.fetch(run)
        if isinstance(answer, dict) and "id" in answer:
            return self._read(answer, run.kind)
        return await self.fetch(run)

    def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a finished picture, ordinary ones in one piece. Raises `DownloadError`."""
        return self._downloads.download(url)

    async def models(self) -> list[ModelInfo]:
        """The default model and the two flavours; own fine-tunes are known by their jobs."""
        references = dict.fromkeys((self._default_model, *_FLAVOURS.values()))
        found = await asyncio.gather(*(self._model_or_none(reference) for reference in references))
        return [
            ModelInfo(
                name=model.name,
                provider=self.name,
                description=model.description,
                version=model.version,
                official=model.official,
            )
            for model in found
            if model is not None
        ]

    async def webhook_secret(self) -> str:
        """What webhooks for this account are signed with; one for all of them."""
        answer = await self._wire.look_up("/webhooks/default/secret")
        secret = answer.get("key") if isinstance(answer, dict) else None
        if not isinstance(secret, str) or not is_secret(secret):
            raise ProviderUnavailableError("Replicate does not say what it signs webhooks with.")
        return secret

    def read_webhook(self, body: bytes) -> WebhookNews:
        """What a webhook says: it carries the run as a look at it would show it."""
        try:
            run = from_json(body, allow_inf_nan=False)
        except ValueError as exc:
            raise InvalidRequestError([], detail=f"The webhook's body is not valid JSON: {exc}.") from None
        if not isinstance(run, dict) or not isinstance(run.get("id"), str):
            raise InvalidRequestError([], detail="The webhook's body is not a run: it has no id.")
        return WebhookNews(run["id"], lambda kind: self._read(run, kind))

    async def _model_or_none(self, reference: str) -> RunnableModel | None:
        try:
            return await self._catalogue.model(reference)
        except ModelNotFoundError:
            return None

    def _read(self, run: object, kind: JobKind) -> Report:
        if not isinstance(run, dict) or not isinstance(run.get("id"), str):
            raise ProviderUnavailableError("Replicate's answer about a run made no sense.")
        report = report_of(run, kind, self._wire.scrub)
        self._learn(report)
        return report

    def _learn(self, report: Report) -> None:
        """Forget what is known of a model that a training has just given a new version."""
        if report.result is not None and self._results_seen.get(report.upstream_id) is None:
            self._results_seen.put(report.upstream_id, True)
            self.forget_model(report.result.version.partition(":")[0])


def _path(run: Run) -> str:
    """Where a run is found. The `urls` it carries are not followed: a new training's point elsewhere."""
    if not _RUN_ID.fullmatch(run.id):
        raise ProviderRefusedError(
            f"Replicate has no run {run.id[:100]!r}.",
            failure_code=FailureCode.PROVIDER_REFUSED,
            upstream_status=HTTPStatus.NOT_FOUND,
        )
    return f"{listing.PATHS[run.kind]}/{run.id}"
