"""Who may read the documentation."""

import base64

import pytest
from pydantic import SecretStr

from app.config import Settings
from tests.conftest import Serve

PAGES = ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")
LOGIN = {"docs_username": "ännie", "docs_password": SecretStr("open: sesame")}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize("path", PAGES)
async def test_the_right_user_name_and_password_open_it(serve: Serve, settings: Settings, path: str) -> None:
    async with serve(settings.model_copy(update=LOGIN), client_host="203.0.113.9") as client:
        assert (await client.get(path, headers=basic("ännie:open: sesame"))).status_code == 200


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ännie:open sesame"),
        basic("annie:open: sesame"),
        basic("ännie"),
        basic(":open: sesame"),
        basic(""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic \u00ff"},
        {"Authorization": "Bearer open: sesame"},
        {"X-API-Key": "a key"},
    ],
)
async def test_nobody_else_gets_in_and_browsers_ask(
    serve: Serve, settings: Settings, path: str, headers: dict[str, str]
) -> None:
    changed = settings.model_copy(update={**LOGIN, "api_key": SecretStr("a key")})
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with serve(changed) as client:
        response = await client.get(path, headers=sent)

    assert (response.status_code, response.json()["code"]) == (401, "docs_login_needed")
    assert response.headers["www-authenticate"] == 'Basic realm="Documentation", charset="UTF-8"'
    assert "sesame" not in response.text


async def test_a_wrong_password_is_logged_without_it(
    serve: Serve, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(settings.model_copy(update=LOGIN), client_host="203.0.113.9") as client:
        await client.get("/docs", headers=basic("ännie:open sesamy"))

    assert "A wrong user name or password for the documentation came from 203.0.113.9." in caplog.messages
    assert "sesam" not in caplog.text


async def test_the_api_takes_no_notice_of_what_a_browser_sends_for_the_documentation(
    serve: Serve, settings: Settings
) -> None:
    changed = settings.model_copy(update={**LOGIN, "api_key": SecretStr("a key")})
    login = basic("ännie:open: sesame")
    async with serve(changed) as client:
        alone = await client.get("/jobs", headers=login)
        together = await client.get("/jobs", headers={**login, "X-API-Key": "a key"})

    # With a challenge of its own, the browser would ask for a password, and Swagger UI could not answer.
    assert (alone.status_code, alone.headers["www-authenticate"]) == (401, "Bearer")
    assert together.status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_without_a_login_it_is_for_those_that_are_served(
    serve: Serve, settings: Settings, path: str
) -> None:
    with_key = settings.model_copy(update={"api_key": SecretStr("a key")})
    everybody = settings.model_copy(update={"allow_open": True})
    for changed, host, status in (
        (settings, "127.0.0.1", 200),
        (settings, "203.0.113.9", 403),
        (with_key, "203.0.113.9", 200),  # It tells nothing that is secret, and the key opens the rest.
        (everybody, "203.0.113.9", 200),
    ):
        async with serve(changed, client_host=host) as client:
            assert (await client.get(path)).status_code == status


async def test_no_other_spelling_of_the_address_gets_past_the_guard(serve: Serve, settings: Settings) -> None:
    async with serve(settings.model_copy(update=LOGIN)) as client:
        for path in ("/d%6fcs", "/docs?x=1", "//docs", "/docs/", "/DOCS", "/./docs", "/openapi%2ejson"):
            assert (await client.get(f"http://fluxgate{path}")).status_code in (401, 404)
        assert (await client.head("/openapi.json")).status_code == 401
        assert (await client.get("/static-offline-docs/swagger-ui.css")).status_code == 200
