"""What `/datasets` takes and gives."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from app.datasets import Dataset, DatasetReport, FileFinding, FindingCode
from app.field_errors import shown
from app.models import TrainingRequest
from app.schemas.bodies import OpenBody
from app.schemas.training import ModelName, TriggerWord

MOST_URLS = 100
_NOT_OPTIONS = frozenset({"name", "training_images_url", "trigger_word", "destination_model"})
_ANY_TRIGGER_WORD = "TOK"


def _urls(given: object) -> list[str]:
    """The URLs of a list, or of a text with spaces or line breaks between them."""
    urls = given.split() if isinstance(given, str) else given
    if not isinstance(urls, list) or not all(isinstance(url, str) and url for url in urls):
        raise ValueError(f"{shown('', given)} is not a URL or a list of URLs.")
    if not 1 <= len(urls) <= MOST_URLS:
        raise ValueError(f"{len(urls)} URLs; 1 to {MOST_URLS} are allowed.")
    if longest := next((url for url in urls if len(url) > 2000), None):
        raise ValueError(f"{longest[:80]!r}... is too long; 1 to 2000 characters are allowed.")
    return urls


class DatasetIn(OpenBody):
    """Pictures to be checked. Further fields are checked as options of the trainer, and not kept."""

    training_images_url: Annotated[
        list[str] | None, BeforeValidator(_urls, json_schema_input_type=str | None)
    ] = Field(
        default=None,
        description="Where a zip can be downloaded, or pictures: up to 100 URLs, with spaces between, or as "
        "a JSON list. Either this, or an upload.",
    )
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = Field(
        default=None, description="What to call the set; empty: the name of its first file."
    )
    trigger_word: TriggerWord | None = Field(
        default=None, description="The word of a training to come, to be checked with its options."
    )
    destination_model: ModelName | None = Field(
        default=None, description="The destination of a training to come, to be checked."
    )

    def to_request(self, dataset_id: str | None) -> TrainingRequest | None:
        """The training that is to be checked as well; None if nothing was said about one."""
        options = self.given(without=_NOT_OPTIONS)
        if not options and self.destination_model is None and self.trigger_word is None:
            return None
        return TrainingRequest(
            trigger_word=self.trigger_word or _ANY_TRIGGER_WORD,
            training_set=dataset_id,
            destination=self.destination_model,
            options=options,
        )


class FindingOut(BaseModel):
    """One thing that the check found."""

    code: FindingCode
    message: str = Field(examples=["'cat.jpg' is blurred."])
    file: str | None = Field(description="The file it is about; null for the set as a whole.")

    @classmethod
    def of(cls, finding: FileFinding) -> Self:
        return cls(code=finding.code, message=finding.message, file=finding.file)


class DatasetReportOut(BaseModel):
    """What the check found."""

    pictures: int = Field(description="How many are sent.")
    captions: int
    errors: list[FindingOut] = Field(description="Why the set cannot be used; empty for one that is kept.")
    warnings: list[FindingOut] = Field(description="What makes the result worse.")
    ignored: list[FindingOut] = Field(description="Files that play no part.")

    @classmethod
    def of(cls, report: DatasetReport) -> Self:
        return cls(
            pictures=report.pictures,
            captions=report.captions,
            errors=[FindingOut.of(finding) for finding in report.errors],
            warnings=[FindingOut.of(finding) for finding in report.warnings],
            ignored=[FindingOut.of(finding) for finding in report.ignored],
        )


class DatasetOut(BaseModel):
    """A set of pictures that can be trained on."""

    id: str = Field(description="Give it to `/fine-tune/` as `dataset_id`.")
    name: str
    created_at: datetime
    size_bytes: int
    contact_sheet_url: str
    report: DatasetReportOut

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls(
            id=dataset.id,
            name=dataset.name,
            created_at=dataset.created_at,
            size_bytes=dataset.size_bytes,
            contact_sheet_url=f"/datasets/{dataset.id}/contact-sheet",
            report=DatasetReportOut.of(dataset.report),
        )


class DatasetSummaryOut(BaseModel):
    """A dataset in the list."""

    id: str
    name: str
    created_at: datetime
    size_bytes: int
    pictures: int
    captions: int
    warnings: int = Field(description="How many there are.")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls(
            id=dataset.id,
            name=dataset.name,
            created_at=dataset.created_at,
            size_bytes=dataset.size_bytes,
            pictures=dataset.report.pictures,
            captions=dataset.report.captions,
            warnings=len(dataset.report.warnings),
        )


class DatasetsOut(BaseModel):
    """A page of datasets, newest first."""

    datasets: list[DatasetSummaryOut]
    next_cursor: str | None = Field(description="Asks for the next page, as `cursor`; null at the end.")

    @classmethod
    def of(cls, datasets: list[Dataset], next_cursor: str | None) -> Self:
        return cls(datasets=[DatasetSummaryOut.of(dataset) for dataset in datasets], next_cursor=next_cursor)
