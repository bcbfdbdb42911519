"""Orders of pictures, checked against BFL's own rules before anything is recorded."""

import asyncio
from dataclasses import replace

from app.errors import FieldError, InvalidRequestError
from app.models import GenerationRequest, JobKind, JsonValue, Order
from app.services.bfl_client.catalogue import DEFAULT_MODEL, PROVIDER, BflModel, Catalogue, name_of
from app.services.bfl_client.endpoints import Endpoint
from app.services.bfl_client.pictures import with_plain_pictures
from app.services.model_inputs import fit_generation


async def planned(request: GenerationRequest, catalogue: Catalogue) -> Order:
    """The order that makes `request`; what the caller left out is left to BFL."""
    model = await catalogue.model(request.model or DEFAULT_MODEL)
    fitted = fit_generation(_with_finetune(request, model), model.schema, as_given=True)
    _check_area(fitted.input, model.endpoint)
    run_input = fitted.input
    if any(name in run_input for name in model.endpoint.pictures):
        run_input = await asyncio.to_thread(with_plain_pictures, run_input, model.endpoint)
    finetune_id = run_input.get("finetune_id")
    return Order(
        provider=PROVIDER,
        kind=JobKind.GENERATION,
        model=name_of(model.endpoint),
        version=finetune_id if isinstance(finetune_id, str) else None,
        input=run_input,
        expected_outputs=fitted.expected_outputs,
        seed=fitted.seed,
        ignored=fitted.ignored,
    )


def _with_finetune(request: GenerationRequest, model: BflModel) -> GenerationRequest:
    """The request with the fine-tune that its model's name ends with among the options."""
    if model.finetune_id is None:
        return request
    options = dict(request.options or {})
    if options.setdefault("finetune_id", model.finetune_id) != model.finetune_id:
        message = f"{options['finetune_id']!r} is another fine-tune than the model's name ends with."
        raise InvalidRequestError([FieldError("finetune_id", message)])
    return replace(request, options=options)


def _check_area(run_input: dict[str, JsonValue], endpoint: Endpoint) -> None:
    width, height = run_input.get("width"), run_input.get("height")
    most = endpoint.most_pixels
    if most is None or not isinstance(width, int) or not isinstance(height, int) or width * height <= most:
        return
    message = (
        f"{width} x {height} are more pixels than {name_of(endpoint)} makes; width times height may be "
        f"{most:,} at most, as in 2048 x 2048."
    )
    raise InvalidRequestError([FieldError("width", message)])
