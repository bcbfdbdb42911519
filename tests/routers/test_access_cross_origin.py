"""Pages on other origins: what browsers ask before they send a request, and what they are told."""

import pytest
from pydantic import SecretStr

from app.config import Settings
from tests.conftest import Serve

PAGE = "https://app.example"


@pytest.fixture
def allowing(settings: Settings) -> Settings:
    return settings.model_copy(update={"cors_origins": f"{PAGE}, https://other.example"})


@pytest.mark.parametrize(
    "header", ["authorization", "x-api-key", "content-type", "idempotency-key", "prefer"]
)
async def test_a_page_that_is_allowed_may_send_its_key(serve: Serve, allowing: Settings, header: str) -> None:
    locked = allowing.model_copy(update={"api_key": SecretStr("a key")})
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": header,
    }
    async with serve(locked, client_host="203.0.113.9") as client:
        # Browsers send no key with this question.
        preflight = await client.options("/generate-image/", headers=asked)

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    # A star would not do: to browsers it does not stand for Authorization.
    assert header in preflight.headers["access-control-allow-headers"].lower().split(", ")
    assert "POST" in preflight.headers["access-control-allow-methods"]


async def test_the_page_can_read_the_answer_also_when_the_key_is_wrong(
    serve: Serve, allowing: Settings
) -> None:
    locked = allowing.model_copy(update={"api_key": SecretStr("a key")})
    async with serve(locked, client_host="203.0.113.9") as client:
        right = await client.get("/jobs", headers={"Origin": PAGE, "X-API-Key": "a key"})
        wrong = await client.get("/jobs", headers={"Origin": PAGE, "X-API-Key": "another"})

    assert (right.status_code, wrong.status_code) == (200, 401)
    for response in (right, wrong):
        assert response.headers["access-control-allow-origin"] == PAGE
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]


async def test_no_browser_is_told_to_send_cookies_or_passwords_along(
    serve: Serve, allowing: Settings
) -> None:
    async with serve(allowing) as client:
        for method in ("GET", "OPTIONS"):
            asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
            response = await client.request(method, "/jobs", headers=asked)
            assert "access-control-allow-credentials" not in response.headers


async def test_other_pages_are_allowed_nothing(serve: Serve, allowing: Settings) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with serve(allowing) as client:
        preflight = await client.options("/generate-image/", headers=asked)
        answer = await client.get("/jobs", headers={"Origin": "https://evil.example"})

    assert preflight.status_code == 400
    assert answer.status_code == 403
    for response in (preflight, answer):
        assert "access-control-allow-origin" not in response.headers


async def test_a_star_allows_every_page_but_without_a_key_serves_none(
    serve: Serve, settings: Settings
) -> None:
    every = settings.model_copy(update={"cors_origins": "*"})
    async with serve(every) as client:
        assert (await client.get("/jobs", headers={"Origin": PAGE})).status_code == 403
    async with serve(every.model_copy(update={"api_key": SecretStr("a key")})) as client:
        answer = await client.get("/jobs", headers={"Origin": PAGE, "X-API-Key": "a key"})

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


async def test_without_the_setting_no_page_is_told_anything(serve: Serve, settings: Settings) -> None:
    async with serve(settings.model_copy(update={"api_key": SecretStr("a key")})) as client:
        answer = await client.get("/jobs", headers={"Origin": PAGE, "X-API-Key": "a key"})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
