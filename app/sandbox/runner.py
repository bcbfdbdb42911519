"""Carries runs from their creation to their end, whoever looks at them and from whichever process."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from app.sandbox import deliveries, run_store
from app.sandbox.catalogue import Template, Version
from app.sandbox.clock import Clock
from app.sandbox.database import Database
from app.sandbox.inputs import Inputs, UnreadableInputError
from app.sandbox.models import forget_version, insert_version
from app.sandbox.pace import Pace
from app.sandbox.planning import size_like
from app.sandbox.problems import not_found
from app.sandbox.runs import Pictures, Plan, Run, RunKind, Status, final_moment, standing
from app.sandbox.training_plan import read_pictures

Sleep = Callable[[float], Awaitable[None]]


class Runner:
    """Predictions and trainings."""

    def __init__(self, *, database: Database, clock: Clock, inputs: Inputs, pace: Pace) -> None:
        self._database = database
        self._clock = clock
        self._inputs = inputs
        self._pace = pace
        self._settling: dict[str, asyncio.Task[Run]] = {}
        self._stopped: dict[str, asyncio.Event] = {}

    async def add(self, run: Run) -> None:
        """Record a new run and what its caller wants to be told."""

        def work(connection: sqlite3.Connection) -> None:
            run_store.insert(connection, run)
            deliveries.schedule(connection, run)

        await self._database.write(work)

    async def get(self, run_id: str, kind: RunKind) -> Run:
        """The run as it is now; 404 when there is none of that kind."""
        found = await self._database.read(lambda connection: run_store.by_id(connection, run_id, kind))
        if found is None:
            raise not_found()
        return await self.settle(found)

    async def by_token(self, token: str) -> Run:
        """The run whose outputs lie under that address; 404 when there is none."""
        found = await self._database.read(lambda connection: run_store.by_token(connection, token))
        if found is None:
            raise not_found()
        return await self.settle(found)

    async def newest(
        self,
        kind: RunKind,
        limit: int,
        *,
        before: int | None = None,
        after: int | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[tuple[int, Run]]:
        """As `run_store.newest`, every run as it is now."""
        await self.settle_all()
        return await self._database.read(
            lambda connection: run_store.newest(
                connection,
                kind,
                limit,
                before=before,
                after=after,
                created_after=created_after,
                created_before=created_before,
            )
        )

    async def cancel(self, run_id: str, kind: RunKind) -> Run:
        """Stop a run; one that has ended stays as it is."""
        run = await self.get(run_id, kind)
        now = self._clock.now()
        if standing(run, now).status.final:
            return run

        def work(connection: sqlite3.Connection) -> Run | None:
            run_store.cancel(connection, run_id, now)
            forget_version(connection, run_id)
            found = run_store.by_id(connection, run_id)
            if found is not None:
                deliveries.hasten(connection, found)
            return found

        stopped = cast(Run, await self._database.write(work))
        event = self._stopped.get(run_id)
        if event is not None:
            event.set()
        return stopped

    async def wait(self, run: Run, seconds: float, sleep: Sleep) -> Run:
        """`run` when it has ended or `seconds` have passed, whichever is first."""
        limit = self._clock.now() + timedelta(seconds=seconds)
        stopped = self._stopped.setdefault(run.id, asyncio.Event())
        try:
            while True:
                run = await self.get(run.id, run.kind)
                now = self._clock.now()
                ahead = min(limit, final_moment(run)[0] if run.settled else run.starts)
                if now >= limit or standing(run, now).status.final:
                    return run
                await _first((ahead - now).total_seconds(), sleep, stopped)
        finally:
            self._stopped.pop(run.id, None)

    async def settle_all(self) -> None:
        """Settle every run that has started."""
        now = self._clock.now()
        for run in await self._database.read(lambda connection: run_store.unsettled(connection, now)):
            await self.settle(run)

    async def settle(self, run: Run) -> Run:
        """The run after its input has been read, which happens once, when it has started."""
        if run.settled or self._clock.now() < run.starts or final_moment(run)[0] < run.starts:
            return run
        task = self._settling.get(run.id)
        if task is None:
            task = self._settling[run.id] = asyncio.create_task(self._settle(run))
            task.add_done_callback(lambda _: self._settling.pop(run.id, None))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Stop reading inputs; whoever looks next reads them again."""
        tasks = list(self._settling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self, run: Run) -> Run:
        plan, style = await self._read(run)

        def work(connection: sqlite3.Connection) -> Run:
            first = run_store.settle(connection, run.id, plan)
            # It may have been canceled, in another process, while its input was read.
            found = cast(Run, run_store.by_id(connection, run.id))
            version = _trained(found, style) if first else None
            if version is not None:
                insert_version(connection, version)
            return found

        return await self._database.write(work)

    async def _read(self, run: Run) -> tuple[Plan, str | None]:
        if run.kind is RunKind.TRAINING:
            return await read_pictures(run, self._inputs, self._pace)
        pictures = cast(Pictures, run.plan.pictures)
        try:
            async with self._inputs.open(cast(str, pictures.shape_from)) as path:
                width, height = await asyncio.to_thread(_size_of_picture, path)
        except UnreadableInputError as exc:
            course = replace(run.plan.course, run=0.0, outcome=Status.FAILED, error=str(exc))
            return replace(run.plan, course=course), None
        width, height = size_like(width, height)
        return replace(run.plan, pictures=replace(pictures, width=width, height=height)), None


def _trained(run: Run, style: str | None) -> Version | None:
    """The version that a training makes, unless it is going to fail."""
    final, outcome = final_moment(run)
    lessons = run.plan.lessons
    if lessons is None or outcome is not Status.SUCCEEDED:
        return None
    return Version(
        id=lessons.version_id,
        model=cast(str, run.asked.destination),
        created=final,
        template=Template.LORA,
        trigger_word=lessons.trigger_word,
        style=style,
        run_id=run.id,
    )


def _size_of_picture(path: Path) -> tuple[int, int]:
    """Width and height of the picture in a file.  Blocks."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as exc:
        raise UnreadableInputError("cannot identify image file") from exc


async def _first(seconds: float, sleep: Sleep, stopped: asyncio.Event) -> None:
    """Return when either has happened."""
    sleeping = asyncio.ensure_future(sleep(seconds))
    waiting = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
        if sleeping.done():
            sleeping.result()
    finally:
        sleeping.cancel()
        waiting.cancel()
