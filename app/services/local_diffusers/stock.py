"""The models on this machine by the names that callers use, and the orders that can be made of them."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from threading import Lock

from app.errors import (
    AppError,
    InvalidRequestError,
    ModelNotFoundError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, GenerationRequest, JobKind, JsonValue, Order
from app.services.local_diffusers import hub
from app.services.local_diffusers.failures import LocalExtraMissingError
from app.services.local_diffusers.given_pictures import given_picture
from app.services.local_diffusers.input_schemas import defaults_of, schema_of, side_bounds
from app.services.local_diffusers.local_models import LocalModel, Refused
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.model_files import take_stock
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.paint_requests import PaintRequest, read_request
from app.services.local_diffusers.painters import Painters
from app.services.model_inputs import InputSchema, fit_generation
from app.services.provider import ModelInfo

PROVIDER = "local"

# Of one step, the part that a picture to start from leaves would be none.
_LEAST_STEPS_FROM_A_PICTURE = 2

_logger = logging.getLogger(__name__)


class Stock:
    """What a look at the disk found, and what was fetched since. Any thread may use it."""

    def __init__(self, settings: LocalModelSettings, painters: Painters) -> None:
        self._settings = settings
        self._painters = painters
        self._models: dict[str, LocalModel] = {}
        self._loras: Mapping[str, LoraFile] = {}
        self._refused: tuple[Refused, ...] = ()
        self._default: str | None = None
        self._coming: str | None = None
        self._missing_package: str | None = None
        self._schemas: dict[str, InputSchema] = {}
        self._schemas_lock = Lock()

    def take(self) -> None:
        """Look at the disk. Blocks."""
        shelf = take_stock(self._settings)
        self._models, self._loras, self._refused = dict(shelf.models), shelf.loras, shelf.refused
        self._default, self._coming = shelf.default, shelf.to_fetch
        self._missing_package = self._painters.missing_package()
        for model in self._models.values():
            notes = " ".join(model.notes)
            _logger.info("model %s: %s%s", model.name, model.facts.title, f"; {notes}" if notes else "")
        for refused in self._refused:
            _logger.warning("local model refused: %s", refused.reason)
        if self._missing_package is not None and (self._models or self._coming):
            _logger.warning("%s", self._extra_missing().detail)

    def refused(self) -> tuple[Refused, ...]:
        """What cannot be used, and why."""
        return self._refused

    def default_model(self) -> LocalModel | None:
        """The default model, fetched from the Hub if it has to be and may be; None without one. Blocks."""
        if self._missing_package is not None:
            return None
        if self._coming is None:
            return self._models[self._default] if self._default is not None else None
        identifier, name = self._coming, hub.name_of(self._coming)
        _logger.info("model %s is being fetched from the Hub", identifier)
        try:
            model = self._painters.fetch(identifier)
        except AppError as exc:
            _logger.error("model %s could not be fetched: %s", identifier, exc.detail)
            self._refused = (*self._refused, Refused(name, exc.detail))
            return None
        finally:
            self._coming = None
        _logger.info("model %s is fetched", identifier)
        self._models[name] = model
        self._default = name
        return model

    def infos(self, loaded: frozenset[str]) -> list[ModelInfo]:
        """All models, those that cannot be used with the reason."""
        problem = self._extra_missing().detail if self._missing_package is not None else None
        usable = [
            ModelInfo(
                name=f"{PROVIDER}/{model.name}",
                provider=PROVIDER,
                description=f"{model.facts.title}{', turbo' if model.turbo else ''}",
                is_loaded=model.name in loaded,
                problem=problem,
            )
            for model in self._models.values()
        ]
        refused = [
            ModelInfo(f"{PROVIDER}/{refused.name}", PROVIDER, is_loaded=False, problem=refused.reason)
            for refused in self._refused
        ]
        return [*usable, *refused]

    def model(self, asked: str | None) -> LocalModel:
        """The model that a caller means, with or without `local/` before its name.

        Raises `ModelNotFoundError`, and `ProviderUnavailableError` for one that cannot be run yet.
        """
        name = asked.removeprefix(f"{PROVIDER}/") if asked is not None else self._default
        if name is not None and name in self._models:
            if self._missing_package is not None:
                raise self._extra_missing()
            return self._models[name]
        if self._coming is not None and name in (None, self._coming, hub.name_of(self._coming)):
            raise ProviderUnavailableError(f"The model {self._coming} is still being fetched from the Hub.")
        known = ", ".join(f"{PROVIDER}/{name}" for name in sorted(self._models)) or "none at all"
        if self._missing_package is not None:
            known = f"{known}. {self._extra_missing().detail.removesuffix('.')}"
        if name is None:
            raise ModelNotFoundError(
                f"No local model was named and DEFAULT_MODEL_IDENTIFIER names none; there is: {known}."
            )
        reason = next(
            (each.reason for each in self._refused if name in (each.name, Path(each.name).stem)), None
        )
        if reason is not None:
            raise ModelNotFoundError(f"The local model {name[:80]!r} cannot be used: {reason}")
        raise ModelNotFoundError(f"No local model is called {name[:80]!r}; there is: {known}.")

    def plan(self, request: GenerationRequest) -> Order:
        """The order that makes `request`, with the model's own defaults in it. Blocks."""
        model = self.model(request.model)
        given = {name: value for name, value in (request.options or {}).items() if value not in (None, "")}
        options = {**_defaults_for(given, model), **given}
        fitted = fit_generation(replace(request, options=options), self._schema(model))
        ignored = fitted.ignored
        if "image" not in fitted.input and fitted.input.pop("strength", None) is not None:
            ignored = (*ignored, "strength")
        read_request(fitted.input, model, self._loras)
        return Order(
            provider=PROVIDER,
            kind=JobKind.GENERATION,
            model=f"{PROVIDER}/{model.name}",
            version=None,
            input=fitted.input,
            expected_outputs=fitted.expected_outputs,
            seed=fitted.seed,
            ignored=ignored,
        )

    def read(self, order: Order) -> tuple[LocalModel, PaintRequest]:
        """What an order wants, which may have been made by another process, or long ago. Blocks.

        Raises `ProviderRefusedError` where it cannot be carried out any more.
        """
        try:
            model = self.model(order.model)
            return model, read_request(order.input, model, self._loras)
        except ModelNotFoundError as exc:
            code, detail, status = FailureCode.PROVIDER_REFUSED, exc.detail, HTTPStatus.NOT_FOUND
        except InvalidRequestError as exc:
            code, detail, status = FailureCode.INPUT_REFUSED, exc.detail, HTTPStatus.UNPROCESSABLE_ENTITY
        raise ProviderRefusedError(detail, failure_code=code, upstream_status=status)

    def _schema(self, model: LocalModel) -> InputSchema:
        with self._schemas_lock:
            if model.name not in self._schemas:
                self._schemas[model.name] = schema_of(model, name=f"{PROVIDER}/{model.name}")
            return self._schemas[model.name]

    def _extra_missing(self) -> LocalExtraMissingError:
        return LocalExtraMissingError(ImportError(f"No module named {self._missing_package!r}"))


def _defaults_for(given: Mapping[str, JsonValue], model: LocalModel) -> dict[str, JsonValue]:
    """The model's own defaults, and with a picture to start from its size, as far as the model can."""
    defaults = defaults_of(model)
    image = given.get("image")
    if isinstance(image, str):
        width, height = given_picture("image", image).size
        low, high = side_bounds(model)
        shrink = min(1.0, high / max(width, height))
        defaults["width"] = max(low, round(width * shrink))
        defaults["height"] = max(low, round(height * shrink))
        steps = max(model.defaults.steps, _LEAST_STEPS_FROM_A_PICTURE)
        defaults["num_inference_steps"] = steps
    return defaults
