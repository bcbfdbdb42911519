"""One input of a model: what it takes, and what is wrong with a value, in words."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from app.models import JsonValue

if TYPE_CHECKING:
    from jsonschema import FormatChecker, ValidationError
    from jsonschema.protocols import Validator

_LONGEST_QUOTE = 60
_RANGE = frozenset({"type", "minimum", "maximum"})
_TRUTHS = {
    "true": True,
    "on": True,
    "yes": True,
    "1": True,
    "false": False,
    "off": False,
    "no": False,
    "0": False,
}
_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


@dataclass(frozen=True, eq=False)
class InputField:
    """One input of a model. `rules` are the JSON Schema keywords that a value has to satisfy."""

    name: str
    type: str | None
    default: JsonValue
    description: str
    is_secret: bool
    rules: Mapping[str, JsonValue]
    validator: "Validator"

    @property
    def enum(self) -> tuple[JsonValue, ...]:
        """The values it can have; empty where it is not an enumeration."""
        choices = self.rules.get("enum")
        return tuple(choices) if isinstance(choices, list) else ()

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the greatest value, None where there is no bound."""
        return (
            number(self.rules.get("minimum", self.rules.get("exclusiveMinimum"))),
            number(self.rules.get("maximum", self.rules.get("exclusiveMaximum"))),
        )

    def coerced(self, value: JsonValue) -> JsonValue:
        """`value` in the field's own type where only its form differs ("28", "true"), else as it is."""
        if isinstance(value, str):
            return self._from_text(value)
        if isinstance(value, float) and self.type == "integer" and value.is_integer():
            return int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.type == "string":
            return _plain(value)
        return value

    def _from_text(self, text: str) -> JsonValue:
        plain = text.strip()
        if self.type == "integer" and re.fullmatch(r"[+-]?\d{1,18}(\.0+)?", plain, re.ASCII):
            return int(plain.partition(".")[0])
        if self.type == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", plain, re.ASCII):
            return float(plain)
        if self.type == "boolean":
            return _TRUTHS.get(plain.lower(), text)
        if self.type == "array":
            return [text]
        return text

    def complaint(self, value: JsonValue, *, model: str) -> str | None:
        """What is wrong with `value` as a sentence that names it and what `model` allows; None if nothing."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"{value} is not a number that {model} can take."
        if self._is_plainly_right(value):
            return None
        error = next(self.validator.iter_errors(value), None)
        return None if error is None else self._sentence(error, model)

    def _is_plainly_right(self, value: JsonValue) -> bool:
        """Whether a glance shows it, as it does for most prompts and seeds: the validator takes 30 us."""
        if isinstance(value, str):
            return self.type == "string" and self.rules.keys() == {"type"}
        if isinstance(value, int) and not isinstance(value, bool) and self.type in ("integer", "number"):
            low, high = self.bounds
            in_range = (low is None or low <= value) and (high is None or value <= high)
            return in_range and self.rules.keys() <= _RANGE
        return False

    def _sentence(self, error: "ValidationError", model: str) -> str:
        place = next((f"Item {at + 1}: " for at in error.path if isinstance(at, int)), "")
        shown = "the value" if self.is_secret else quoted(error.instance)
        match error.validator:
            case "type":
                wanted = _TYPE_NAMES.get(str(error.validator_value), str(error.validator_value))
                return f"{place}{shown} is not {wanted}, which is what {model} takes."
            case "enum":
                return f"{place}{shown} is not possible with {model}; it takes {listed(self.enum)}."
            case "minimum" | "exclusiveMinimum":
                return f"{place}{shown} is too low for {model}; it takes {self._range()}."
            case "maximum" | "exclusiveMaximum":
                return f"{place}{shown} is too high for {model}; it takes {self._range()}."
            case "multipleOf":
                return f"{place}{shown} is not possible with {model}; it takes {self._range()}."
            case "format":
                return f"{place}{shown} is not an address; {model} takes an http(s) or data: URL."
            case rule:
                return f"{place}{shown} is not taken by {model}: {rule} is {quoted(error.validator_value)}."

    def _range(self) -> str:
        low, high = (None if bound is None else _plain(bound) for bound in self.bounds)
        step = number(self.rules.get("multipleOf"))
        steps = "" if step is None else f"multiples of {_plain(step)}"
        if low is None and high is None:
            return steps
        if low is None or high is None:
            span = f"at most {high}" if low is None else f"{low} or more"
            return f"{steps}, {span}" if steps else span
        return f"{steps} from {low} to {high}" if steps else f"{low} to {high}"


def compiled(rules: Mapping[str, JsonValue]) -> "Validator":
    """A validator for `rules`. The first call imports jsonschema, which reads files."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(dict(rules), format_checker=_formats())


@lru_cache(maxsize=1)
def _formats() -> "FormatChecker":
    from jsonschema import FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("uri")(_looks_like_an_address)
    return formats


def quoted(value: object) -> str:
    """`value` for a sentence, cut short where it is long."""
    shown = repr(value[:_LONGEST_QUOTE] if isinstance(value, str) else value)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[: _LONGEST_QUOTE - 1]}…"


def listed(choices: Sequence[object]) -> str:
    """`a, b or c`."""
    words = [str(choice) for choice in choices]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _plain(value: float) -> str:
    return str(value).removesuffix(".0")


def _looks_like_an_address(value: object) -> bool:
    return not isinstance(value, str) or re.match(r"(https?://\S|data:\S)", value) is not None


def number(value: JsonValue) -> float | None:
    """`value` if it is a number, else None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
