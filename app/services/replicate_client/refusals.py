"""What Replicate's error answers mean: the one place where its statuses become our errors."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus

from app.errors import FieldError, ProviderRefusedError
from app.models import FailureCode
from app.services.provider_wire.answers import Answer, json_of, pause_of, retry_after_header
from app.services.provider_wire.secrecy import Scrubber

TOKEN_REFUSED = "Replicate refused the service's API token. Set a valid REPLICATE_API_TOKEN."  # noqa: S105
NO_TOKEN = "Set REPLICATE_API_TOKEN, or SANDBOX=on to try the service without one."  # noqa: S105
_NO_MORE_WORK = (
    "Replicate takes no more work from this service at present."
    " Its operator has to look at the Replicate account."
)
_RESETS_IN = re.compile(r"resets in ~(\d+)\s*s", re.IGNORECASE)
_REQUIRED = re.compile(r"^(\w+) is required$")

_INPUT_AT_FAULT = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)

_SENTENCES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Replicate does not allow this service's token to do that.",
    HTTPStatus.NOT_FOUND: "Replicate does not know what was asked for.",
    HTTPStatus.CONFLICT: "Replicate says that the request contradicts what is already there.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The upload is larger than Replicate takes.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Replicate refused the input.",
}


def refusal(answer: Answer, scrub: Scrubber, secrets: Iterable[str] = ()) -> ProviderRefusedError:
    """The error for an answer by which Replicate declines, in words that may be shown to the caller."""
    status = answer.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        return ProviderRefusedError(
            TOKEN_REFUSED, failure_code=FailureCode.PROVIDER_TOKEN_REFUSED, upstream_status=status
        )
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return ProviderRefusedError(
            _NO_MORE_WORK, failure_code=FailureCode.PROVIDER_OUT_OF_CREDIT, upstream_status=status
        )
    if answer.is_redirect:
        return ProviderRefusedError(
            "Replicate's address answered with a redirect. Check REPLICATE_BASE_URL.",
            failure_code=FailureCode.PROVIDER_REFUSED,
            upstream_status=status,
        )
    body = json_of(answer)
    members = body if isinstance(body, dict) else {}
    errors = _field_errors(members.get("invalid_fields"), scrub, secrets)
    sentence = _SENTENCES.get(status, f"Replicate refused the request with status {status}.")
    said = " ".join(f"{e.field}: {e.message}." for e in errors) or _said(members, scrub, secrets)
    return ProviderRefusedError(
        f"{sentence} {said}".rstrip(),
        failure_code=FailureCode.INPUT_REFUSED if status in _INPUT_AT_FAULT else FailureCode.PROVIDER_REFUSED,
        upstream_status=status,
        errors=errors,
    )


def retry_after(answer: Answer, now: datetime) -> timedelta | None:
    """How long Replicate asks us to wait, at most five minutes; None where it does not say.

    It is said in a header (seconds or a date), in the body's `retry_after`, or only in its sentence.
    """
    seconds = retry_after_header(answer, now)
    if seconds is None:
        body = json_of(answer)
        seconds = _from_body(body if isinstance(body, dict) else {})
    return pause_of(seconds)


def _from_body(members: dict[str, object]) -> float | None:
    given = members.get("retry_after")
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(min(given, 1_000_000))
    found = _RESETS_IN.search(str(members.get("detail", "")))
    return float(found[1]) if found else None


def _field_errors(invalid_fields: object, scrub: Scrubber, secrets: Iterable[str]) -> tuple[FieldError, ...]:
    """Replicate's `invalid_fields` with the names the caller knows: without `input.` in front."""
    errors = []
    for entry in invalid_fields if isinstance(invalid_fields, list) else []:
        if not isinstance(entry, dict):
            continue
        message = scrub.words(str(entry.get("description") or "is not valid"), secrets).rstrip(".")
        field = str(entry.get("field") or "").removeprefix("input.")
        # What is missing is reported on its parent: field "input", "prompt is required".
        if field in ("", "input") and (missing := _REQUIRED.match(message)):
            field, message = missing[1], "is required"
        errors.append(FieldError(field or "input", message))
    return tuple(errors)


def _said(members: dict[str, object], scrub: Scrubber, secrets: Iterable[str]) -> str:
    for name in ("detail", "title"):
        said = members.get(name)
        if isinstance(said, str) and said.strip():
            return scrub.words(said, secrets)
    return ""
