"""Orders of fine-tunes. BFL takes the pictures within the order, so that they stay on our disk until then."""

import asyncio
import base64
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic_core import to_json

from app.datasets import ProviderFile
from app.errors import FieldError, InvalidRequestError, ProviderRefusedError
from app.models import FailureCode, JobKind, JsonValue, Order, TrainingRequest
from app.services.bfl_client.catalogue import PROVIDER
from app.services.bfl_client.inputs import OPTIONAL_TEXT, TEXT, between, one_of, switch, whole
from app.services.model_inputs import IMAGES_INPUT, InputSchema, fit_training, in_todays_words

ENDPOINT = "finetune"
TRAINER = f"{PROVIDER}/{ENDPOINT}"
OUR_NAMES = {"iterations": "steps", "file_data": "training_images", "finetune_comment": "destination_model"}
"""What callers call the inputs of trainings that have another name at BFL."""

_COMMENT = "finetune_comment"
_MOST_PICTURES = 20
_KEPT_FOR = timedelta(days=365)
"""The zip lies on our own disk; whether it is still there is looked up before each use."""

_OPENAPI: Mapping[str, JsonValue] = {
    "components": {
        "schemas": {
            "TrainingInput": {
                "type": "object",
                "required": ["mode", _COMMENT],
                "properties": {
                    IMAGES_INPUT: dict(TEXT),
                    "trigger_word": dict(OPTIONAL_TEXT),
                    _COMMENT: dict(TEXT),
                    "mode": one_of("general", "character", "style", "product"),
                    "iterations": whole(100, 1000, 300),
                    # 0.00001 by default for all weights, 0.0001 for a LoRA.
                    "learning_rate": between(1e-6, 5e-3),
                    "captioning": switch(default=True),
                    "priority": one_of("speed", "quality", "high_res_only", default="quality"),
                    "finetune_type": one_of("full", "lora", default="full"),
                    "lora_rank": {"type": "integer", "enum": [16, 32], "default": 32},
                },
            }
        }
    }
}


async def planned(request: TrainingRequest) -> Order:
    """The order that trains `request`; what the caller left out is left to BFL.

    Raises `InvalidRequestError` for another trainer, for pictures at an address, and for wrong options.
    """
    if request.trainer not in (None, TRAINER):
        message = (
            f"{str(request.trainer)[:200]!r} is no trainer of Black Forest Labs; {TRAINER} is the only one."
        )
        raise InvalidRequestError([FieldError("trainer_version", message)])
    if request.training_images_url is not None:
        message = f"{TRAINER} takes the pictures themselves; upload them, or give the id of a dataset."
        raise InvalidRequestError([FieldError("training_images_url", message)])
    schema = await asyncio.to_thread(InputSchema.from_openapi, _OPENAPI, training=True, model=TRAINER)
    if request.dreambooth is not None:
        request = in_todays_words(request, request.dreambooth, schema)
    comment = request.destination or request.trigger_word
    request = replace(request, options={_COMMENT: comment, **(request.options or {})})
    fitted = fit_training(request, schema, as_given=True)
    return Order(
        provider=PROVIDER,
        kind=JobKind.TRAINING,
        model=TRAINER,
        version=None,
        input=fitted.input,
        destination=request.destination,
        training_set=request.training_set,
        trigger_word=request.trigger_word,
        ignored=(*fitted.ignored, *request.ignored),
    )


async def set_aside(training_set: Path, *, now: datetime) -> ProviderFile:
    """The zip under its address on this machine.

    Raises `ProviderRefusedError` if it has more pictures than BFL trains on.
    """
    pictures = await asyncio.to_thread(_pictures_in, training_set)
    if pictures > _MOST_PICTURES:
        raise _set_refused(
            f"The training set has {pictures} pictures; Black Forest Labs takes {_MOST_PICTURES} at most."
        )
    return ProviderFile(await asyncio.to_thread(_address_of, training_set), now + _KEPT_FOR)


async def is_there(address: str) -> bool:
    """Whether the zip that was set aside still lies there."""
    return address.startswith("file:") and await asyncio.to_thread(_path_of(address).is_file)


def made_ready(order: Order, training_set: str | None) -> Order:
    """The order with the address of its pictures put in."""
    if training_set is None:
        if order.training_set is not None:
            raise ValueError("an order with a training set needs the address of its zip")
        return order
    return replace(order, input={**order.input, IMAGES_INPUT: training_set}, training_set=None)


async def content_of(order: Order, webhook: str | None) -> bytes:
    """The order as it is sent, its pictures in base64. Raises `ProviderRefusedError` if they are gone."""
    body = dict(order.input)
    address = str(body.pop(IMAGES_INPUT))
    if webhook is not None:
        body["webhook_url"] = webhook
    try:
        return await asyncio.to_thread(_with_zip, body, _path_of(address))
    except OSError as exc:
        raise _set_refused("The training pictures are no longer on the disk; upload them again.") from exc


def _with_zip(body: Mapping[str, JsonValue], path: Path) -> bytes:
    # Put together by hand: the zip is large, and base64 needs no escapes.
    return b"".join((to_json(body)[:-1], b',"file_data":"', base64.b64encode(path.read_bytes()), b'"}'))


def _pictures_in(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(not name.endswith((".txt", "/")) for name in archive.namelist())


def _address_of(path: Path) -> str:
    return path.resolve().as_uri()


def _path_of(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


def _set_refused(detail: str) -> ProviderRefusedError:
    return ProviderRefusedError(
        detail,
        failure_code=FailureCode.TRAINING_SET_REFUSED,
        upstream_status=HTTPStatus.UNPROCESSABLE_ENTITY,
    )
