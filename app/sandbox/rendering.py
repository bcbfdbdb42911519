"""Predictions and trainings as JSON."""

from datetime import datetime, timedelta
from enum import Enum, auto

from app.sandbox.addresses import Addresses
from app.sandbox.clock import wire_time
from app.sandbox.input_schema import JSONObject
from app.sandbox.progress import logs, steps_done
from app.sandbox.runs import Run, RunKind, Standing, Status, standing


class Form(Enum):
    """The occasions on which a run is shown."""

    CREATED = auto()  # the answer to its creation
    READY = auto()  # its outputs are there, its end is not recorded yet
    FULL = auto()
    LISTED = auto()  # without logs


class Renderer:
    """Shows runs as they stand at a moment; `retention` after their end their data is gone."""

    def __init__(self, addresses: Addresses, retention: timedelta) -> None:
        self._addresses = addresses
        self._retention = retention

    def show(self, run: Run, now: datetime, form: Form = Form.FULL) -> JSONObject:
        """`run` as JSON."""
        state = standing(run, now)
        removed = self.removed(run, now)
        found: JSONObject = {
            "id": run.id,
            "model": run.model,
            "version": run.asked.version,
            "input": {} if removed else run.asked.input,
            "logs": "" if removed else logs(run, state),
            "output": self._output(run, state) if not removed else None,
            "data_removed": removed,
            "error": run.plan.course.error if state.status is Status.FAILED else None,
            "source": "api",
            "status": state.status,
            "created_at": wire_time(run.created, f"{run.id}created"),
            "urls": self._addresses.run_urls(run, created=form is Form.CREATED),
        }
        if run.kind is RunKind.TRAINING:
            del found["data_removed"]
        if run.asked.deployment is not None:
            found["deployment"] = run.asked.deployment
        if run.deadline is not None:
            found["deadline"] = wire_time(run.deadline, f"{run.id}deadline")
        if form is Form.CREATED:
            found |= {"status": Status.STARTING, "output": None, "logs": "", "error": None}
            del found["source"]
            return found
        if form is Form.LISTED:
            del found["logs"]
        return found | self._ending(run, state, ready=form is Form.READY)

    def removed(self, run: Run, now: datetime) -> bool:
        """Whether the data of `run` has been removed; trainings keep theirs."""
        completed = standing(run, now).completed
        return run.kind is RunKind.PREDICTION and completed is not None and now >= completed + self._retention

    def _ending(self, run: Run, state: Standing, *, ready: bool) -> JSONObject:
        found: JSONObject = {}
        if state.started is not None:
            found["started_at"] = wire_time(state.started, f"{run.id}started")
        if ready:
            return found | {"status": Status.PROCESSING, "logs": ""}
        if state.completed is not None:
            found["completed_at"] = wire_time(state.completed, f"{run.id}completed")
            found["metrics"] = self._metrics(run, state, (state.completed - run.created).total_seconds())
        return found

    def _metrics(self, run: Run, state: Standing, total: float) -> JSONObject:
        found: JSONObject = {"predict_time": round(state.elapsed, 6), "total_time": round(total, 6)}
        if run.plan.pictures is not None and state.status is Status.SUCCEEDED:
            found["image_output_count"] = len(self._addresses.pictures(run))
        if run.plan.lessons is not None:
            found["training_step_count"] = steps_done(run, state)
        return found

    def _output(self, run: Run, state: Standing) -> object:
        if state.status is not Status.SUCCEEDED:
            return None
        if run.plan.lessons is not None:
            version = f"{run.asked.destination}:{run.plan.lessons.version_id}"
            return {"version": version, "weights": self._addresses.weights(run)}
        pictures = self._addresses.pictures(run)
        return pictures[0] if run.plan.pictures is not None and run.plan.pictures.single else pictures
