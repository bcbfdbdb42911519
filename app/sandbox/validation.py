"""Checks a request's body the way Replicate does: synchronously, before anything is created."""

import asyncio
import functools
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from starlette.requests import Request

from app.sandbox.catalogue import Template, openapi_schema
from app.sandbox.input_schema import JSONObject
from app.sandbox.problems import InvalidField, ProblemError, invalid_input

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

EVENTS = ("start", "output", "logs", "completed")
_DEFAULT_EVENTS = ("output", "completed")
_ROOT = "(root)"


async def json_object(request: Request) -> JSONObject:
    """The request's body; anything but a JSON object is a 400."""
    try:
        body = strict_json(await request.body())
    except RecursionError as exc:
        raise ProblemError(400, "The request body is nested too deeply.", title="Bad request") from exc
    except ValueError as exc:
        raise ProblemError(400, f"The request body is not valid JSON: {exc}.", title="Bad request") from exc
    if not isinstance(body, dict):
        raise ProblemError(400, "The request body must be a JSON object.", title="Bad request")
    return body


def strict_json(content: bytes) -> object:
    """What the JSON says, numbers finite and texts sound; ValueError or RecursionError otherwise."""
    text = content.decode()
    body: object = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    if "\\u" in text:
        # Half a surrogate pair is a character that no answer could repeat.
        json.dumps(body, ensure_ascii=False).encode()
    return body


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def check_members(
    body: JSONObject, *, required: Mapping[str, type], optional: Mapping[str, type]
) -> list[InvalidField]:
    """What is wrong with the members of a closed body."""
    known = {**required, **optional}
    wrong = [
        InvalidField("additional_property_not_allowed", _ROOT, f"Additional property {name} is not allowed")
        for name in body
        if name not in known
    ]
    wrong += [InvalidField("required", _ROOT, f"{name} is required") for name in required if name not in body]
    wrong += [
        InvalidField("invalid_type", name, _wrong_type(_JSON_TYPES[known[name]], value))
        for name, value in body.items()
        if name in known and not _is(value, known[name])
    ]
    return wrong


def one_of(field: str, value: object, allowed: Collection[str]) -> list[InvalidField]:
    """What is wrong with the choice of `value`."""
    return [] if value in allowed else [InvalidField("enum", field, _enumeration(field, allowed))]


class WebhookRules:
    """What may be asked for in `webhook` and `webhook_events_filter`."""

    MEMBERS: Mapping[str, type] = {"webhook": str, "webhook_events_filter": list}

    def __init__(self, *, allow_http: bool) -> None:
        self.allow_http = allow_http
        self._schemes = ("https", "http") if allow_http else ("https",)

    def check(self, body: JSONObject) -> list[InvalidField]:
        """What is wrong with the two members, if they are there."""
        wrong: list[InvalidField] = []
        webhook = body.get("webhook")
        if isinstance(webhook, str) and not _is_address(webhook, self._schemes):
            wrong.append(InvalidField("format", "webhook", "Not a valid HTTPS URL"))
        events = body.get("webhook_events_filter")
        for number, event in enumerate(events if isinstance(events, list) else ()):
            wrong += one_of(f"webhook_events_filter.{number}", event, EVENTS)
        return wrong

    def wanted(self, body: JSONObject) -> tuple[str | None, tuple[str, ...]]:
        """The address and the events of a body that has been checked."""
        webhook = body.get("webhook")
        if not isinstance(webhook, str):
            return None, ()
        events = body.get("webhook_events_filter")
        return webhook, tuple(cast(list[str], events)) if isinstance(events, list) else _DEFAULT_EVENTS


async def check_input(template: Template, given: object) -> list[InvalidField]:
    """What is wrong with an input according to the schema that the model publishes."""
    if not isinstance(given, dict):
        return []
    validator = _VALIDATORS.get(template)
    if validator is None:
        validator = await asyncio.to_thread(_validator, template)
        _VALIDATORS[template] = validator
    wrong = [field for error in validator.iter_errors(given) for field in _invalid_fields(error)]
    return sorted(wrong, key=lambda field: field.type != "required")


def refuse(wrong: list[InvalidField]) -> None:
    """Raise the 422 if anything is wrong."""
    if wrong:
        raise invalid_input(wrong)


_VALIDATORS: dict[Template, "Validator"] = {}


def _validator(template: Template) -> "Validator":
    # Imported here because the import takes longer than everything else in this package together.
    from jsonschema import Draft202012Validator, FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("uri")(_is_input_address)
    schema = {**openapi_schema(template), "$ref": "#/components/schemas/Input"}
    return cast("Validator", Draft202012Validator(schema, format_checker=formats))


def _invalid_fields(error: "ValidationError") -> Iterator[InvalidField]:
    field = ".".join(["input", *(str(part) for part in error.absolute_path)])
    render = _DESCRIPTIONS.get(str(error.validator))
    if error.validator == "required":
        # The library reports each missing name by itself, in its message only.
        yield InvalidField("required", field, f"{error.message.split(chr(39))[1]} is required")
    elif render is None:
        yield InvalidField(str(error.validator), field, error.message)
    else:
        kind, describe = render
        yield InvalidField(kind, field, describe(error))


def _enumeration(field: str, allowed: Collection[str]) -> str:
    name = field.rpartition(".")[2]
    return (
        f"{name} must be one of the following: {', '.join(f'{chr(34)}{word}{chr(34)}' for word in allowed)}"
    )


_DESCRIPTIONS: dict[str, tuple[str, Callable[["ValidationError"], str]]] = {
    "maximum": ("number_lte", lambda error: f"Must be less than or equal to {error.validator_value}"),
    "minimum": ("number_gte", lambda error: f"Must be greater than or equal to {error.validator_value}"),
    "type": ("invalid_type", lambda error: _wrong_type(str(error.validator_value), error.instance)),
    "enum": (
        "enum",
        lambda error: _enumeration(str(error.absolute_path[-1]), cast(list[str], error.validator_value)),
    ),
    "format": ("format", lambda error: f"Does not match format '{error.validator_value}'"),
}

_JSON_TYPES = {
    str: "string",
    dict: "object",
    list: "array",
    bool: "boolean",
    int: "integer",
    type(None): "null",
}


def _wrong_type(expected: str, given: object) -> str:
    return f"Invalid type. Expected: {expected}, given: {_JSON_TYPES.get(type(given), 'number')}"


def _is(value: object, wanted: type) -> bool:
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


@functools.lru_cache(maxsize=256)
def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        return False


def _is_input_address(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return value.startswith("data:") or _is_address(value, ("https", "http"))


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def check_name(field: str, value: object) -> list[InvalidField]:
    """What is wrong with the name of a model or a deployment."""
    if not isinstance(value, str) or _NAME.fullmatch(value):
        return []
    allowed = "lower-case letters, digits, dots, dashes and underscores, and begin with a letter or a digit"
    return [InvalidField("pattern", field, f"Must consist of {allowed}")]
