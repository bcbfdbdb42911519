"""Trainings before their start: where the result goes, and what has to lie ready."""

import re
from dataclasses import replace
from http import HTTPStatus

from app.errors import FieldError, InvalidRequestError, ProviderRefusedError
from app.models import JsonValue, Order
from app.services.model_inputs import IMAGES_INPUT
from app.services.replicate_client.catalogue import Catalogue
from app.services.replicate_client.wire import Wire

_DESTINATION = re.compile(
    r"(?:(?P<owner>[A-Za-z0-9][A-Za-z0-9_-]{0,99})/)?(?P<name>[a-z0-9][a-z0-9._-]{0,99})", re.ASCII
)
_NAME_WITHOUT_TRIGGER_WORD = "flux-fine-tune"
_HARDWARE = "gpu-t4"
"""What a destination is made with where it is on offer: the trainer replaces it by its own choice."""


async def destination_for(asked: str | None, trigger_word: str, catalogue: Catalogue) -> str:
    """The model, as `owner/name`, that the training adds a version to.

    Raises `InvalidRequestError` for a name that no model can have.
    """
    if asked is None:
        return f"{await catalogue.username()}/{_slug(trigger_word)}"
    found = _DESTINATION.fullmatch(asked)
    if found is None:
        raise InvalidRequestError(
            [
                FieldError(
                    "destination_model",
                    f"{asked[:200]!r} is not a name for a model; give name or owner/name, with a name of"
                    " lower-case letters, digits, dots, hyphens and underscores that begins with a letter"
                    " or a digit.",
                )
            ]
        )
    return f"{found['owner'] or await catalogue.username()}/{found['name']}"


async def made_ready(order: Order, training_set: str | None, wire: Wire) -> Order:
    """The order with its destination made and the address of its pictures put in."""
    if order.destination is not None:
        await _ensure_destination(order.destination, wire)
    if training_set is None:
        if order.training_set is not None:
            raise ValueError("an order with a training set needs the address of the uploaded zip")
        return order
    return replace(order, input={**order.input, IMAGES_INPUT: training_set}, training_set=None)


async def _ensure_destination(destination: str, wire: Wire) -> None:
    try:
        await wire.get(f"/models/{destination}")
    except ProviderRefusedError as exc:
        if exc.upstream_status != HTTPStatus.NOT_FOUND:
            raise
    else:
        return
    owner, _, name = destination.partition("/")
    body: dict[str, JsonValue] = {
        "owner": owner,
        "name": name,
        "visibility": "private",
        "hardware": await _hardware(wire),
    }
    try:
        await wire.post_again("/models", body)
    except ProviderRefusedError as exc:
        if exc.upstream_status != HTTPStatus.CONFLICT:  # Somebody else has just made it.
            raise


async def _hardware(wire: Wire) -> str:
    offered = await wire.get("/hardware")
    skus = [
        str(item["sku"])
        for item in (offered if isinstance(offered, list) else [])
        if isinstance(item, dict) and "sku" in item
    ]
    return _HARDWARE if _HARDWARE in skus or not skus else skus[0]


def _slug(trigger_word: str) -> str:
    """A model's name made of a trigger word."""
    slug = re.sub(r"[^a-z0-9]+", "-", trigger_word.lower()).strip("-")
    return slug[:100] or _NAME_WITHOUT_TRIGGER_WORD
