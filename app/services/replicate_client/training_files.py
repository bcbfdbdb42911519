"""Training pictures at Replicate's Files API."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from app.datasets import ProviderFile
from app.errors import ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode
from app.services.replicate_client.wire import Wire

_USUAL_LIFE = timedelta(days=1)
"""How long Replicate keeps a file, where its answer does not say."""


async def uploaded(training_set: Path, wire: Wire, *, now: datetime) -> ProviderFile:
    """The file under which the trainer finds the zip."""
    try:
        file = await wire.upload("/files", training_set, media_type="application/zip")
    except ProviderRefusedError as exc:
        if exc.upstream_status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise
        raise ProviderRefusedError(
            "The training set is larger than the 100 MB that Replicate takes.",
            failure_code=FailureCode.TRAINING_SET_REFUSED,
            upstream_status=exc.upstream_status,
        ) from exc
    facts = file if isinstance(file, dict) else {}
    urls = facts.get("urls")
    address = urls.get("get") if isinstance(urls, dict) else None
    if not isinstance(address, str):
        raise ProviderUnavailableError("Replicate took the training set but gave no address for it.")
    return ProviderFile(address, _moment(facts.get("expires_at")) or now + _USUAL_LIFE)


async def is_there(address: str, wire: Wire) -> bool:
    """Whether Replicate still knows the file; one that was uploaded to another place counts as gone."""
    base = str(wire.base_url).rstrip("/")
    if not address.startswith(f"{base}/files/"):
        return False
    try:
        await wire.get(address.removeprefix(base))
    except ProviderRefusedError as exc:
        if exc.upstream_status not in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise
        return False
    return True


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)
