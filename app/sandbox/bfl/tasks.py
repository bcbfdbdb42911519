"""A task at BFL: what it makes, how it goes, and how it stands at any moment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.sandbox.faults import Fault


class Status(StrEnum):
    """The words of `get_result`."""

    PENDING = "Pending"
    REASONING = "Reasoning"
    GENERATING = "Generating"
    READY = "Ready"
    REQUEST_MODERATED = "Request Moderated"
    CONTENT_MODERATED = "Content Moderated"
    ERROR = "Error"
    TASK_NOT_FOUND = "Task not found"


class Method(StrEnum):
    """How a picture comes from its prompt and its input pictures."""

    PAINT = "paint"
    FILL = "fill"
    EXPAND = "expand"
    ERASE = "erase"
    SHARPEN = "sharpen"


@dataclass(frozen=True)
class Stage:
    """A time that a task spends under one status, in seconds."""

    status: Status
    seconds: float


@dataclass(frozen=True)
class Course:
    """How a task goes: its stages, the first of which is waiting, and its end."""

    stages: tuple[Stage, ...]
    outcome: Status = Status.READY
    details: Mapping[str, object] | None = None

    @property
    def waits(self) -> float:
        """Seconds until it starts."""
        return self.stages[0].seconds

    @property
    def takes(self) -> float:
        """Seconds from its creation to its end."""
        return sum(stage.seconds for stage in self.stages)


@dataclass(frozen=True)
class Sample:
    """The picture that a task makes; `inputs` and `mask` are names of input pictures that were kept.

    `keep` is the share of the input pictures when they are painted over, `left` and `top` where the input
    lies when it is expanded.
    """

    prompt: str
    seed: int
    width: int
    height: int
    output_format: str
    method: Method
    input_pixels: int = 0
    inputs: tuple[str, ...] = ()
    mask: str | None = None
    keep: float = 0.65
    left: int = 0
    top: int = 0
    finetune_id: str | None = None


@dataclass(frozen=True)
class Plan:
    """A task's course, what it makes if it makes a picture, and what goes wrong with its answers."""

    course: Course
    sample: Sample | None = None
    faults: frozenset[Fault] = frozenset()

    def to_json(self) -> str:
        """For the plan's column."""
        return json.dumps(asdict(self) | {"faults": sorted(self.faults)})

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The reverse of `to_json`."""
        data = json.loads(text)
        course, sample = data["course"], data["sample"]
        stages = tuple(Stage(Status(stage["status"]), stage["seconds"]) for stage in course["stages"])
        if sample is not None:
            sample |= {"method": Method(sample["method"]), "inputs": tuple(sample["inputs"])}
        return cls(
            Course(stages, Status(course["outcome"]), course["details"]),
            None if sample is None else Sample(**sample),
            frozenset(Fault(word) for word in data["faults"]),
        )


@dataclass(frozen=True)
class Webhook:
    """Where the end of a task is told; signed when there is a secret."""

    url: str
    secret: str | None


@dataclass(frozen=True)
class Task:
    """A generation or a fine-tune.

    `home` is the host that knows it, `charged` are credits, `token` signs its sample's address.
    """

    id: str
    home: str
    endpoint: str
    created: datetime
    charged: float
    token: str
    plan: Plan
    webhook: Webhook | None = None

    @property
    def starts(self) -> datetime:
        """When it begins to run."""
        return self.created + timedelta(seconds=self.plan.course.waits)

    @property
    def ends(self) -> datetime:
        """When it is through."""
        return self.created + timedelta(seconds=self.plan.course.takes)


@dataclass(frozen=True)
class Standing:
    """How a task stands at one moment; `progress` goes from 0 to 1."""

    status: Status
    progress: float
    final: bool


def standing(task: Task, now: datetime) -> Standing:
    """How `task` stands at `now`."""
    course = task.plan.course
    elapsed = (now - task.created).total_seconds()
    if now >= task.ends:
        return Standing(course.outcome, 1.0, final=True)
    status, passed = course.stages[0].status, 0.0
    for stage in course.stages:
        status = stage.status
        passed += stage.seconds
        if elapsed < passed:
            break
    share = max(0.0, elapsed - course.waits) / max(course.takes - course.waits, 1e-9)
    return Standing(status, round(min(share, 1.0), 2), final=False)
