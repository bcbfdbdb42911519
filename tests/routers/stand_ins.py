"""Services that do as they are told, so that the HTTP edge can be tested for what it passes on and gives."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from app.datasets import Dataset, DatasetReport, FileFinding, FindingCode
from app.errors import AppError, JobNotFoundError, TrainingSetRefusedError
from app.models import (
    FineTune,
    GenerationRequest,
    Image,
    Job,
    JobKind,
    JobPage,
    JobStatus,
    Order,
    TrainingRequest,
)
from app.services.provider import ModelInfo
from app.services.training_sets import Checked, Upload

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

GENERATION = Job(
    id="4f1c",
    order=Order(
        provider="sandbox",
        kind=JobKind.GENERATION,
        model="black-forest-labs/flux-dev",
        version=None,
        input={"prompt": "a cat", "seed": 7},
        expected_outputs=1,
        seed=7,
        ignored=("lora_scale",),
    ),
    status=JobStatus.QUEUED,
    created_at=START,
    updated_at=START,
    deadline=START + timedelta(hours=1),
    due_at=None,
)
PICTURE = Image(
    name="generated_image_4f1c_1.webp",
    job_id="4f1c",
    position=1,
    media_type="image/webp",
    width=512,
    height=512,
    size_bytes=1000,
    sha256="0" * 64,
    created_at=START,
)
PAINTED = replace(
    GENERATION,
    status=JobStatus.SUCCEEDED,
    revision=4,
    started_at=START + timedelta(seconds=1),
    completed_at=START + timedelta(seconds=3.5),
    predict_seconds=2.25,
    images=(PICTURE,),
)
TRAINING = replace(
    GENERATION,
    id="77aa",
    order=Order(
        provider="sandbox",
        kind=JobKind.TRAINING,
        model="ostris/flux-dev-lora-trainer",
        version="e440",
        input={"steps": 1000},
        destination="me/cats",
        trigger_word="TOK",
    ),
    status=JobStatus.STARTING,
    upstream_id="upstream-1",
)


@dataclass
class StandInJobs:
    """Notes what it is asked and gives `job`, or raises `error`; `changes` is what `watch` sees."""

    job: Job = PAINTED
    error: AppError | None = None
    changes: Sequence[Job] = ()
    offered: Sequence[ModelInfo] = (
        ModelInfo(name="black-forest-labs/flux-dev", provider="sandbox", official=True),
    )
    asked: list[object] = field(default_factory=list)
    waits: list[timedelta | None] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def _given(self, *asked: object) -> Job:
        self.asked.append(asked if len(asked) > 1 else asked[0])
        if self.error is not None:
            raise self.error
        return self.job

    async def generate(
        self,
        request: GenerationRequest,
        *,
        idempotency_key: str | None = None,
        wait: timedelta | None,
        under_way: Callable[[], None],
    ) -> Job:
        self.waits.append(wait)
        self.keys.append(idempotency_key)
        return self._given(request)

    async def train(
        self, request: TrainingRequest, *, idempotency_key: str | None = None, wait: timedelta | None
    ) -> Job:
        self.waits.append(wait)
        self.keys.append(idempotency_key)
        return self._given(request)

    async def get(self, job_id: str) -> Job:
        if job_id != self.job.id:
            raise JobNotFoundError(job_id)
        return self._given(job_id)

    async def check_training(self, request: TrainingRequest) -> None:
        self.asked.append(request)

    async def place(self, job: Job) -> int | None:
        return 3 if job.status is JobStatus.QUEUED else None

    refresh = get
    training = get
    cancel = get

    async def list(
        self, *, kind: JobKind | None, status: JobStatus | None, cursor: str | None, limit: int
    ) -> JobPage:
        return JobPage((self._given(kind, status, cursor, limit),), next_cursor="older")

    async def watch(self, job_id: str, *, after_revision: int | None) -> AsyncIterator[Job]:
        self._given(job_id, after_revision)
        for job in self.changes:
            if job.revision > (after_revision or 0):
                yield job

    async def models(self) -> Sequence[ModelInfo]:
        return self.offered


@dataclass
class StandInFineTunes:
    """A list without a fine-tune in it."""

    async def all(self) -> Sequence[FineTune]:
        return []


@dataclass
class StandInDatasets:
    """Takes every upload, and keeps what was in it."""

    taken: dict[str, bytes] = field(default_factory=dict)

    urls: list[str] = field(default_factory=list)
    error: TrainingSetRefusedError | None = None

    async def take_in(self, uploads: Sequence[Upload], *, name: str | None = None) -> Checked:
        for upload in uploads:
            self.taken[upload.filename or ""] = await upload.read()
        if self.error is not None:
            raise self.error
        return Checked(await self.get("ab" * 32))

    async def take_in_urls(self, urls: Sequence[str], *, name: str | None = None) -> Checked:
        self.urls.extend(urls)
        return Checked(await self.get("ab" * 32))

    async def get(self, dataset_id: str) -> Dataset:
        report = DatasetReport(
            pictures=2,
            captions=0,
            warnings=(FileFinding(FindingCode.FEW_PICTURES, "The training set has 2 pictures."),),
            ignored=(FileFinding(FindingCode.OTHER_FILE, "Of no use.", "notes.doc"),),
        )
        return Dataset(dataset_id, "cats.zip", START, 1000, report)


@dataclass
class StandInReceivers:
    """Finds every receiver of webhooks good, and notes it."""

    checked: list[str] = field(default_factory=list)

    async def check(self, url: str) -> None:
        self.checked.append(url)


async def works() -> None:
    """A check of a part that works."""


async def fails() -> None:
    """A check of a part that does not."""
    raise OSError("Read-only file system: '/srv/secret/place'")
