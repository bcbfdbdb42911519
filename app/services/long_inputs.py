"""Long texts in inputs, as pictures in base64: kept beside the records, so that those stay small."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from app.errors import ProviderRefusedError, StorageUnavailableError
from app.models import FailureCode, JsonValue, Order
from app.storage.long_texts import LongTexts

SET_ASIDE_FROM = 16 * 1024
"""How many characters a text has at least to be set aside; prompts have fewer."""

KEPT_FOR = timedelta(days=3)
"""Longer than any job can still be sent after it was recorded."""

_MARK = "set_aside"
_CHARACTERS = "characters"


class LongInputs:
    """Takes long texts out of orders that are recorded, and puts them back into those that are sent."""

    def __init__(self, texts: LongTexts) -> None:
        self._texts = texts

    async def start(self) -> None:
        """Remove what was set aside for jobs that have long ended."""
        await asyncio.to_thread(self._texts.sweep, KEPT_FOR)

    async def set_aside(self, order: Order) -> Order:
        """The order as it is recorded; what was taken out is on disk."""
        alternatives = tuple([await self.set_aside(other) for other in order.alternatives])
        if alternatives != order.alternatives:
            order = replace(order, alternatives=alternatives)
        if not any(_is_long(value) for value in order.input.values()):
            return order
        kept = {name: await self._kept(value) for name, value in order.input.items()}
        return replace(order, input=kept)

    async def put_back(self, order: Order) -> Order:
        """The order as it is sent. Raises `ProviderRefusedError` where what was set aside is gone."""
        if not any(_was_set_aside(value) for value in order.input.values()):
            return order
        try:
            whole = {name: await self._whole(value) for name, value in order.input.items()}
        except FileNotFoundError:
            raise ProviderRefusedError(
                "The pictures that came with the request are no longer on the disk; send it again.",
                failure_code=FailureCode.INPUT_REFUSED,
                upstream_status=422,
            ) from None
        return replace(order, input=whole)

    async def _kept(self, value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [await self._kept(item) for item in value]
        if isinstance(value, str) and _is_long(value):
            try:
                sha256 = await asyncio.to_thread(self._texts.put, value)
            except OSError as exc:
                raise StorageUnavailableError(
                    f"The pictures that came with the request cannot be stored: {exc.strerror or exc}."
                ) from exc
            return {_MARK: sha256, _CHARACTERS: len(value)}
        return value

    async def _whole(self, value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [await self._whole(item) for item in value]
        if isinstance(value, dict) and _was_set_aside(value):
            return await asyncio.to_thread(self._texts.get, str(value[_MARK]))
        return value


def _is_long(value: JsonValue) -> bool:
    if isinstance(value, list):
        return any(_is_long(item) for item in value)
    return isinstance(value, str) and len(value) >= SET_ASIDE_FROM


def _was_set_aside(value: JsonValue) -> bool:
    if isinstance(value, list):
        return any(_was_set_aside(item) for item in value)
    return isinstance(value, dict) and value.keys() == {_MARK, _CHARACTERS}
