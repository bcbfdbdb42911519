"""Schemas as a provider writes them, and requests fitted to them."""

import pytest

from app.models import GenerationRequest, JsonValue, TrainingRequest
from app.services.model_inputs import Fitted, fit_generation, fit_training
from app.services.model_inputs.schema import InputSchema
from tests.services.model_inputs.schemas import Document, Fields, Fit, SchemaOf


@pytest.fixture
def document() -> Document:
    """An OpenAPI document as versions carry it: enumerations are components of their own."""

    def write(
        fields: Fields, required: tuple[str, ...] = ("prompt",), title: str = "Input"
    ) -> dict[str, JsonValue]:
        components: dict[str, JsonValue] = {}
        properties: dict[str, JsonValue] = {}
        for order, (name, field) in enumerate(fields.items()):
            beside: dict[str, JsonValue] = {"x-order": order}
            if "enum" in field:
                type_ = field.get("type", "string")
                about = {"type": type_, "title": name, "description": "An enumeration."}
                components[name] = {**about, "enum": field["enum"]}
                beside |= {
                    "default": field.get("default"),
                    "allOf": [{"$ref": f"#/components/schemas/{name}"}],
                }
            else:
                beside |= {"title": name.title(), **field}
            properties[name] = beside
        components[title] = {
            "type": "object",
            "title": title,
            "required": [*required],
            "properties": properties,
        }
        return {"openapi": "3.0.2", "components": {"schemas": components}}

    return write


@pytest.fixture
def schema(document: Document) -> SchemaOf:
    def read(
        fields: Fields, required: tuple[str, ...] = ("prompt",), model: str = "owner/model"
    ) -> InputSchema:
        return InputSchema.from_openapi(document(fields, required), model=model)

    return read


@pytest.fixture
def generate(schema: SchemaOf) -> Fit:
    def fit(
        fields: Fields,
        options: dict[str, JsonValue] | None = None,
        *,
        seed: int | None = None,
        flavour: str | None = None,
        model: str = "owner/model",
        as_given: bool = False,
    ) -> Fitted:
        request = GenerationRequest(prompt="a photo of TOK", seed=seed, options=options)
        return fit_generation(
            request,
            schema(fields, model=model),
            flavour=flavour,
            as_given=as_given,
            choose_seed=lambda: 7,
        )

    return fit


@pytest.fixture
def train(schema: SchemaOf) -> Fit:
    def fit(
        fields: Fields,
        options: dict[str, JsonValue] | None = None,
        *,
        url: str | None = None,
        secrets: dict[str, str] | None = None,
        required: tuple[str, ...] = (),
        as_given: bool = False,
    ) -> Fitted:
        request = TrainingRequest(
            trigger_word="TOK",
            training_images_url=url,
            training_set=None if url else "0" * 64,
            options=options,
            secrets=secrets,
        )
        return fit_training(
            request, schema(fields, required, "ostris/flux-dev-lora-trainer"), as_given=as_given
        )

    return fit
