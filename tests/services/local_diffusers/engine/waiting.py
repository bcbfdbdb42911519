"""Waiting for what other threads and processes do, by the machine's time."""

import asyncio

from app.models import JobKind, Run
from app.services.local_diffusers.client import LocalDiffusers
from app.services.provider import Report
from tests.services.local_diffusers.engine.fake_painters import REAL_SECONDS, Gate


def run_of(report: Report) -> Run:
    """The run that a report is about."""
    return Run(JobKind.GENERATION, report.upstream_id)


async def end_of(local: LocalDiffusers, report: Report) -> Report:
    """How the run ended."""
    async with asyncio.timeout(REAL_SECONDS):
        while not report.status.is_final:
            report = await local.fetch(run_of(report))
    return report


async def reached(gate: Gate) -> None:
    """Return when somebody stands at the gate."""
    assert await asyncio.to_thread(gate.reached.wait, REAL_SECONDS)


async def picture_at(local: LocalDiffusers, address: str) -> bytes:
    """The bytes of a finished picture."""
    return b"".join([piece async for piece in local.download(address)])
