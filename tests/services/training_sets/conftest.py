"""Training sets in a folder of the test's own."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.datastructures import UploadFile

from app.services.training_sets import TrainingSets
from tests.manual_clock import ManualClock

LIMIT_BYTES = 8 * 1024**2

Stored = Callable[[], list[Path]]
Given = Callable[..., UploadFile]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "training_images"


@pytest.fixture
def stored(directory: Path) -> Stored:
    """Lists what lies in the folder of training sets."""
    return lambda: list(directory.iterdir())


@pytest.fixture
def sets(directory: Path, clock: ManualClock) -> TrainingSets:
    return TrainingSets(directory=directory, limit_bytes=LIMIT_BYTES, clock=clock)


@pytest.fixture
def given() -> Given:
    """Makes an upload."""

    def make(name: str, content: bytes) -> UploadFile:
        return UploadFile(io.BytesIO(content), filename=name)

    return make
