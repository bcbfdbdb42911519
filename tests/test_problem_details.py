"""One shape for every error."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query
from starlette.types import ASGIApp, Receive, Scope, Send

from app import errors
from app.errors import AppError, FieldError, InvalidRequestError, JobFailedError, UnauthenticatedError
from app.models import FailureCode
from app.problem_details import HTTP_CODES, add_problem_details
from app.request_ids import REQUEST_ID, RequestIds

ERRORS_PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"


class Stumbling:
    """Middleware that fails for one path, before anything that could handle it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/stumble":
            raise LookupError("secret of the middleware")
        await self._app(scope, receive, send)


@pytest.fixture
async def failing() -> AsyncIterator[httpx.AsyncClient]:
    """An app whose routes fail in every way."""
    app = FastAPI()
    add_problem_details(app)
    raised: dict[str, Exception] = {
        "expected": InvalidRequestError([FieldError("width", "99 is too small.")]),
        "unauthenticated": UnauthenticatedError("Who are you?"),
        "job": JobFailedError("4f1c", "canceled", "Somebody stopped it."),
        "later": AppError("Later.", retry_after=timedelta(milliseconds=1)),
        "half": AppError("half a character: \ud83e"),
        "teapot": HTTPException(418, "I am one."),
        "unexpected": ZeroDivisionError("secret of the inside"),
    }

    @app.get("/fail/{how}")
    async def fail(how: str) -> None:
        raise raised[how]

    @app.get("/ask")
    async def ask(limit: Annotated[int, Query(le=5)], api_key: Annotated[str, Query(min_length=9)]) -> str:
        return REQUEST_ID.get()

    @app.get("/id")
    async def tell() -> str:
        return REQUEST_ID.get()

    app.add_middleware(Stumbling)
    app.add_middleware(RequestIds)
    way_in = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=way_in, base_url="http://fluxgate") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fail/expected", 422, "invalid_request"),
        ("/fail/unauthenticated", 401, "unauthenticated"),
        ("/fail/job", 409, "canceled"),
        ("/fail/later", 500, "internal_error"),
        ("/fail/half", 500, "internal_error"),
        ("/fail/teapot", 418, "request_refused"),
        ("/fail/unexpected", 500, "internal_error"),
        ("/stumble", 500, "internal_error"),
        ("/ask", 422, "invalid_request"),
        ("/nowhere", 404, "not_found"),
    ],
)
async def test_every_error_has_the_same_shape(
    failing: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await failing.get(path, headers={"X-Request-ID": "mine-1"})

    body = response.json()
    assert response.status_code == body["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get_list("X-Request-ID") == ["mine-1"]
    assert body["request_id"] == "mine-1"
    assert body["code"] == code
    assert body["type"] == f"urn:fluxgate:error:{code}"
    assert body["title"]
    assert body["detail"]
    assert set(body) <= {
        *("type", "title", "status", "detail", "code", "request_id", "errors", "job_id"),
    }


@pytest.mark.parametrize("path", ["/fail/unexpected", "/stumble"])
async def test_the_unexpected_is_told_to_the_log_alone(
    failing: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    response = await failing.get(path, headers={"X-Request-ID": "mine-1"})

    assert "secret" not in response.text
    assert "Error" not in response.text
    assert "mine-1" in caplog.text
    assert "secret of the" in caplog.text


async def test_the_method_that_is_possible_is_named(failing: httpx.AsyncClient) -> None:
    response = await failing.post("/id")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"
    assert response.json()["detail"] == "POST is not possible at '/id'; possible is GET."
    assert response.json()["code"] == "method_not_allowed"


async def test_who_has_to_log_in_is_told_how(failing: httpx.AsyncClient) -> None:
    assert (await failing.get("/fail/unauthenticated")).headers["WWW-Authenticate"] == "Bearer"


async def test_a_wait_is_at_least_a_second(failing: httpx.AsyncClient) -> None:
    assert (await failing.get("/fail/later")).headers["Retry-After"] == "1"


async def test_a_failed_job_is_named(failing: httpx.AsyncClient) -> None:
    assert (await failing.get("/fail/job")).json()["job_id"] == "4f1c"


async def test_field_errors_are_listed_without_secrets(failing: httpx.AsyncClient) -> None:
    response = await failing.get("/ask?limit=6&api_key=hidden")

    assert response.json()["errors"] == [
        {"field": "limit", "message": "6 is too large; at most 5 is allowed."},
        {
            "field": "api_key",
            "message": "the value given is too short; at least 9 characters are allowed.",
        },
    ]


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "a\tb", "ä"])
async def test_an_insane_request_id_is_replaced(failing: httpx.AsyncClient, given: str) -> None:
    response = await failing.get("/id", headers=[(b"X-Request-ID", given.encode())])

    assert re.fullmatch("[0-9a-f]{24}", response.headers["X-Request-ID"])
    assert response.json() == response.headers["X-Request-ID"]


async def test_each_request_has_its_own_id(failing: httpx.AsyncClient) -> None:
    first, second = [(await failing.get("/id")).json() for _ in range(2)]

    assert first != second


def test_every_error_code_is_documented_and_no_other() -> None:
    def tree(error: type[AppError]) -> Iterator[type[AppError]]:
        yield error
        for below in error.__subclasses__():
            yield from tree(below)

    expected: dict[str, set[int]] = {}
    for error in tree(AppError):
        if error.__module__ == errors.__name__ and error is not JobFailedError:
            expected.setdefault(error.code, set()).add(error.status_code)
    for code in FailureCode:
        expected.setdefault(code.value, set()).add(JobFailedError("", code.value, "").status_code)
    for status, (code_of_status, _) in HTTP_CODES.items():
        expected.setdefault(code_of_status, set()).add(status)

    documented: dict[str, set[int]] = {}
    page = ERRORS_PAGE.read_text(encoding="utf-8")
    rows: list[tuple[str, str]] = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|", page, re.MULTILINE)
    for code_in_row, statuses in rows:
        assert code_in_row not in documented
        documented[code_in_row] = {int(status) for status in statuses.split(",")}
    documented.pop("request_refused")  # Whatever else the web framework refuses, under its own status.
    assert documented == expected
