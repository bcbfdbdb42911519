"""BFL's ways of saying no."""

import json
from collections.abc import Sequence

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.sandbox.problems import AnswerError

AZURE_DENIED = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to'
    " authenticate the request. Make sure the value of Authorization header is formed correctly including the"
    " signature.</Message><AuthenticationErrorDetail>Signature not valid in the specified time frame"
    "</AuthenticationErrorDetail></Error>"
)


class RefusalError(AnswerError):
    """A refusal with one sentence under `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(JSONResponse({"detail": detail}, status))


def not_authenticated() -> RefusalError:
    """403 for a missing or a wrong key; BFL has no 401."""
    return RefusalError(403, "Not authenticated")


def not_found() -> RefusalError:
    """404 for a path that there is not."""
    return RefusalError(404, "Not Found")


def of_http(error: Exception) -> RefusalError:
    """404 or 405 for what no route is there for."""
    if isinstance(error, HTTPException) and error.status_code != 404:
        return RefusalError(error.status_code, error.detail)
    return not_found()


def no_such_finetune() -> RefusalError:
    """404 for a fine-tune that there is not."""
    return RefusalError(404, "Finetune not found")


def no_credits() -> RefusalError:
    """402 for an empty account."""
    return RefusalError(402, "Insufficient credits. Add credits to your account to continue.")


def too_many_tasks(limit: int) -> RefusalError:
    """429 above the limit of active tasks; nothing says for how long."""
    return RefusalError(429, f"Rate limit exceeded: at most {limit} active tasks. Try again when one ends.")


def signature_not_valid() -> AnswerError:
    """403 for a result's address that has expired, in the words of the store behind it."""
    return AnswerError(Response(AZURE_DENIED, 403, media_type="application/xml"))


def invalid(
    location: Sequence[str | int], kind: str, message: str, given: object, context: str | None = None
) -> AnswerError:
    """422 about one member."""
    found: dict[str, object] = {"type": kind, "loc": list(location), "msg": message, "input": given}
    return _unprocessable([found if context is None else found | {"ctx": {"error": context}}])


def invalid_body(error: ValidationError) -> AnswerError:
    """422 about all that pydantic finds wrong with a body, as FastAPI shows it."""
    found = json.loads(error.json(include_url=False))
    return _unprocessable([{**entry, "loc": ["body", *entry["loc"]]} for entry in found])


def _unprocessable(detail: list[dict[str, object]]) -> AnswerError:
    return AnswerError(JSONResponse({"detail": detail}, 422))
