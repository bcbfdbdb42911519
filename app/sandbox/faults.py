"""Words that make the sandbox fail in a chosen way, in the manner of a payment sandbox's magic numbers."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.sandbox.problems import InvalidField, invalid_input

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 79.11 GiB of which"
    " 1.29 GiB is free."
)
INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
FLAGGED = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
ALL_MODERATED = "All generated images contained NSFW content. Try running it again with a different prompt."
FAILED = "An unexpected error occurred while running the model (E1000)"

SLOW_START_SECONDS = 60.0
REASONING_SECONDS = 60.0
LOST_ANSWER_SECONDS = 120.0
THROTTLED_TIMES = 2
MOVED_TIMES = 2
RETRY_AFTER_SECONDS = 5


class Fault(StrEnum):
    """What may stand behind `sandbox:` in a prompt; docs/sandbox.md has the table.

    Both providers know all of them; one that makes no sense at a provider is without effect there.
    """

    MODERATED = "moderated"
    PARTLY_MODERATED = "partly-moderated"
    FLAGGED = "flagged"
    FAILED = "failed"
    FAILED_UNAVAILABLE = "failed-unavailable"
    OUT_OF_MEMORY = "out-of-memory"
    INTERRUPTED = "interrupted"
    ALWAYS_INTERRUPTED = "always-interrupted"
    SLOW_START = "slow-start"
    REASONING = "reasoning"
    ABORTED = "aborted"
    NO_CREDIT = "no-credit"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    BAD_GATEWAY = "bad-gateway"
    BAD_GATEWAY_AFTER = "bad-gateway-after"
    LOST_ANSWER = "lost-answer"
    LOST_TASK = "lost-task"
    MOVED = "moved"
    TRUNCATED = "truncated"
    EXPIRED = "expired"
    DATA_URI = "data-uri"
    HTML = "html"


COUNTED = frozenset(
    {
        Fault.INTERRUPTED,
        Fault.THROTTLED,
        Fault.SERVER_ERROR,
        Fault.BAD_GATEWAY,
        Fault.BAD_GATEWAY_AFTER,
        Fault.HTML,
    }
)
"""Faults that pass when an equal input is sent again."""

ERRORS = {
    Fault.MODERATED: ALL_MODERATED,
    Fault.FLAGGED: FLAGGED,
    Fault.FAILED: FAILED,
    Fault.OUT_OF_MEMORY: OUT_OF_MEMORY,
    Fault.INTERRUPTED: INTERRUPTED,
    Fault.ALWAYS_INTERRUPTED: INTERRUPTED,
}
"""What a run says that fails in this way."""

_WORD = re.compile(r"\bsandbox:([a-z][a-z-]*)", re.IGNORECASE)


@dataclass(frozen=True)
class UnknownWord:
    """A word behind `sandbox:` that means nothing, where it was, and a sentence about it."""

    field: str
    description: str


def words_in(texts: Mapping[str, object]) -> tuple[frozenset[Fault], list[UnknownWord]]:
    """The faults that are asked for in the values of `texts`, and the words that are none."""
    found: set[Fault] = set()
    unknown: list[UnknownWord] = []
    for name, text in texts.items():
        if not isinstance(text, str):
            continue
        for word in _WORD.findall(text):
            try:
                found.add(Fault(word.lower()))
            except ValueError:
                known = ", ".join(f"sandbox:{fault}" for fault in Fault)
                unknown.append(UnknownWord(name, f"sandbox:{word} is not known; the sandbox knows {known}"))
    return frozenset(found), unknown


def faults_in(texts: Mapping[str, object]) -> frozenset[Fault]:
    """The faults that are asked for in an input at Replicate; an unknown one is a 422 with their names."""
    found, unknown = words_in(texts)
    if unknown:
        raise invalid_input(
            [InvalidField("sandbox", f"input.{word.field}", word.description) for word in unknown]
        )
    return found


def counter_name(fault: Fault, target: Iterable[str], given: Mapping[str, object]) -> str:
    """The name of the counter of equal inputs to an equal target."""
    text = json.dumps([*target, given], sort_keys=True)
    return f"{fault}:{hashlib.sha256(text.encode()).hexdigest()}"
