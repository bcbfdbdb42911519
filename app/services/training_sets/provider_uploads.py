"""Gets each training set to its provider once, and uses it there as long as it lives."""

import asyncio
import logging
from collections import defaultdict
from datetime import timedelta

from app.clock import Clock
from app.errors import ProviderRefusedError, TrainingSetMissingError
from app.services.provider import Provider
from app.services.training_sets.service import TrainingSets
from app.storage.provider_files import ProviderFileRows

LIVES_ON = timedelta(hours=1)
"""How long a file has to lie at the provider after a training was sent: it may wait for a machine."""

UPLOADS_AT_ONCE = 4

_logger = logging.getLogger(__name__)


class ProviderUploads:
    """Training sets as they lie at a provider."""

    def __init__(self, *, sets: TrainingSets, rows: ProviderFileRows, clock: Clock) -> None:
        self._sets = sets
        self._rows = rows
        self._clock = clock
        self._turns = asyncio.Semaphore(UPLOADS_AT_ONCE)
        # By set, and kept: there are far fewer sets than pictures.
        self._under_way: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def address_of(self, sha256: str, provider: Provider) -> str:
        """Where the provider finds the set; uploaded only if it does not lie there for another hour.

        Raises `TrainingSetMissingError` if it is neither there nor on our disk, and what the provider raises.
        """
        async with self._under_way[sha256, provider.name]:
            return await self._known(sha256, provider) or await self._uploaded(sha256, provider)

    async def _known(self, sha256: str, provider: Provider) -> str | None:
        until = self._clock.now() + LIVES_ON
        known = await self._rows.get(provider.name, sha256, until=until)
        if known is None:
            return None
        try:
            if await provider.has_file(known.address):
                return known.address
        except ProviderRefusedError as exc:
            _logger.warning("training set %s: not known to lie there: %s", sha256[:12], exc.detail)
        return None

    async def _uploaded(self, sha256: str, provider: Provider) -> str:
        try:
            path = await asyncio.to_thread(self._sets.path, sha256)
        except FileNotFoundError as exc:
            raise TrainingSetMissingError(sha256) from exc
        async with self._turns:
            file = await provider.upload(path)
        await self._rows.put(provider.name, sha256, file, now=self._clock.now())
        return file.address
