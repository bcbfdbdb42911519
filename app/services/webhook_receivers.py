"""Who may be sent webhooks, and the secrets that sign them."""

from app.clock import Clock
from app.errors import FieldError, InvalidRequestError
from app.models import Receiver
from app.services.safe_fetch import Poster, RefusedUrlError, receiver_of
from app.signing import new_secret
from app.storage.receivers import ReceiverStore


class WebhookReceivers:
    """Knows a receiver by its URL without the query: what differs from job to job belongs there."""

    def __init__(self, *, store: ReceiverStore, poster: Poster, clock: Clock) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock

    async def check(self, url: str) -> None:
        """Raise `InvalidRequestError` for the field `webhook_url` unless webhooks may be sent there."""
        try:
            await self._poster.check(url)
        except RefusedUrlError as exc:
            raise InvalidRequestError([FieldError("webhook_url", str(exc))]) from exc

    async def at(self, url: str) -> Receiver:
        """The receiver at `url`, with a secret from now on if it had none."""
        receiver = _named(url)
        known = await self._store.get(receiver)
        if known is not None:
            return known
        return await self._store.get_or_add(receiver, secret=new_secret(), now=self._clock.now())

    async def rotate(self, url: str) -> Receiver:
        """Give the receiver at `url` a new secret; the one before signs beside it until the next change."""
        known = await self.at(url)
        return await self._store.put_first(known.url, secret=new_secret()) or known


def _named(url: str) -> str:
    try:
        return receiver_of(url)
    except RefusedUrlError as exc:
        raise InvalidRequestError([FieldError("webhook_url", str(exc))]) from exc
