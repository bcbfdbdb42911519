"""The provider `bfl`: orders, tasks and pictures in our words."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic_core import from_json, to_json

from app.clock import Clock
from app.datasets import ProviderFile
from app.errors import InvalidRequestError, ProviderRefusedError
from app.models import (
    FailureCode,
    GenerationRequest,
    JobKind,
    JobStatus,
    Limits,
    Order,
    Run,
    TrainingRequest,
)
from app.services.bfl_client import fine_tunes, planning, training
from app.services.bfl_client.catalogue import PROVIDER, Catalogue, endpoint_of, name_of
from app.services.bfl_client.endpoints import ENDPOINTS
from app.services.bfl_client.refusals import OUR_NAMES, unknown_run
from app.services.bfl_client.results import report_of
from app.services.bfl_client.wire import TimeLimits, Wire
from app.services.provider import ModelInfo, Report, WebhookNews
from app.services.provider_fine_tunes import ProviderFineTune
from app.services.provider_wire.downloads import Downloads

_MOST_TASKS = 24
_DELIVERY_HOSTS = re.compile(r"(?:.+\.)?bfl\.(?:ai|ml)|bfl[a-z0-9]*\.blob\.core\.windows\.net", re.ASCII)
"""Where finished pictures lie; the storage accounts behind it have shown in examples."""


class BflClient:
    """Black Forest Labs, or whatever speaks its wire at `base_url` (with or without `/v1`).

    `transport` goes to the network; nothing on it may follow redirects, which the key must not. Fine-tunes
    are at `cluster_url`, by default BFL's own cluster for them, or the base where that is not BFL's. With
    `fine_tuning` they can be made as well, which BFL no longer documents.
    """

    name = PROVIDER
    settled_after: tuple[timedelta, ...] = ()
    signs_webhooks = False

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        key: str | None,
        base_url: str,
        clock: Clock,
        fine_tuning: bool = False,
        cluster_url: str | None = None,
        jitter: Callable[[], float] = random.random,
        limits: TimeLimits | None = None,
    ) -> None:
        self._clock = clock
        self._has_key = bool(key)
        self._fine_tuning = fine_tuning
        self._catalogue = Catalogue()
        self._wire = Wire(
            transport=transport,
            key=key,
            base_url=base_url,
            cluster_url=cluster_url,
            clock=clock,
            jitter=jitter,
            limits=limits,
        )
        self._downloads = Downloads(
            transport=transport, base_url=self._wire.base_url, allowed=_DELIVERY_HOSTS
        )

    def limits(self, model: str) -> Limits:
        """24 tasks for the account, and fewer of some models."""
        endpoint = ENDPOINTS.get(model.removeprefix(f"{PROVIDER}/"))
        return Limits(in_all=_MOST_TASKS, of_model=endpoint.at_once if endpoint is not None else None)

    async def plan_generation(self, request: GenerationRequest) -> Order:
        """The order that makes `request`; refused without a key, since it could not be sent."""
        self._wire.check_key()
        return await planning.planned(request, self._catalogue)

    async def plan_training(self, request: TrainingRequest) -> Order:
        """The order that trains `request`, where fine-tuning is switched on."""
        self._wire.check_key()
        if not self._fine_tuning:
            raise ProviderRefusedError(
                "Black Forest Labs no longer documents that fine-tunes can be made at its API. Set"
                " BFL_FINE_TUNING=true to try it all the same.",
                failure_code=FailureCode.PROVIDER_REFUSED,
                upstream_status=HTTPStatus.NOT_FOUND,
            )
        return await training.planned(request)

    async def upload(self, training_set: Path) -> ProviderFile:
        """The zip where it lies: BFL takes it with the order."""
        return await training.set_aside(training_set, now=self._clock.now())

    async def has_file(self, address: str) -> bool:
        """Whether the zip still lies where it lay."""
        return await training.is_there(address)

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        """Put the address of its pictures into a training."""
        return order if order.kind is JobKind.GENERATION else training.made_ready(order, training_set)

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        """Start the task. BFL answers at once, however long somebody would wait, and needs no secrets."""
        if order.kind is JobKind.TRAINING:
            path, on_cluster, names = training.ENDPOINT, True, training.OUR_NAMES
            content = await training.content_of(order, webhook)
        else:
            endpoint = endpoint_of(order.model)
            path, on_cluster, names = endpoint.path, endpoint.on_cluster, OUR_NAMES
            body = dict(order.input)
            if webhook is not None and endpoint.takes_webhook:
                body["webhook_url"] = webhook
            # Pictures in base64 may make it large.
            content = await asyncio.to_thread(to_json, body)
        accepted = await self._wire.create(path, content, on_cluster=on_cluster, names=names)
        return report_of(
            accepted.task, order.kind, self._wire.scrub, upstream_id=accepted.id, url=accepted.url
        )

    async def fetch(self, run: Run) -> Report:
        """What the task looks like now; `ProviderRefusedError` with status 404 where BFL does not know it."""
        task = await self._wire.task(run)
        if task is None:
            raise unknown_run(run.id)
        return report_of(task, run.kind, self._wire.scrub, upstream_id=run.id, url=run.url)

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        """Nothing: BFL keeps no list of tasks."""
        return {}

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        """None: a task whose id was lost cannot be asked for."""
        return None

    async def cancel(self, run: Run) -> Report:
        """How the task really stands: BFL stops none."""
        return await self.fetch(run)

    def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a finished picture, fetched without the key. Raises `DownloadError`."""
        return self._downloads.download(url)

    async def models(self) -> list[ModelInfo]:
        """Every endpoint that makes pictures; none without a key."""
        return [
            ModelInfo(
                name=name_of(endpoint), provider=self.name, description=endpoint.description, official=True
            )
            for endpoint in ENDPOINTS.values()
            if self._has_key
        ]

    async def webhook_secret(self) -> str:
        """None that could be relied on: BFL's signature is not documented by BFL itself."""
        raise ProviderRefusedError(
            "Webhooks of Black Forest Labs are not signed in a way that is documented.",
            failure_code=FailureCode.PROVIDER_REFUSED,
            upstream_status=HTTPStatus.NOT_FOUND,
        )

    def read_webhook(self, body: bytes) -> WebhookNews:
        """Of which task a webhook tells. What it says of it is not believed: anybody may have sent it."""
        try:
            news = from_json(body, allow_inf_nan=False)
        except ValueError as exc:
            raise InvalidRequestError([], detail=f"The webhook's body is not valid JSON: {exc}.") from None
        members = news if isinstance(news, dict) else {}
        # The first is what real ones have, the second what BFL's own examples have.
        upstream_id = members.get("task_id") or members.get("id")
        if not isinstance(upstream_id, str):
            raise InvalidRequestError([], detail="The webhook's body is not about a task: it has no id.")
        return WebhookNews(upstream_id, lambda kind: Report(JobStatus.STARTING, upstream_id))

    async def fine_tunes(self) -> list[str]:
        """The ids of the account's fine-tunes."""
        return await fine_tunes.listed(self._wire)

    async def fine_tune(self, fine_tune_id: str) -> ProviderFineTune:
        """What a fine-tune was trained with."""
        return await fine_tunes.described(fine_tune_id, self._wire)

    async def delete_fine_tune(self, fine_tune_id: str) -> None:
        """Delete a fine-tune at BFL."""
        await fine_tunes.deleted(fine_tune_id, self._wire)
