"""What the tests with real processes share. `-n 5` runs them side by side: they mostly wait."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.endtoend.machine import Machine


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "endtoend: real processes in real time, half a minute each")


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """Where a test runs its processes; all of them are gone afterwards."""
    async with AsyncExitStack() as stack:
        yield Machine(tmp_path, stack)
