"""What a model's name stands for at BFL, and what that takes."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from app.errors import FieldError, InvalidRequestError, ModelNotFoundError
from app.models import JsonValue
from app.services.bfl_client.endpoints import ABSENT, ENDPOINTS, Endpoint
from app.services.model_inputs import InputSchema

PROVIDER = "bfl"
DEFAULT_MODEL = f"{PROVIDER}/flux-dev"

# An id of BFL's own making, or `name` or `organization/name` of a LoRA that was uploaded.
_FINETUNE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class BflModel:
    """An endpoint with its schema, and the fine-tune that is meant if one is named."""

    endpoint: Endpoint
    finetune_id: str | None
    schema: InputSchema


class Catalogue:
    """Reads names of models; each schema is compiled when it is first wanted."""

    def __init__(self) -> None:
        self._schemas: dict[str, InputSchema] = {}

    async def model(self, reference: str) -> BflModel:
        """The model that `bfl/path` or `bfl/path:fine-tune` stands for.

        Raises `ModelNotFoundError` where there is none, `InvalidRequestError` for what cannot be a fine-tune.
        """
        name, colon, finetune_id = reference.partition(":")
        endpoint = endpoint_of(name)
        if colon and not endpoint.is_finetuned:
            raise _model_error(f"{name!r} is one model for all: give it without {f':{finetune_id[:100]}'!r}.")
        if colon and not is_finetune_id(finetune_id):
            raise _model_error(
                f"{finetune_id[:100]!r} cannot be a fine-tune; its id or name at Black Forest Labs is taken."
            )
        return BflModel(endpoint, finetune_id or None, await self._schema(endpoint))

    async def _schema(self, endpoint: Endpoint) -> InputSchema:
        schema = self._schemas.get(endpoint.path)
        if schema is None:
            schema = await asyncio.to_thread(
                InputSchema.from_openapi, openapi_of(endpoint), model=name_of(endpoint)
            )
            self._schemas[endpoint.path] = schema
        return schema


def endpoint_of(name: str) -> Endpoint:
    """The endpoint that `bfl/path` names; `ModelNotFoundError` says what is near, or why it is gone."""
    path = name.removeprefix(f"{PROVIDER}/").lower()
    if path in ABSENT:
        raise ModelNotFoundError(f"{name[:100]!r} {ABSENT[path]}.")
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        near = [f"{PROVIDER}/{each}" for each in get_close_matches(path[:100], ENDPOINTS, n=3, cutoff=0.5)]
        hint = f" Near to it: {', '.join(near)}." if near else ""
        raise ModelNotFoundError(f"Black Forest Labs has no model {name[:100]!r}.{hint}")
    return endpoint


def name_of(endpoint: Endpoint) -> str:
    """The name by which callers know the endpoint."""
    return f"{PROVIDER}/{endpoint.path}"


def is_finetune_id(text: str) -> bool:
    """Whether a fine-tune can have that id or name."""
    return _FINETUNE_ID.fullmatch(text) is not None


def openapi_of(endpoint: Endpoint) -> Mapping[str, JsonValue]:
    """The row as the OpenAPI document that input schemas are read from."""
    described: dict[str, JsonValue] = {
        "type": "object",
        "required": list(endpoint.required),
        "properties": {name: dict(rules) for name, rules in endpoint.inputs.items()},
    }
    return {"components": {"schemas": {"Input": described}}}


def _model_error(message: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError("model", message)])
