"""What pydantic finds wrong, as sentences that name the field, the value given and what is allowed."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from app.errors import FieldError
from app.models import JsonValue

_SHOWN_LENGTH = 80
_SECRET = re.compile(r"token|secret|password|authorization|api_?key", re.IGNORECASE)
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})

_COMPLAINTS: Mapping[str, str] = {
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "has too many digits",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "bool_parsing": "is not true or false",
    "bool_type": "is not true or false",
    "string_type": "is not text",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "does not have the right form",
    "literal_error": "is not one of the choices",
    "enum": "is not one of the choices",
}
_LIMITS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"more than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']}",
    "less_than": lambda ctx: f"less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']}",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']} characters",
    "string_too_long": lambda ctx: f"at most {ctx['max_length']} characters",
    "literal_error": lambda ctx: str(ctx["expected"]),
    "enum": lambda ctx: str(ctx["expected"]),
}


def field_errors(
    errors: Iterable[Mapping[str, Any]], allowed: Mapping[str, str] = _NOTHING_KNOWN
) -> list[FieldError]:
    """Pydantic's `errors` in our words; `allowed` says by field name what would have been right."""
    found = []
    for error in errors:
        field = _field(error["loc"])
        found.append(FieldError(field, _sentence(field, error, allowed.get(field))))
    return found


def shown(field: str, value: object) -> str:
    """`value` fit for a sentence: cut when it is long, left out when `field` holds a secret."""
    if _SECRET.search(field):
        return "the value given"
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN_LENGTH else f"{value[:_SHOWN_LENGTH]!r}…"
    try:
        text = json.dumps(value, ensure_ascii=False)  # As the caller wrote it: null, not None.
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def allowed_by_schema(schema: Mapping[str, Any]) -> dict[str, str]:
    """What each property of a JSON schema allows, as a phrase: `256 to 1440`, `webp, jpg or png`."""
    phrases = {name: _allowed(facts) for name, facts in schema.get("properties", {}).items()}
    return {name: phrase for name, phrase in phrases.items() if phrase}


def _allowed(facts: Mapping[str, Any]) -> str | None:
    match facts:
        case {"enum": [*choices]}:
            *others, last = [str(choice) for choice in choices]
            return f"{', '.join(others)} or {last}" if others else last
        case {"minimum": low, "maximum": high}:
            return f"{low} to {high}"
        case {"minimum": low}:
            return f"{low} or more"
        case {"maxLength": high}:
            return f"{facts.get('minLength', 0)} to {high:,} characters"
        case {"type": "boolean"}:
            return "true or false"
    return None


def _field(loc: tuple[str | int, ...]) -> str:
    parts = loc[1:] if loc and loc[0] in _PLACES else loc
    return ".".join(str(part) for part in parts)[:_SHOWN_LENGTH] or "body"


def _sentence(field: str, error: Mapping[str, Any], allowed: str | None) -> str:
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "missing":
        return "missing, but required."
    if kind == "value_error":
        return str(context["error"])
    if kind == "json_invalid":
        return f"not valid JSON: {context.get('error', 'it cannot be read')}."
    given: JsonValue = error.get("input")
    if given == "":
        return f"empty; {_is_allowed(allowed)}" if allowed else "empty."
    complaint = _COMPLAINTS.get(kind)
    if complaint is None:
        return f"{shown(field, given)} is not possible: {error['msg']}."
    limit = allowed or (_LIMITS[kind](context) if kind in _LIMITS and context else None)
    value = shown(field, given)
    if isinstance(given, str) and kind.split("_")[0] in {"greater", "less"}:
        value = given.strip()  # A number from a form arrives as text; quotes would only distract.
    return f"{value} {complaint}; {_is_allowed(limit)}" if limit else f"{value} {complaint}."


def _is_allowed(phrase: str) -> str:
    return f"{phrase} {'are' if phrase.endswith('characters') else 'is'} allowed."
