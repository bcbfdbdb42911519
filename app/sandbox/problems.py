"""Replicate's ways of saying no, in the words that were seen on its wire."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response


class AnswerError(Exception):
    """Ends a request with the response it carries."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"answered with {response.status_code}")
        self.response = response


class ProblemError(AnswerError):
    """A refusal with a JSON body; `members` come beside `detail` and `status`, `title` first."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        body: dict[str, object] = {} if title is None else {"title": title}
        body |= {"detail": detail, "status": status, **members}
        super().__init__(JSONResponse(body, status, headers, media_type="application/problem+json"))


@dataclass(frozen=True)
class InvalidField:
    """One entry of `invalid_fields`."""

    type: str
    field: str
    description: str


def invalid_input(fields: Sequence[InvalidField]) -> ProblemError:
    """422 for a body or an input that does not fit its schema."""
    return ProblemError(
        422,
        "".join(f"- {field.field}: {field.description}\n" for field in fields),
        title="Input validation failed",
        invalid_fields=[asdict(field) for field in fields],
    )


def not_found() -> ProblemError:
    """404 for whatever is not there."""
    return ProblemError(404, "The requested resource could not be found.")


def unauthenticated() -> ProblemError:
    """401 for a missing or a wrong token."""
    return ProblemError(401, "You did not pass a valid authentication token", title="Unauthenticated")


def forbidden(detail: str) -> ProblemError:
    """403 for what belongs to somebody else; Replicate documents no body for it."""
    return ProblemError(403, detail, title="Forbidden")


def no_such_version() -> ProblemError:
    """422 for a version that does not exist or may not be run in this way."""
    return ProblemError(
        422,
        "The specified version does not exist (or perhaps you don't have permission to use it?)",
        title="Invalid version or not permitted",
    )


def no_credit() -> ProblemError:
    """402 for an empty account."""
    return ProblemError(
        402,
        "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing"
        " to purchase credit. Once you purchase credit, please wait a few minutes before trying again.",
        title="Insufficient credit",
    )


def low_credit_throttle(seconds: int) -> ProblemError:
    """429 as accounts with little credit get it; try again after `seconds`."""
    return ProblemError(
        429,
        "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute"
        " with a burst of 1 requests while you have less than $5.0 in credit."
        f" Your rate limit resets in ~{seconds}s.",
        headers={"Retry-After": str(seconds)},
        retry_after=seconds,
    )


def throttled(seconds: int) -> AnswerError:
    """429 as every account gets it above its rate limit; the documented form has no other member."""
    body = {"detail": f"Request was throttled. Your rate limit resets in ~{seconds}s."}
    return AnswerError(JSONResponse(body, 429, {"Retry-After": str(seconds)}))


def edge_page(status: int, heading: str) -> AnswerError:
    """An HTML page, as the network edge in front of the API sends it."""
    return AnswerError(
        HTMLResponse(
            f"<!DOCTYPE html>\n<html>\n<head><title>{heading}</title></head>\n"
            f"<body><center><h1>{heading}</h1></center><hr><center>cloudflare</center></body>\n</html>\n",
            status,
        )
    )


async def answer(request: Request, error: Exception) -> Response:
    """Starlette's handler for `AnswerError`."""
    assert isinstance(error, AnswerError)  # noqa: S101 -- registered for nothing else
    return error.response
