"""What the words in a failed run's `error` mean: why it failed, and whether a new run may do better."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.models import Failure, FailureCode
from app.services.provider_wire.secrecy import Scrubber


@dataclass(frozen=True, slots=True)
class _Row:
    """`pattern` in the error means `code`; it is worth `reruns`; `words`: the provider's own words help."""

    pattern: re.Pattern[str]
    code: FailureCode
    sentence: str
    reruns: int = 0
    words: bool = False


def _row(pattern: str, code: FailureCode, sentence: str, *, reruns: int = 0, words: bool = False) -> _Row:
    return _Row(re.compile(pattern, re.IGNORECASE), code, sentence, reruns, words)


_INTERRUPTED = "Replicate interrupted the run before it was done."
_TOO_LITTLE_MEMORY = (
    "The model ran out of memory. Ask for fewer outputs or smaller pictures;"
    " a training takes less with a smaller batch size or resolution."
)
_FLAGGED = "The safety filter withheld the pictures. Another prompt or another seed may pass."

# Texts as Replicate and the FLUX models write them; a random token in brackets may follow. Order matters:
# the code at the end of a sentence says more than the sentence.
_ROWS = (
    _row(r"\(code: PA\)|prediction interrupted", FailureCode.INTERRUPTED, _INTERRUPTED, reruns=2),
    _row(r"\bE9828\b", FailureCode.INTERRUPTED, _INTERRUPTED, reruns=2),
    _row(r"\bE8367\b", FailureCode.INTERRUPTED, "The run was stopped at Replicate.", reruns=1),
    _row(r"\bE6716\b", FailureCode.INTERRUPTED, "The model did not start in time.", reruns=1),
    _row(r"\bE9825\b", FailureCode.INTERRUPTED, "Replicate could not store the result.", reruns=1),
    _row(r"\bE1000\b", FailureCode.INTERRUPTED, "Replicate failed for an unknown reason.", reruns=1),
    _row(
        r"\bE004\b",
        FailureCode.PROVIDER_UNAVAILABLE,
        "The maker of the model does not answer at the moment.",
        reruns=2,
    ),
    _row(r"\bE8765\b", FailureCode.PROVIDER_UNAVAILABLE, "The model is out of order at Replicate."),
    _row(r"\bE005\b|flagged as sensitive|nsfw", FailureCode.CONTENT_MODERATED, _FLAGGED),
    _row(r"\bE1001\b|out of memory|OutOfMemoryError", FailureCode.OUT_OF_MEMORY, _TOO_LITTLE_MEMORY),
    _row(r"\bE006\b", FailureCode.PREDICTION_FAILED, "The model refused the input.", words=True),
    _row(
        r"\bE9243\b", FailureCode.PREDICTION_FAILED, "The model could not start with this input.", words=True
    ),
    _row(
        r"\.safetensors file found|weights not found|failed to download|download weights failed",
        FailureCode.PREDICTION_FAILED,
        "The model could not fetch what the request refers to. Check extra_lora.",
        words=True,
    ),
    _row(
        r"input_images must be|not a zip file|badzipfile|no (?:images|image files) (?:were )?found",
        FailureCode.TRAINING_SET_REFUSED,
        "The trainer refused the training set.",
        words=True,
    ),
)
_OTHERWISE = _row("", FailureCode.PREDICTION_FAILED, "The run failed at Replicate.", words=True)


def failure_of(error: object, scrub: Scrubber, secrets: Iterable[str] = ()) -> tuple[Failure, int]:
    """Why the run failed, and how many new runs of the same order that is worth."""
    text = error if isinstance(error, str) else ""
    row = next((row for row in _ROWS if row.pattern.search(text)), _OTHERWISE)
    said = scrub.words(text, secrets) if row.words else ""
    detail = f"{row.sentence} It says: {said}" if said else row.sentence
    return Failure(row.code, detail), row.reruns
