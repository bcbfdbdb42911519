"""Words that make the sandbox fail in a chosen way, in the manner of a payment sandbox's magic numbers."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
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
LOST_ANSWER_SECONDS = 120.0
THROTTLED_TIMES = 2
RETRY_AFTER_SECONDS = 5


class Fault(StrEnum):
    """What may stand behind `sandbox:` in a prompt; docs/sandbox.md has the table."""

    MODERATED = "moderated"
    PARTLY_MODERATED = "partly-moderated"
    FLAGGED = "flagged"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    INTERRUPTED = "interrupted"
    ALWAYS_INTERRUPTED = "always-interrupted"
    SLOW_START = "slow-start"
    ABORTED = "aborted"
    NO_CREDIT = "no-credit"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    BAD_GATEWAY = "bad-gateway"
    BAD_GATEWAY_AFTER = "bad-gateway-after"
    LOST_ANSWER = "lost-answer"
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


def faults_in(texts: Mapping[str, object]) -> frozenset[Fault]:
    """The faults that are asked for in the values of `texts`; an unknown one is a 422 with their names."""
    found: set[Fault] = set()
    wrong: list[InvalidField] = []
    for name, text in texts.items():
        if not isinstance(text, str):
            continue
        for word in _WORD.findall(text):
            try:
                found.add(Fault(word.lower()))
            except ValueError:
                known = ", ".join(f"sandbox:{fault}" for fault in Fault)
                wrong.append(
                    InvalidField(
                        "sandbox", f"input.{name}", f"sandbox:{word} is not known; the sandbox knows {known}"
                    )
                )
    if wrong:
        raise invalid_input(wrong)
    return frozenset(found)


def counter_name(fault: Fault, target: Iterable[str], given: Mapping[str, object]) -> str:
    """The name of the counter of equal inputs to an equal target."""
    text = json.dumps([*target, given], sort_keys=True)
    return f"{fault}:{hashlib.sha256(text.encode()).hexdigest()}"
