"""The verbs on datasets: check, keep, list, show, remove."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.clock import Clock
from app.datasets import Dataset, FileFinding, FindingCode
from app.errors import (
    DatasetInUseError,
    DatasetNotFoundError,
    FieldError,
    InvalidRequestError,
    TrainingSetRefusedError,
)
from app.services.cursors import read_cursor, write_cursor
from app.services.training_sets.picture_headers import shown
from app.services.training_sets.service import Fetch, TrainingSet, TrainingSets, Upload
from app.storage.datasets import DatasetRows

URL_FIELD = "training_images_url"
_DESTINATION_FIELD = "destination_model"
_MOST_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Checked:
    """A dataset as it was just given; `is_new` is false if the same pictures were given before."""

    dataset: Dataset
    is_new: bool = True

    @property
    def sha256(self) -> str:
        """The hash of the zip that is sent, which is the dataset's id."""
        return self.dataset.id

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should know, in sentences."""
        return tuple(finding.message for finding in self.dataset.report.warnings)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the files that play no part in the training."""
        return tuple(finding.file or "" for finding in self.dataset.report.ignored)


class Datasets:
    """Datasets, each kept once however often it is given. `fetch` is how files at URLs are had."""

    def __init__(self, *, sets: TrainingSets, rows: DatasetRows, fetch: Fetch, clock: Clock) -> None:
        self._sets = sets
        self._rows = rows
        self._fetch = fetch
        self._clock = clock

    async def take_in(self, uploads: Sequence[Upload], *, name: str | None = None) -> Checked:
        """Check and keep uploaded pictures; raises what `TrainingSets.take_in` raises."""
        return await self._kept(await self._sets.take_in(uploads), name)

    async def take_in_urls(self, urls: Sequence[str], *, name: str | None = None) -> Checked:
        """The same with what lies at URLs: one zip, or pictures. Only public addresses are asked."""
        return await self._kept(await self._sets.take_in_urls(urls, self._fetch, field=URL_FIELD), name)

    async def get(self, dataset_id: str) -> Dataset:
        """One dataset."""
        dataset = await self._rows.get(dataset_id)
        if dataset is None:
            raise DatasetNotFoundError(dataset_id)
        return dataset

    async def page(self, *, cursor: str | None, limit: int) -> tuple[list[Dataset], str | None]:
        """Up to `limit` datasets, newest first, and the cursor of the page behind them."""
        before = read_cursor(cursor) if cursor else None
        found = await self._rows.page(before=before, limit=limit + 1)
        page = found[:limit]
        return page, write_cursor(page[-1]) if len(found) > limit else None

    async def contact_sheet(self, dataset_id: str) -> bytes:
        """All of its pictures on one, as WebP."""
        await self.get(dataset_id)
        try:
            return await self._sets.contact_sheet(dataset_id)
        except FileNotFoundError as exc:
            raise DatasetNotFoundError(dataset_id) from exc

    async def remove(self, dataset_id: str) -> None:
        """Forget the dataset and delete its pictures.

        Raises `DatasetInUseError` while a training that has not ended may need it.
        """
        await self.get(dataset_id)
        job_id = await self._rows.remove(dataset_id)
        if job_id is not None:
            raise DatasetInUseError(dataset_id, job_id)
        await self._sets.remove(dataset_id)

    async def _kept(self, taken: TrainingSet, name: str | None) -> Checked:
        dataset = Dataset(
            id=taken.sha256,
            name=shown(name or taken.name)[:_MOST_CHARACTERS],
            created_at=self._clock.now(),
            size_bytes=taken.size_bytes,
            report=taken.report,
        )
        kept, is_new = await self._rows.put(dataset, named=bool(name))
        return Checked(kept, is_new)


def with_refused_options(checked: Checked, refusal: InvalidRequestError) -> InvalidRequestError:
    """What the trainer's schema refuses, told together with the report on the pictures."""
    report = replace(checked.dataset.report, errors=_options_refused(refusal.errors))
    return InvalidRequestError(refusal.errors, detail=refusal.detail, report=report.as_json())


def with_more_refused(refusal: TrainingSetRefusedError, more: InvalidRequestError) -> TrainingSetRefusedError:
    """The same where the pictures were refused already."""
    findings = [
        {"code": finding.code, "message": finding.message, "file": None}
        for finding in _options_refused(more.errors)
    ]
    report = refusal.report or {}
    known = report.get("errors")
    errors = [*(known if isinstance(known, list | tuple) else ()), *findings]
    return TrainingSetRefusedError([*refusal.errors, *more.errors], report={**report, "errors": errors})


def _options_refused(errors: Sequence[FieldError]) -> tuple[FileFinding, ...]:
    return tuple(
        FileFinding(
            FindingCode.DESTINATION_REFUSED
            if error.field == _DESTINATION_FIELD
            else FindingCode.OPTION_REFUSED,
            f"{error.field}: {error.message}",
        )
        for error in errors
    )
