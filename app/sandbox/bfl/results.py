"""Tasks as JSON: in the answer to their creation, in `get_result` and in webhooks."""

from datetime import datetime, timedelta

from app.sandbox.bfl.addresses import BflAddresses
from app.sandbox.bfl.tasks import Sample, Status, Task, standing
from app.sandbox.faults import Fault
from app.sandbox.input_schema import JSONObject

SAMPLE_LIFETIME = timedelta(minutes=10)
_FORGOTTEN_AFTER = timedelta(hours=1)


def accepted(task: Task, cost: float, addresses: BflAddresses) -> JSONObject:
    """The answer to a create; with a webhook there is no polling address in it, as at BFL."""
    sample = task.plan.sample
    shown: JSONObject = {"id": task.id}
    if task.webhook is None:
        shown["polling_url"] = addresses.polling(task)
    else:
        shown |= {"status": Status.PENDING, "webhook_url": task.webhook.url}
    return shown | {
        "cost": cost,
        "input_mp": None if sample is None else round(sample.input_pixels / 1e6, 2),
        "output_mp": None if sample is None else round(sample.width * sample.height / 1e6, 2),
    }


def missing(task_id: str) -> JSONObject:
    """A task that is not known."""
    return _shown(task_id, Status.TASK_NOT_FOUND)


def show(task: Task, now: datetime, addresses: BflAddresses) -> JSONObject:
    """`task` as `get_result` shows it."""
    state = standing(task, now)
    if not state.final:
        return _shown(task.id, state.status) | {"progress": state.progress}
    return _shown(task.id, state.status) | {
        "result": result(task, addresses),
        "progress": state.progress,
        "details": task.plan.course.details,
    }


def result(task: Task, addresses: BflAddresses) -> JSONObject | None:
    """What a task has made by its end, if it makes anything."""
    if task.plan.course.outcome is not Status.READY:
        return None
    sample = task.plan.sample
    made: JSONObject = {"finetune_id": task.id} if sample is None else _picture(task, sample, addresses)
    return made | {
        "start_time": task.starts.timestamp(),
        "end_time": task.ends.timestamp(),
        "duration": round((task.ends - task.starts).total_seconds(), 6),
    }


def expiry(task: Task) -> datetime:
    """Until when the picture of a task can be fetched."""
    return task.ends if Fault.EXPIRED in task.plan.faults else task.ends + SAMPLE_LIFETIME


def forgotten(task: Task, now: datetime) -> bool:
    """Whether a task has ended so long ago that nobody knows it any more."""
    return now >= task.ends + _FORGOTTEN_AFTER


def _picture(task: Task, sample: Sample, addresses: BflAddresses) -> JSONObject:
    return {
        "sample": addresses.sample(task, sample, expiry(task)),
        "prompt": sample.prompt,
        "seed": sample.seed,
    }


def _shown(task_id: str, status: Status) -> JSONObject:
    return {
        "id": task_id,
        "status": status,
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }
