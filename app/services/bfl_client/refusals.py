"""What BFL's error answers mean: the one place where its statuses become our errors."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from app.errors import FieldError, ProviderRefusedError
from app.models import FailureCode
from app.services.provider_wire.answers import Answer, json_of
from app.services.provider_wire.secrecy import Scrubber

NO_KEY = "Set BFL_API_KEY to use the models of Black Forest Labs."
KEY_REFUSED = "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."
_NO_CREDITS = (
    "The credits of this service's account at Black Forest Labs are used up. Its operator has to add some."
)
_INPUT_AT_FAULT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_LONGEST_VALUE = 60

OUR_NAMES = {"guidance": "guidance_scale", "steps": "num_inference_steps"}
"""What callers call the inputs of generations that have another name at BFL."""


def key_error(detail: str) -> ProviderRefusedError:
    """The error for a key that is missing or of no use."""
    return ProviderRefusedError(
        detail,
        failure_code=FailureCode.PROVIDER_TOKEN_REFUSED,
        upstream_status=HTTPStatus.FORBIDDEN,
    )


def unknown_run(upstream_id: str) -> ProviderRefusedError:
    """The error for a task that BFL does not know, or does not know any more."""
    return ProviderRefusedError(
        f"Black Forest Labs knows no task {upstream_id[:100]!r}.",
        failure_code=FailureCode.PROVIDER_REFUSED,
        upstream_status=HTTPStatus.NOT_FOUND,
    )


def refusal(answer: Answer, scrub: Scrubber, names: Mapping[str, str] | None = None) -> ProviderRefusedError:
    """The error for an answer by which BFL declines; `names` says what callers call its fields."""
    status = answer.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return key_error(KEY_REFUSED)
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return ProviderRefusedError(
            _NO_CREDITS, failure_code=FailureCode.PROVIDER_OUT_OF_CREDIT, upstream_status=status
        )
    if answer.is_redirect:
        return ProviderRefusedError(
            "The address of Black Forest Labs answered with a redirect. Check BFL_BASE_URL.",
            failure_code=FailureCode.PROVIDER_REFUSED,
            upstream_status=status,
        )
    body = json_of(answer)
    members = body if isinstance(body, dict) else {}
    errors = tuple(_field_errors(members.get("detail"), scrub, names or {}))
    said = " ".join(f"{e.field}: {e.message}" for e in errors) or scrub.words(_said(members))
    at_fault = status in _INPUT_AT_FAULT
    what = "the input" if at_fault else f"the request with status {status}"
    return ProviderRefusedError(
        f"Black Forest Labs refused {what}. {said}".rstrip(),
        failure_code=FailureCode.INPUT_REFUSED if at_fault else FailureCode.PROVIDER_REFUSED,
        upstream_status=status,
        errors=errors,
    )


def _field_errors(detail: object, scrub: Scrubber, names: Mapping[str, str]) -> Iterator[FieldError]:
    """The list that FastAPI shows under `detail`, with the names that callers know."""
    for entry in detail if isinstance(detail, list) else []:
        if not isinstance(entry, dict):
            continue
        place = entry.get("loc")
        parts = [part for part in place if isinstance(part, str)] if isinstance(place, list) else []
        field = next((part for part in parts if part not in ("body", "query")), "input")
        message = scrub.words(str(entry.get("msg") or "is not valid")).rstrip(".")
        yield FieldError(names.get(field, field), f"{_shown(entry.get('input'), scrub)}{message}.")


def _shown(value: object, scrub: Scrubber) -> str:
    """The refused value in front of a message, where it is short enough to be of help."""
    if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST_VALUE):
        return f"{scrub(repr(value))} was refused: "
    return ""


def _said(members: Mapping[str, object]) -> str:
    """The sentence in an answer: `detail` is documented, the others are known from hearsay."""
    for name in ("detail", "message", "error"):
        said = members.get(name)
        if isinstance(said, str) and said.strip():
            return said
    return ""
