"""Model schemas in the form in which Replicate publishes them: OpenAPI with `Input` and `Output`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

JSONObject = dict[str, object]


class Output(Enum):
    """What a model gives: several pictures, one picture, or a training's version and weights."""

    PICTURES = "pictures"
    PICTURE = "picture"
    TRAINING = "training"


@dataclass(frozen=True)
class Field:
    """One input; a `default` of None means that it may be left out and has none."""

    name: str
    type: Literal["string", "integer", "number", "boolean"]
    description: str
    default: str | int | float | bool | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    uri: bool = False
    secret: bool = False
    required: bool = False

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ").title()


def uri(name: str, description: str, *, required: bool = False) -> Field:
    """An input that takes an address or a `data:` URI."""
    return Field(name, "string", description, uri=True, required=required)


def document(fields: Sequence[Field], output: Output) -> JSONObject:
    """The OpenAPI document of a model with these inputs."""
    components: JSONObject = {"Input": _input(fields, "Input")}
    if output is Output.TRAINING:
        components["TrainingInput"] = _input(fields, "TrainingInput")
        components["TrainingOutput"] = _training_output("TrainingOutput")
    components["Output"] = _output(output)
    components["Status"] = {
        "type": "string",
        "title": "Status",
        "description": "An enumeration.",
        "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
    }
    for field in fields:
        if field.choices:
            components[field.name] = {
                "type": field.type,
                "title": field.name,
                "description": "An enumeration.",
                "enum": list(field.choices),
            }
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {},
        "components": {"schemas": components},
    }


def _input(fields: Sequence[Field], title: str) -> JSONObject:
    schema: JSONObject = {
        "type": "object",
        "title": title,
        "properties": {field.name: _property(field, order) for order, field in enumerate(fields)},
    }
    required = [field.name for field in fields if field.required]
    return schema | ({"required": required} if required else {})


def _property(field: Field, order: int) -> JSONObject:
    found: JSONObject = {"description": field.description, "x-order": order}
    if field.choices:
        found["allOf"] = [{"$ref": f"#/components/schemas/{field.name}"}]
    else:
        found |= {"type": field.type, "title": field.title}
    optional: Mapping[str, object] = {
        "default": field.default,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "format": "uri" if field.uri else "password" if field.secret else None,
    }
    found |= {key: value for key, value in optional.items() if value is not None}
    if field.secret:
        found |= {"writeOnly": True, "x-cog-secret": True}
    return found


def _output(output: Output) -> JSONObject:
    if output is Output.PICTURES:
        return {"type": "array", "items": {"type": "string", "format": "uri"}, "title": "Output"}
    if output is Output.PICTURE:
        return {"type": "string", "format": "uri", "title": "Output"}
    return _training_output("Output")


def _training_output(title: str) -> JSONObject:
    return {
        "type": "object",
        "title": title,
        "properties": {
            "version": {"type": "string", "title": "Version"},
            "weights": {"type": "string", "format": "uri", "title": "Weights"},
        },
    }
