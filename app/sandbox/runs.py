"""What was asked of the sandbox, what it decided about it, and how that stands at any moment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """Replicate's six states of a prediction or training."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self not in (Status.STARTING, Status.PROCESSING)


class RunKind(StrEnum):
    """What a run is; both live in one table and share one space of ids."""

    PREDICTION = "prediction"
    TRAINING = "training"


@dataclass(frozen=True)
class Course:
    """How a run goes when nobody interferes: `boot` seconds, then `run` seconds, then `outcome`."""

    boot: float
    run: float
    outcome: Status = Status.SUCCEEDED
    error: str | None = None


@dataclass(frozen=True)
class Pictures:
    """What a prediction makes; the pictures numbered from `skipped` to below `asked` are handed out."""

    prompt: str
    asked: int
    seed: int
    seed_chosen: bool
    width: int
    height: int
    output_format: str
    quality: int
    steps: int
    single: bool
    skipped: int = 0
    style_version: str | None = None
    shape_from: str | None = None
    truncated: bool = False
    expired: bool = False
    as_data: bool = False


@dataclass(frozen=True)
class Lessons:
    """What a training does; the part from `names` on is known once its pictures have been read."""

    steps: int
    learning_rate: float
    version_id: str
    archive: str | None
    trigger_word: str
    rank: int = 16
    autocaption: bool = True
    names: tuple[str, ...] = ()
    captioned: tuple[str, ...] = ()
    captions: float = 0
    steps_seconds: float = 0
    notes: tuple[str, ...] = ()
    skipped: int = 0
    truncated: bool = False
    expired: bool = False


@dataclass(frozen=True)
class Plan:
    """A run's course together with what it makes."""

    course: Course
    pictures: Pictures | None = None
    lessons: Lessons | None = None

    def to_json(self) -> str:
        """For the plan's column."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The reverse of `to_json`."""
        data = json.loads(text)
        course = Course(**data["course"] | {"outcome": Status(data["course"]["outcome"])})
        pictures, lessons = data["pictures"], data["lessons"]
        if lessons is not None:
            lessons |= {key: tuple(lessons[key]) for key in ("names", "captioned", "notes")}
        return cls(
            course,
            None if pictures is None else Pictures(**pictures),
            None if lessons is None else Lessons(**lessons),
        )


@dataclass(frozen=True)
class Asked:
    """What came in, unchanging; `version` is what is shown, `hidden` for official models."""

    version: str
    input: Mapping[str, object]
    deployment: str | None = None
    destination: str | None = None
    webhook: str | None = None
    events: tuple[str, ...] = ()
    cancel_after: float | None = None

    def to_json(self) -> str:
        """For the column of that name."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Asked":
        """The reverse of `to_json`."""
        data = json.loads(text)
        return cls(**data | {"events": tuple(data["events"])})


@dataclass(frozen=True)
class Run:
    """A prediction or a training; `token` is the unguessable part of its outputs' addresses."""

    id: str
    token: str
    kind: RunKind
    model: str
    created: datetime
    asked: Asked
    plan: Plan
    settled: bool = True
    canceled: datetime | None = None

    @property
    def starts(self) -> datetime:
        """When it starts to run unless it is stopped before."""
        return self.created + timedelta(seconds=self.plan.course.boot)

    @property
    def ends(self) -> datetime:
        """When it ends by itself."""
        return self.starts + timedelta(seconds=self.plan.course.run)

    @property
    def deadline(self) -> datetime | None:
        """When it is stopped because its caller said so in `Cancel-After`."""
        after = self.asked.cancel_after
        return None if after is None else self.created + timedelta(seconds=after)


@dataclass(frozen=True)
class Standing:
    """How a run stands at one moment; `elapsed` are the seconds that it has run."""

    status: Status
    started: datetime | None
    completed: datetime | None
    elapsed: float


def final_moment(run: Run) -> tuple[datetime, Status]:
    """When `run` reaches its final state as far as is known now, and which one that is."""
    stops = [moment for moment in (run.canceled, run.deadline) if moment is not None]
    if stops and min(stops) < run.ends:
        stop = min(stops)
        timed_out = stop != run.canceled
        return stop, Status.ABORTED if timed_out and stop < run.starts else Status.CANCELED
    return run.ends, run.plan.course.outcome


def standing(run: Run, now: datetime) -> Standing:
    """How `run` stands at `now`."""
    final, outcome = final_moment(run)
    started = run.starts if run.starts <= min(now, final) and outcome is not Status.ABORTED else None
    elapsed = 0.0 if started is None else (min(now, final) - started).total_seconds()
    if now >= final:
        return Standing(outcome, started, final, elapsed)
    return Standing(Status.STARTING if started is None else Status.PROCESSING, started, None, elapsed)
