"""Errors as `application/problem+json` (RFC 9457), the same shape whatever went wrong."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.errors import (
    AccessDeniedError,
    AppError,
    FieldError,
    InvalidRequestError,
    PayloadTooLargeError,
    ProviderAnswerLostError,
    ProviderUnavailableError,
    UnauthenticatedError,
)
from app.field_errors import field_errors
from app.models import JsonValue

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

HTTP_CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "The method is not possible here"),
    413: ("payload_too_large", "The upload is too large"),
    415: ("unsupported_media_type", "The kind of body is not accepted"),
    416: ("range_not_satisfiable", "The part asked for does not exist"),
}
"""Code and title of what the web framework itself turns away."""


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    job_id: str | None = None,
    report: Mapping[str, object] | None = None,
    provider_details: object = None,
    retry_after: timedelta | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that failed."""
    body: dict[str, object] = {**_body(status, code, title, detail, request_id(request), errors, job_id)}
    if report is not None:
        body["report"] = report
    if provider_details is not None:
        body["provider_details"] = provider_details
    all_headers = dict(headers or {})
    if retry_after is not None:
        all_headers["Retry-After"] = str(max(1, math.ceil(retry_after.total_seconds())))
    # A value that came in may hold half a character; it must not break the answer about it.
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=all_headers)


def request_id(request: Request) -> str | None:
    """The id of the request, None where no middleware has given it one."""
    found: str | None = request.scope.get("state", {}).get("request_id")
    return found


def problems(*answers: int | AppError) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may fail like this, for the API description.

    An error stands for its status, and is the example; a bare status has an example that fits any route.
    """
    described: dict[int | str, dict[str, Any]] = {}
    for answer in answers:
        status = answer if isinstance(answer, int) else answer.status_code
        example = _TYPICAL[answer] if isinstance(answer, int) else _body_of(answer, request_id=_EXAMPLE_ID)
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
        described[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: content},
        }
    return described


def _body(
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str | None,
    errors: Sequence[FieldError] = (),
    job_id: str | None = None,
) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = {
        "type": f"urn:fluxgate:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    if job_id is not None:
        body["job_id"] = job_id
    return body


def _body_of(error: AppError, *, request_id: str) -> dict[str, JsonValue]:
    return _body(
        error.status_code, error.code, error.title, error.detail, request_id, error.errors, error.job_id
    )


_EXAMPLE_ID = "9d1c0f6ab27e4d53a8c4e1f0"
_TYPICAL: Mapping[int, Mapping[str, JsonValue]] = {
    **{
        status: _body(status, *HTTP_CODES[status], detail, _EXAMPLE_ID)
        for status, detail in {
            415: "A body of the kind 'text/plain' is not accepted; send application/x-www-form-urlencoded, "
            "multipart/form-data or application/json, and say so in Content-Type.",
            416: "The range 'bytes=90000-' lies behind the end. The picture has 48213 bytes.",
        }.items()
    },
    **{
        error.status_code: _body_of(error, request_id=_EXAMPLE_ID)
        for error in (
            UnauthenticatedError("Send the API key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'."),
            AccessDeniedError(
                "Without an API key only programs on this machine are served, and this is a request from "
                "192.0.2.7. Set API_KEY, and send it with each request, or set ALLOW_OPEN=true to serve "
                "everybody."
            ),
            PayloadTooLargeError("The body has more than 1,048,576 bytes, the most that is taken here."),
            InvalidRequestError([FieldError("limit", "500 is too large; 1 to 100 is allowed.")]),
            ProviderAnswerLostError("Replicate's answer made no sense; the run may have started."),
            ProviderUnavailableError("Replicate cannot be reached at the moment."),
        )
    },
}


def add_problem_details(app: FastAPI) -> None:
    """Let every error that `app` can produce be answered as a problem."""

    @app.exception_handler(AppError)
    async def _app_error(request: Request, exc: AppError) -> Response:
        if exc.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning(
                "%s %s: %r (%s, request %s, job %s)",
                *(request.method, request.url.path, exc.detail, exc.code, request_id(request), exc.job_id),
            )
        return app_problem(request, exc)

    @app.exception_handler(RequestValidationError)
    async def _not_valid(request: Request, exc: RequestValidationError) -> Response:
        return app_problem(request, InvalidRequestError(field_errors(exc.errors())))

    @app.exception_handler(HTTPException)
    async def _turned_away(request: Request, exc: HTTPException) -> Response:
        code, title = HTTP_CODES.get(exc.status_code, ("request_refused", HTTPStatus(exc.status_code).phrase))
        return problem(
            request,
            status=exc.status_code,
            code=code,
            title=title,
            detail=_detail(request, exc),
            headers=exc.headers,
        )

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, exc: ClientDisconnect) -> Response:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # Nobody is there to read it.

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, exc: Exception) -> Response:
        known = request_id(request)
        logger.error("%s %s failed (request %s)", request.method, request.url.path, known, exc_info=exc)
        return problem(
            request,
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            code=AppError.code,
            title=AppError.title,
            detail="Something went wrong inside the service; its log tells more under the request id.",
            # This answer is made outside all middleware, where nothing else adds the id.
            headers={"X-Request-ID": known} if known else None,
        )


def app_problem(request: Request, exc: AppError) -> Response:
    """The answer to an expected failure."""
    return problem(
        request,
        status=exc.status_code,
        code=exc.code,
        title=exc.title,
        detail=exc.detail,
        errors=exc.errors,
        job_id=exc.job_id,
        report=exc.report if isinstance(exc, InvalidRequestError) else None,
        provider_details=exc.provider_details,
        retry_after=exc.retry_after,
        headers={"WWW-Authenticate": exc.challenge} if isinstance(exc, UnauthenticatedError) else None,
    )


def _detail(request: Request, exc: HTTPException) -> str:
    path = request.url.path[:200]
    if exc.detail != HTTPStatus(exc.status_code).phrase:
        return exc.detail
    match exc.status_code:
        case HTTPStatus.NOT_FOUND:
            return f"There is nothing at {path!r}; /docs lists what there is."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            possible = (exc.headers or {}).get("Allow", "another method")
            return f"{request.method} is not possible at {path!r}; possible is {possible}."
    return f"The request was refused: {exc.detail}."
