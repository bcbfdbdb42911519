"""A model's own input schema, read from the OpenAPI document that its version carries."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from app.errors import ModelNotFoundError
from app.models import JsonValue
from app.services.model_inputs.field import InputField, compiled, number

_DEEPEST_REFERENCE = 8
_TYPES = ("string", "integer", "number", "boolean", "array", "object")
_NUMERIC_KEYWORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LENGTH_KEYWORDS = ("minLength", "maxLength", "minItems", "maxItems")
_SECRET_ENDINGS = ("_token", "_api_key")


@dataclass(frozen=True, eq=False)
class InputSchema:
    """What one version of a model takes. Keep it as long as the version: it holds compiled validators."""

    model: str
    fields: Mapping[str, InputField]
    required: tuple[str, ...]

    @classmethod
    def from_openapi(
        cls,
        openapi_schema: Mapping[str, JsonValue] | None,
        *,
        training: bool = False,
        model: str = "the model",
    ) -> Self:
        """Read a version's OpenAPI document: `TrainingInput` if asked for and there, else `Input`.

        `model` is the name that sentences for the caller use. The first call imports jsonschema, which takes
        a tenth of a second and reads files: call this in a thread. Raises `ModelNotFoundError` where the
        document describes no input at all.
        """
        schemas = _mapping(_mapping(_mapping(openapi_schema).get("components")).get("schemas"))
        described = (training and _mapping(schemas.get("TrainingInput"))) or _mapping(schemas.get("Input"))
        resolved = _resolved(described, schemas)
        properties = _mapping(resolved.get("properties"))
        if not properties:
            raise ModelNotFoundError(f"{model} does not say what inputs it takes, so it cannot be run.")
        fields = [_field(name, _resolved(_mapping(node), schemas)) for name, node in _in_order(properties)]
        required = resolved.get("required")
        return cls(
            model=model,
            fields={field.name: field for field in fields},
            required=tuple(str(name) for name in required) if isinstance(required, list) else (),
        )

    def has(self, name: str) -> bool:
        """Whether the model has an input of that name."""
        return name in self.fields

    def first_of(self, *names: str) -> str | None:
        """The first of `names` that the model has."""
        return next((name for name in names if name in self.fields), None)

    def default(self, name: str) -> JsonValue:
        """The model's own default, None where it has none."""
        return self.fields[name].default if name in self.fields else None

    def enum(self, name: str) -> tuple[JsonValue, ...]:
        """The values that the input can have; empty where it is not an enumeration."""
        return self.fields[name].enum if name in self.fields else ()

    def bounds(self, name: str) -> tuple[float | None, float | None]:
        """The least and the greatest value of the input, None where there is no bound."""
        return self.fields[name].bounds if name in self.fields else (None, None)

    def is_secret(self, name: str) -> bool:
        """Whether the input is a secret, by what the schema says or by its name."""
        return self.fields[name].is_secret if name in self.fields else name.endswith(_SECRET_ENDINGS)

    def complaint(self, name: str, value: JsonValue) -> str | None:
        """What is wrong with `value` for the input `name`; None if the model takes it."""
        return self.fields[name].complaint(value, model=self.model)

    def takes(self, name: str, value: JsonValue) -> bool:
        """Whether the model has the input and allows the value."""
        return name in self.fields and self.complaint(name, value) is None


def _mapping(node: object) -> Mapping[str, JsonValue]:
    return node if isinstance(node, dict) else {}


def _in_order(properties: Mapping[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    def order(item: tuple[str, JsonValue]) -> float:
        place = number(_mapping(item[1]).get("x-order"))
        return math.inf if place is None else place

    return sorted(properties.items(), key=order)


def _parts(node: Mapping[str, JsonValue], keyword: str) -> Iterator[Mapping[str, JsonValue]]:
    parts = node.get(keyword)
    return (_mapping(part) for part in parts) if isinstance(parts, list) else iter(())


def _resolved(
    node: Mapping[str, JsonValue], schemas: Mapping[str, JsonValue], depth: int = 0
) -> dict[str, JsonValue]:
    """`node` with what it refers to merged in; what stands beside a reference wins over what it refers to."""
    if depth > _DEEPEST_REFERENCE:
        return {}
    merged: dict[str, JsonValue] = {}
    reference = node.get("$ref")
    if isinstance(reference, str):
        merged |= _resolved(_mapping(schemas.get(reference.rpartition("/")[2])), schemas, depth + 1)
    for part in _parts(node, "allOf"):
        merged |= _resolved(part, schemas, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        variants = [_resolved(part, schemas, depth + 1) for part in _parts(node, keyword)]
        variants = [variant for variant in variants if variant.get("type") != "null"]
        if len(variants) == 1:  # "This or null": what is null is not sent at all.
            merged |= variants[0]
        elif variants:
            merged["anyOf"] = list[JsonValue](variants)
    if isinstance(node.get("items"), dict):
        merged["items"] = _resolved(_mapping(node["items"]), schemas, depth + 1)
    skipped = ("$ref", "allOf", "anyOf", "oneOf", "items")
    return merged | {keyword: value for keyword, value in node.items() if keyword not in skipped}


def _field(name: str, node: Mapping[str, JsonValue]) -> InputField:
    rules = _rules(node)
    type_ = rules.get("type")
    secret = (
        node.get("format") == "password" or bool(node.get("x-cog-secret")) or name.endswith(_SECRET_ENDINGS)
    )
    return InputField(
        name=name,
        type=type_ if isinstance(type_, str) else None,
        default=node.get("default"),
        description=str(node.get("description") or ""),
        is_secret=secret,
        rules=rules,
        validator=compiled(rules),
    )


def _rules(node: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The keywords that a value must satisfy, in the words of JSON Schema 2020-12.

    A keyword that makes no sense is left out: the provider decides what its own schema means.
    """
    rules: dict[str, JsonValue] = {}
    types = node.get("type")
    known = [type_ for type_ in (types if isinstance(types, list) else [types]) if type_ in _TYPES]
    if known:  # First, so that a wrong type is the first thing complained about.
        rules["type"] = known[0] if len(known) == 1 else list[JsonValue](known)
    enum = node.get("enum")
    if isinstance(enum, list) and enum:
        rules["enum"] = [choice for choice in enum if choice is not None]
    for keyword in (*_NUMERIC_KEYWORDS, *_LENGTH_KEYWORDS):
        if number(node.get(keyword)) is not None:
            rules[keyword] = node[keyword]
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.get(exclusive) is True and inclusive in rules:  # The way OpenAPI 3.0 says it.
            rules[exclusive] = rules.pop(inclusive)
    if number(rules.get("multipleOf", 1)) == 0:
        del rules["multipleOf"]
    if isinstance(node.get("pattern"), str) and compiles(str(node["pattern"])):
        rules["pattern"] = node["pattern"]
    if isinstance(node.get("format"), str):
        rules["format"] = node["format"]
    if isinstance(node.get("items"), dict):
        rules["items"] = _rules(_mapping(node["items"]))
    if isinstance(node.get("anyOf"), list):
        rules["anyOf"] = [_rules(part) for part in _parts(node, "anyOf")]
    return rules


def compiles(pattern: str) -> bool:
    """Whether `pattern` is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
