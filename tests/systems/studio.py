"""System E as its user has it: the service with a key of Black Forest Labs, over real HTTP to the sandbox."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.endtoend.machine import FINAL, Machine, Service
from tests.endtoend.proxy import Proxy

MODEL = "bfl/flux-dev"
PATIENCE_SECONDS = 60

Job: TypeAlias = dict[str, Any]


class Studio:
    """A provider with the way to it, and the service that was started last."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.service: Service
        self.way: Proxy

    async def open(self, *, pace: float, **settings: str) -> None:
        """Start the provider and the service."""
        self.way = await self.machine.start_sandbox(pace=pace)
        await self.serve(**settings)

    async def serve(self, **settings: str) -> None:
        """Start the service, or another one on the same records; it has no token but BFL's."""
        of_bfl = {"BFL_API_KEY": "any", "REPLICATE_API_TOKEN": ""}
        self.service = await self.machine.start_service(**{**of_bfl, **settings})

    async def submit(self, prompt: str, **fields: str) -> Job:
        """Send the form without staying for the picture; the job as it was taken on."""
        answer = await self.service.client.post(
            "/generate-image/",
            data={"model": MODEL, "prompt": prompt, **fields},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        job: Job = answer.json()
        return job

    async def seen(self, job: Job) -> Job:
        """The job as it is now."""
        now: Job = (await self.service.client.get(f"/jobs/{job['id']}")).json()
        return now

    async def until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        """The job once it `holds` of it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                job = await self.seen(job)
                if holds(job):
                    return job
                await asyncio.sleep(0.1)

    async def until_shown_as(self, job: Job, status: str) -> Job:
        """The job once it has that status."""
        return await self.until(job, lambda seen: seen["status"] == status)

    async def ended(self, job: Job) -> Job:
        """The job once it has ended."""
        return await self.until(job, lambda seen: seen["status"] in FINAL)

    async def tasks(self) -> tuple[int, int]:
        """How many tasks the provider has made, and how many orders reached it."""
        counts = await self.machine.counts()
        return counts["bfl_tasks"], counts["bfl_creates_received"]
