"""A set is uploaded to its provider once, while it lives there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import ProviderRefusedError, TrainingSetMissingError
from app.services.training_sets import ProviderUploads, TrainingSets
from app.storage.database import Database
from app.storage.provider_files import ProviderFileRows
from tests.fake_provider import FakeProvider
from tests.manual_clock import ManualClock
from tests.services.training_sets.conftest import Given
from tests.services.training_sets.photos import encoded, photo


@pytest.fixture
def provider(clock: ManualClock) -> FakeProvider:
    return FakeProvider(clock)


@pytest.fixture
async def uploads(
    tmp_path: Path, sets: TrainingSets, provider: FakeProvider, clock: ManualClock
) -> AsyncIterator[ProviderUploads]:
    database = Database(f"sqlite:///{tmp_path / 'fluxgate.db'}")
    await database.start()
    yield ProviderUploads(sets=sets, rows=ProviderFileRows(database), clock=clock)
    await database.aclose()


@pytest.fixture
async def sha256(sets: TrainingSets, given: Given) -> str:
    """A set that is on the disk."""
    return (await sets.take_in([given("a.jpg", encoded(photo(1)))])).sha256


async def test_a_set_is_uploaded_once(
    uploads: ProviderUploads, provider: FakeProvider, sha256: str, sets: TrainingSets
) -> None:
    addresses = await asyncio.gather(*(uploads.address_of(sha256, provider) for _ in range(3)))
    assert len(set(addresses)) == 1
    assert provider.calls["upload"] == 1
    assert provider.files[addresses[0]] == await asyncio.to_thread(sets.path(sha256).read_bytes)


async def test_a_set_that_stays_for_less_than_an_hour_is_uploaded_again(
    uploads: ProviderUploads, provider: FakeProvider, clock: ManualClock, sha256: str
) -> None:
    first = await uploads.address_of(sha256, provider)
    clock.advance(22.9 * 3600)
    assert await uploads.address_of(sha256, provider) == first
    clock.advance(0.2 * 3600)
    second = await uploads.address_of(sha256, provider)
    assert second != first
    assert await uploads.address_of(sha256, provider) == second


async def test_a_set_that_is_gone_from_the_provider_is_uploaded_again(
    uploads: ProviderUploads, provider: FakeProvider, sha256: str
) -> None:
    first = await uploads.address_of(sha256, provider)
    del provider.files[first]
    assert await uploads.address_of(sha256, provider) != first
    assert provider.calls["upload"] == 2


async def test_a_set_at_the_provider_is_used_though_it_is_gone_here(
    uploads: ProviderUploads, provider: FakeProvider, sets: TrainingSets, sha256: str
) -> None:
    first = await uploads.address_of(sha256, provider)
    await sets.remove(sha256)
    assert await uploads.address_of(sha256, provider) == first
    provider.files.clear()
    with pytest.raises(TrainingSetMissingError):
        await uploads.address_of(sha256, provider)


async def test_an_upload_that_failed_is_tried_anew(
    uploads: ProviderUploads, provider: FakeProvider, sha256: str
) -> None:
    provider.down = ProviderRefusedError("No.", failure_code="provider_refused", upstream_status=403)
    with pytest.raises(ProviderRefusedError):
        await uploads.address_of(sha256, provider)
    provider.down = None
    assert await uploads.address_of(sha256, provider) in provider.files
