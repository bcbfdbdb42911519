"""The small Black Forest Labs put together: takes orders, knows its tasks and draws what they made."""

import asyncio
import secrets
import sqlite3
import uuid
from pathlib import Path

from app.sandbox.bfl import finetuning, planning, task_store
from app.sandbox.bfl.addresses import BflAddresses
from app.sandbox.bfl.catalogue import Endpoint
from app.sandbox.bfl.finetuning import FINETUNE, FinetuneOrder
from app.sandbox.bfl.input_pictures import InputPictures
from app.sandbox.bfl.orders import Order
from app.sandbox.bfl.postman import BflPostman
from app.sandbox.bfl.refusals import no_such_finetune, too_many_tasks
from app.sandbox.bfl.results import forgotten
from app.sandbox.bfl.task_store import Finetune, TooManyTasksError
from app.sandbox.bfl.tasks import Course, Plan, Sample, Status, Task, Webhook
from app.sandbox.clock import Clock
from app.sandbox.database import Database, count
from app.sandbox.faults import MOVED_TIMES, Fault
from app.sandbox.inputs import Connect, Inputs, UnreadableInputError
from app.sandbox.pace import Pace

_CREDITS = 10_000.0


class BlackForestLabs:
    """Tasks and fine-tunes of the account."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        directory: Path,
        addresses: BflAddresses,
        pace: Pace,
        inputs: Inputs,
        http: Connect,
    ) -> None:
        self._database = database
        self._clock = clock
        self._pace = pace
        self._pictures = InputPictures(directory, inputs)
        self.addresses = addresses
        self.postman = BflPostman(database=database, clock=clock, addresses=addresses, http=http)

    async def generate(
        self, endpoint: Endpoint, order: Order, wanted: frozenset[Fault], host: str | None
    ) -> Task:
        """Start a task that was ordered at `host`; 404 for an unknown fine-tune, 429 when too many run."""
        given = order.model_dump(mode="json")
        if "finetune_id" in given:
            await self.finetune(str(given["finetune_id"]))
        try:
            pictures = [await self._pictures.keep(text) for text in order.pictures()]
            mask = await self._pictures.keep(given["mask"]) if given.get("mask") else None
            sample = planning.plan_sample(endpoint, given, pictures, mask)
            plan = Plan(planning.generation_course(endpoint.family, self._pace, wanted), sample, wanted)
        except UnreadableInputError as exc:
            plan = Plan(planning.failed_course(str(exc), self._pace.boot), None, wanted)
        task = self._task(endpoint.name, order, plan, endpoint.cost, host)
        await self._add(task, endpoint.most_active, None)
        return task

    async def train(self, order: FinetuneOrder, wanted: frozenset[Fault], host: str | None) -> Task:
        """Start a fine-tune; its pictures are read at once, what is wrong with them shows at its end."""
        style = None
        try:
            style = await asyncio.to_thread(finetuning.learn, order.file_data)
            course = planning.finetune_course(order.iterations, self._pace, wanted)
        except UnreadableInputError as exc:
            course = planning.failed_course(str(exc), self._pace.training_boot)
        task = self._task(FINETUNE, order, Plan(course, None, wanted), finetuning.COST, host)
        details = order.details() | {"timestamp": task.created.isoformat()}
        learnt = Finetune(task.id, task.ends, details, style) if course.outcome is Status.READY else None
        await self._add(task, None, learnt)
        return task

    async def look(self, task_id: str, host: str | None) -> Task | None:
        """The task as `host` knows it, if it does."""
        task = await self.task(task_id)
        if task is None or Fault.LOST_TASK in task.plan.faults or forgotten(task, self._clock.now()):
            return None
        # Nothing tells a client where a fine-tune is known, so that is everywhere.
        if task.endpoint != FINETUNE and not self.addresses.knows(host, task):
            return None
        if Fault.MOVED in task.plan.faults:
            times = await self._database.write(lambda connection: count(connection, f"bfl-moved:{task_id}"))
            if times <= MOVED_TIMES:
                return None
        return task

    async def task(self, task_id: str) -> Task | None:
        """The task with that id, whoever asks."""
        return await self._database.read(lambda connection: task_store.by_id(connection, task_id))

    async def draw(self, sample: Sample) -> bytes:
        """The picture of a task as a file."""
        style = None if sample.finetune_id is None else await self._style(sample.finetune_id, sample.prompt)
        inputs = [self._pictures.path(name) for name in sample.inputs]
        mask = None if sample.mask is None else self._pictures.path(sample.mask)
        return await asyncio.to_thread(_render, sample, inputs, mask, style)

    async def credits(self) -> float:
        """What is left; an account that is used up is filled again."""
        spent = await self._database.read(task_store.charged)
        return round(_CREDITS - spent % _CREDITS, 2)

    async def finetunes(self) -> list[Finetune]:
        """The fine-tunes that can be used, oldest first."""
        now = self._clock.now()
        return await self._database.read(lambda connection: task_store.finetunes(connection, now))

    async def finetune(self, finetune_id: str) -> Finetune:
        """The fine-tune with that id; 404 unless it can be used."""
        for finetune in await self.finetunes():
            if finetune.id == finetune_id:
                return finetune
        raise no_such_finetune()

    async def delete_finetune(self, finetune_id: str) -> None:
        """Delete a fine-tune; 404 when there is none."""
        await self.finetune(finetune_id)
        now = self._clock.now()
        await self._database.write(
            lambda connection: task_store.delete_finetune(connection, finetune_id, now)
        )

    async def _style(self, finetune_id: str, prompt: str) -> str | None:
        """What a fine-tune learnt, which shows only when it is called by its trigger word."""
        found = await self._database.read(lambda connection: task_store.finetune(connection, finetune_id))
        if found is None or str(found.details["trigger_word"]).lower() not in prompt.lower():
            return None
        return found.style

    def _task(self, endpoint: str, order: Order, plan: Plan, cost: float, host: str | None) -> Task:
        return Task(
            id=str(uuid.uuid4()),
            home=self.addresses.home(host),
            endpoint=endpoint,
            created=self._clock.now(),
            charged=_charged(plan.course, cost),
            token=secrets.token_urlsafe(32),
            plan=plan,
            webhook=None
            if order.webhook_url is None
            else Webhook(str(order.webhook_url), order.webhook_secret),
        )

    async def _add(self, task: Task, most_active: int | None, learnt: Finetune | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            task_store.insert(connection, task, most_active)
            if learnt is not None:
                task_store.insert_finetune(connection, learnt)

        try:
            await self._database.write(work)
        except TooManyTasksError as exc:
            raise too_many_tasks(exc.limit) from exc
        if task.webhook is not None:
            self.postman.wake()


def _charged(course: Course, cost: float) -> float:
    """Only what ends well is paid for."""
    return cost if course.outcome is Status.READY else 0.0


def _render(sample: Sample, inputs: list[Path], mask: Path | None, style: str | None) -> bytes:
    """Blocks; Pillow is imported with the first picture that somebody fetches."""
    from app.sandbox.bfl.painter import render
    from app.sandbox.style import Style

    return render(sample, inputs, mask, None if style is None else Style.from_json(style))
