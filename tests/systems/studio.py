"""System E as its user has it: the service with a key of Black Forest Labs, over real HTTP to the sandbox."""

import asyncio
from typing import Any

from tests.endtoend.machine import FINAL, Machine, Service
from tests.endtoend.proxy import Proxy

MODEL = "bfl/flux-dev"
PATIENCE_SECONDS = 60


class Studio:
    """A provider with the way to it, and the service that was started last."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.service: Service
        self.way: Proxy
        self._address = ""

    async def open(self, *, pace: float, **settings: str) -> None:
        """Start the provider and the service."""
        self.way = await self.machine.start_sandbox(pace=pace)
        self._address = self.way.url
        await self.serve(**settings)

    async def serve(self, **settings: str) -> None:
        """Start the service, or another one on the same records; it has no token but BFL's."""
        of_bfl = {"BFL_BASE_URL": self._address, "BFL_API_KEY": "any", "REPLICATE_API_TOKEN": ""}
        self.service = await self.machine.start_service(**{**of_bfl, **settings})

    async def submit(self, prompt: str, **fields: str) -> dict[str, Any]:
        """Send the form without staying for the picture; the job as it was taken on."""
        answer = await self.service.client.post(
            "/generate-image/",
            data={"model": MODEL, "prompt": prompt, **fields},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def seen(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it is now."""
        now: dict[str, Any] = (await self.service.client.get(f"/jobs/{job['id']}")).json()
        return now

    async def until(self, job: dict[str, Any], status: str | None = None) -> dict[str, Any]:
        """The job once it has that status, or has ended where none is named."""
        wanted = FINAL if status is None else {status}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (job := await self.seen(job))["status"] not in wanted:
                assert job["status"] not in FINAL, job["failure"]
                await asyncio.sleep(0.1)
        return job

    async def tasks(self) -> tuple[int, int]:
        """How many tasks the provider has made, and how many orders reached it."""
        counts = await self.machine.counts()
        return counts["bfl_tasks"], counts["bfl_creates_received"]
