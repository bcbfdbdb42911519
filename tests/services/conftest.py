"""What the tests of jobs share: processes of the service on one set of records, and their provider."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fake_provider import FakeProvider, Process, process
from tests.manual_clock import ManualClock


@pytest.fixture
def provider(clock: ManualClock) -> FakeProvider:
    """A provider that does as it is told."""
    return FakeProvider(clock)


@pytest.fixture
async def ours(tmp_path: Path, provider: FakeProvider, clock: ManualClock) -> AsyncIterator[Process]:
    """The process that most tests need alone."""
    async with process(tmp_path, provider, clock) as ours:
        yield ours


@pytest.fixture
async def other(
    ours: Process, tmp_path: Path, provider: FakeProvider, clock: ManualClock
) -> AsyncIterator[Process]:
    """A second process on the same records."""
    async with process(tmp_path, provider, clock) as other:
        yield other
