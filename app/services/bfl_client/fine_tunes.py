"""The fine-tunes that lie at BFL, on the cluster that keeps them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic_core import to_json

from app.errors import ModelNotFoundError, ProviderUnavailableError
from app.models import JsonValue
from app.services.bfl_client.catalogue import PROVIDER, is_finetune_id
from app.services.bfl_client.wire import Wire
from app.services.provider_fine_tunes import ProviderFineTune

_MODELS = tuple(
    f"{PROVIDER}/{path}" for path in ("flux-pro-1.1-ultra-finetuned", "flux-pro-1.0-fill-finetuned")
)
_NOT_OPTIONS = ("finetune_comment", "trigger_word", "timestamp")


async def listed(wire: Wire) -> list[str]:
    """The ids of the account's fine-tunes."""
    answer = await wire.on_cluster("GET", "my_finetunes")
    ids = answer.get("finetunes") if isinstance(answer, dict) else None
    if not isinstance(ids, list):
        raise ProviderUnavailableError("Black Forest Labs does not say which fine-tunes there are.")
    return [each for each in ids if isinstance(each, str)]


async def described(fine_tune_id: str, wire: Wire) -> ProviderFineTune:
    """What a fine-tune was trained with."""
    _check(fine_tune_id)
    answer = await wire.on_cluster("GET", "finetune_details", query={"finetune_id": fine_tune_id})
    if answer is None:
        raise _unknown(fine_tune_id)
    found = answer.get("finetune_details") if isinstance(answer, dict) else None
    details: Mapping[str, JsonValue] = found if isinstance(found, dict) else {}
    return ProviderFineTune(
        id=fine_tune_id,
        models=tuple(f"{model}:{fine_tune_id}" for model in _MODELS),
        comment=_text(details.get("finetune_comment")),
        trigger_word=_text(details.get("trigger_word")),
        created_at=_moment(details.get("timestamp")),
        options={name: value for name, value in details.items() if name not in _NOT_OPTIONS},
    )


async def deleted(fine_tune_id: str, wire: Wire) -> None:
    """Delete a fine-tune, which does no harm when it is asked for twice."""
    _check(fine_tune_id)
    content = to_json({"finetune_id": fine_tune_id})
    if await wire.on_cluster("POST", "delete_finetune", content=content) is None:
        raise _unknown(fine_tune_id)


def _check(fine_tune_id: str) -> None:
    if not is_finetune_id(fine_tune_id):
        raise _unknown(fine_tune_id)


def _unknown(fine_tune_id: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"Black Forest Labs has no fine-tune {fine_tune_id[:100]!r} of this service.")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
