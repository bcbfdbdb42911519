"""Forms and JSON, read alike."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import Field

from app.problem_details import add_problem_details
from app.request_bodies import BODY_LIMIT, body_of
from app.schemas.bodies import OpenBody

JSON = {"Content-Type": "application/json"}
MORE_JSON = {"Content-Type": "application/vnd.x+json; charset=utf-8"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORM_IN_UTF8 = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
NULL_BYTE = "the text holds a null byte, which is not allowed."
NOT_JSON = "The body is not valid JSON: "
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=xx"}


class Order(OpenBody):
    """A body to read."""

    name: str = Field(min_length=1)
    count: int | None = Field(default=None, ge=1, le=9)


@pytest.fixture
async def reader() -> AsyncIterator[httpx.AsyncClient]:
    """An app that gives back what it has read."""
    app = FastAPI()
    add_problem_details(app)

    @app.post("/")
    async def read(body: Annotated[Order, Depends(body_of(Order))]) -> Mapping[str, object]:
        return body.given(without=frozenset())

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://fluxgate"
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, b"name=caf%C3%A9&count=3&more=x"),
        (FORM, "name=café&count=3&more=x".encode()),
        (
            FORM_IN_UTF8,
            b"name=caf%c3%a9&count=3&more=x",
        ),
        (JSON, '{"name": "café", "count": 3, "more": "x"}'.encode()),
        (JSON, b'\xef\xbb\xbf{"name": "caf\\u00e9", "count": "3", "more": "x"}'),
        (
            MORE_JSON,
            '{"name":"café","count":3,"more":"x"}'.encode(),
        ),
        (
            BOUNDARY,
            "".join(
                f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in {"name": "café", "count": "3", "more": "x"}.items()
            ).encode()
            + b"--xx--\r\n",
        ),
    ],
)
async def test_every_kind_of_body_reads_the_same(
    reader: httpx.AsyncClient, headers: dict[str, str], body: bytes
) -> None:
    response = await reader.post("/", content=body, headers=headers)

    assert response.json() == {"name": "café", "count": 3, "more": "x"}


@pytest.mark.parametrize(
    ("headers", "body", "sentence"),
    [
        (JSON, b"", NOT_JSON + "EOF while parsing a value at line 1 column 0."),
        (JSON, b'{"name": ', NOT_JSON + "EOF while parsing a value at line 1 column 9."),
        (JSON, b"[1]", "The body must be a JSON object, with the fields by their names."),
        (JSON, b'"name"', "The body must be a JSON object, with the fields by their names."),
        (JSON, b'{"name": NaN}', NOT_JSON + "expected value at line 1 column 10."),
        (
            JSON,
            b'{"name": "\xff"}',
            NOT_JSON + "invalid unicode code point at line 1 column 11.",
        ),
        (
            JSON,
            b'{"name": "\\ud800"}',
            NOT_JSON + "unexpected end of hex escape at line 1 column 17.",
        ),
        (JSON, b'{"name": "x", "size": 1e999}', "size: inf is not a finite number."),
        (
            JSON,
            b'{"name": "x", "list": [["a\\u0000"]]}',
            "list: the text holds a null byte, which is not allowed.",
        ),
        (JSON, b'{"name": "x", "a\\u0000": 1}', "a\0: this is not a possible name of a field."),
        (JSON, b'{"name": "x", "count": {}}', "count: {} is not a whole number; 1 to 9 is allowed."),
        (JSON, b'{"name": 5}', "name: 5 is not text."),
        (JSON, b'{"name": null}', "name: null is not text."),
        (FORM, b"name=%FF", "The form's text is not valid UTF-8."),
        (FORM, b"name=\xff", "The form's text is not valid UTF-8."),
        (FORM, b"name=%ED%A0%80", "The form's text is not valid UTF-8."),
        (FORM, b"name=a%00b", "name: " + NULL_BYTE),
        (FORM, b"name=a&name=b", "name: given more than once; only one value is possible."),
        (FORM, b"&".join(b"f%d=1" % number for number in range(300)), "The form has more than 200 fields."),
        (BOUNDARY, b"nothing of the kind", "The form cannot be read: Invalid multipart data."),
        (
            {"Content-Type": "multipart/form-data"},
            b"--xx",
            "The form cannot be read: Missing boundary in multipart.",
        ),
        (
            BOUNDARY,
            b'--xx\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--xx--\r\n',
            "The form's text is not valid UTF-8.",
        ),
        (
            BOUNDARY,
            b'--xx\r\nContent-Disposition: form-data; name="name"; filename="x"\r\n\r\na\r\n--xx--\r\n',
            "name: a file, but text is wanted.",
        ),
    ],
)
async def test_what_cannot_be_read_is_explained(
    reader: httpx.AsyncClient, headers: dict[str, str], body: bytes, sentence: str
) -> None:
    response = await reader.post("/", content=body, headers=headers)

    assert response.status_code == 422
    assert response.json()["detail"] == sentence


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"name": "x", "a": ' + b'{"a":' * 100_000, b'{"name": ' + b"9" * 10_000 + b"}"]
)
async def test_json_that_attacks_the_parser_is_refused(reader: httpx.AsyncClient, body: bytes) -> None:
    assert (await reader.post("/", content=body, headers=JSON)).status_code == 422


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "nonsense", "application/json-seq"])
async def test_other_kinds_of_body_are_not_accepted(reader: httpx.AsyncClient, kind: str) -> None:
    response = await reader.post("/", content=b"name=x", headers={"Content-Type": kind})

    assert response.status_code == 415
    assert kind in response.json()["detail"]
    assert response.json()["code"] == "unsupported_media_type"


async def test_a_body_of_no_kind_is_not_accepted(reader: httpx.AsyncClient) -> None:
    assert (await reader.post("/", content=b"name=x")).status_code == 415


@pytest.mark.parametrize("headers", [JSON, FORM, BOUNDARY])
async def test_a_body_that_is_too_large_is_refused_by_its_announcement(
    reader: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await reader.post("/", content=b"x" * (BODY_LIMIT + 1), headers=headers)

    assert response.status_code == 413
    assert response.json()["code"] == "payload_too_large"


@pytest.mark.parametrize("headers", [JSON, FORM, BOUNDARY])
async def test_a_body_that_is_too_large_is_refused_while_it_comes(
    reader: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--xx\r\nContent-Disposition: form-data; name="name"; filename="x"\r\n\r\n'
        for _ in range(1000):
            sent += 1
            yield bytes(65536)

    response = await reader.post("/", content=chunks(), headers=headers)

    assert response.status_code == 413
    assert sent <= 20
