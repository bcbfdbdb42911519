"""What each route wants of a key, and what a key without it is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr

from app.api_description import needed_scopes
from app.callers import Scope
from app.config import Settings
from app.key_commands import main
from app.main import create_app
from tests.conftest import Serve

OPEN = {
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/openapi.json",
    "/static-offline-docs",
    "/ping",
    "/ping/",
    "/health",
    "/health/",
    "/webhook",
    "/webhook/",
    "/webhook/{job_id}",
    "/webhook/{job_id}/",
}
"""The routes that want no key: pages (which a user name and a password can guard), signs of life, and the
provider's webhooks, whose signature stands in for a key."""

CHANGES = {"POST", "PUT", "PATCH", "DELETE"}

MadeKey = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def made_key(settings: Settings, capsys: pytest.CaptureFixture[str]) -> MadeKey:
    """Makes a key with these scopes, and gives the header to show it in."""

    async def make(scopes: str) -> dict[str, str]:
        arguments = ["create", f"for {scopes}".replace(",", " "), "--scopes", scopes]
        assert await asyncio.to_thread(main, arguments, settings=settings) == 0
        return {"Authorization": f"Bearer {capsys.readouterr().out.strip()}"}

    return make


def test_every_route_declares_a_scope_or_is_open() -> None:
    found: dict[str | None, set[Scope]] = {}
    for route in iter_route_contexts(create_app().routes):
        dependant = getattr(route, "dependant", None)
        scopes = needed_scopes(dependant) if dependant is not None else set()
        found[route.path] = found.get(route.path, set()) | scopes
        assert bool(scopes) != (route.path in OPEN), route.path
        if scopes and CHANGES & (route.methods or set()):
            assert Scope.READ not in scopes, f"{route.path} changes something, and reading is enough for it"
    assert found["/generate-image/"] == {Scope.GENERATE}
    assert found["/fine-tune/"] == {Scope.TRAIN}
    assert found["/jobs"] == {Scope.READ}
    assert found["/jobs/{job_id}/cancel"] == {Scope.GENERATE, Scope.TRAIN}


def test_the_description_tells_the_scope() -> None:
    paths = create_app().openapi()["paths"]
    train = paths["/fine-tune/"]["post"]

    assert train["security"] == [{}, {"bearer": ["train"]}, {"api_key": ["train"]}]
    assert train["description"].endswith("An API key needs the scope `train`.")
    assert paths["/jobs/{job_id}/cancel"]["post"]["description"].endswith("`generate` or `train`.")
    assert paths["/ping"]["get"]["security"] == []


def test_swagger_ui_can_authorize_with_a_key() -> None:
    description = create_app().openapi()
    assert description["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "description": "The API key, if the service has one."},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }


@pytest.mark.parametrize(
    ("scopes", "looking", "generating", "training"),
    [
        ("read", 200, 403, 403),
        ("generate", 200, 200, 403),
        ("train", 200, 403, 422),
        ("generate,train", 200, 200, 422),
        ("admin", 200, 200, 422),
    ],
)
async def test_a_key_does_what_its_scopes_say(
    serve: Serve, made_key: MadeKey, scopes: str, looking: int, generating: int, training: int
) -> None:
    headers = await made_key(scopes)
    async with serve(client_host="203.0.113.9") as client:
        assert (await client.get("/jobs", headers=headers)).status_code == looking
        answer = await client.post("/generate-image/", data={"prompt": "a cat"}, headers=headers)
        assert answer.status_code == generating
        # Nothing to train on; who may not train is not even told that.
        answer = await client.post("/fine-tune/", data={"trigger_word": "TOK"}, headers=headers)
        assert answer.status_code == training


async def test_a_missing_scope_is_named_with_the_key(serve: Serve, made_key: MadeKey) -> None:
    headers = await made_key("generate")
    async with serve() as client:
        response = await client.post("/fine-tune/", data={"trigger_word": "TOK"}, headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert response.json()["detail"] == (
        "This needs the scope 'train', and the API key 'for generate' has only: read, generate."
    )


async def test_keys_of_the_settings_may_do_everything(serve: Serve, settings: Settings) -> None:
    two = settings.model_copy(update={"api_key": SecretStr("laptop:open sesame, phone:let me in")})
    async with serve(two, client_host="203.0.113.9") as client:
        for secret in ("open sesame", "let me in"):
            shown = {"X-API-Key": secret}
            assert (await client.get("/jobs", headers=shown)).status_code == 200
            answer = await client.post("/fine-tune/", data={"trigger_word": "TOK"}, headers=shown)
            assert answer.status_code == 422
        for wrong in ("laptop", "laptop:open sesame", "open sesame, phone:let me in"):
            assert (await client.get("/jobs", headers={"X-API-Key": wrong})).status_code == 401


async def test_who_may_start_a_kind_of_job_may_cancel_it(
    serve: Serve, made_key: MadeKey, settings: Settings
) -> None:
    reader, painter, trainer = [await made_key(scopes) for scopes in ("read", "generate", "train")]
    slow = settings.model_copy(update={"sandbox_pace": 1.0})
    async with serve(slow) as client:

        async def cancel(job_id: str, headers: dict[str, str]) -> int:
            return (await client.post(f"/jobs/{job_id}/cancel", headers=headers)).status_code

        background = {"Prefer": "respond-async"}
        picture = await client.post(
            "/generate-image/", data={"prompt": "a cat"}, headers={**painter, **background}
        )
        picture_id = picture.json()["id"]
        assert [await cancel(picture_id, headers) for headers in (reader, trainer)] == [403, 403]
        assert await cancel(picture_id, painter) in (200, 202)
        assert [await cancel("nobody", headers) for headers in (reader, painter)] == [404, 404]
        assert await cancel("nobody", {}) == 401


async def test_a_revoked_key_is_told_so_and_logged_without_its_text(
    serve: Serve,
    settings: Settings,
    made_key: MadeKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    headers = await made_key("read")
    other = await made_key("read")
    key_id, secret = headers["Authorization"].split("_")[1:]
    await asyncio.to_thread(main, ["revoke", key_id], settings=settings)
    async with serve(client_host="203.0.113.9") as client:
        revoked = await client.get("/jobs", headers=headers)
        wrong = await client.get("/jobs", headers={"X-API-Key": f"fg_{key_id}_{'0' * 48}"})
        assert (await client.get("/jobs", headers=other)).status_code == 200

    assert (revoked.status_code, wrong.status_code) == (401, 401)
    assert revoked.json()["detail"] == "The API key 'for read' was revoked."
    assert wrong.json()["detail"] == "The API key is not the right one."
    assert f"The revoked API key 'for read' (id {key_id}) was shown by 203.0.113.9." in caplog.messages
    assert "A wrong API key was shown by 203.0.113.9." in caplog.messages
    assert secret not in caplog.text


async def test_no_wrong_key_gets_into_the_log(
    serve: Serve, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    locked = settings.model_copy(update={"api_key": SecretStr("open sesame")})
    async with serve(locked) as client:
        for headers in ({"X-API-Key": "open sesamy"}, {"Authorization": "Bearer open sesamy"}):
            assert (await client.get("/jobs", headers=headers)).status_code == 401

    assert caplog.messages.count("A wrong API key was shown by 127.0.0.1.") == 2
    assert "sesam" not in caplog.text


async def test_public_pictures_are_for_everybody_and_for_every_cache(
    serve: Serve, settings: Settings
) -> None:
    locked = settings.model_copy(update={"api_key": SecretStr("open sesame")})
    shown = {"X-API-Key": "open sesame"}
    async with serve(locked) as client:
        made = await client.post("/generate-image/", data={"prompt": "a cat"}, headers=shown)
        url = made.json()["generated_image_url"]
        for path in (url, f"{url}?width=64"):
            assert (await client.get(path)).status_code == 401
            answer = await client.get(path, headers=shown)
            assert answer.headers["cache-control"].startswith("private, ")

    public = locked.model_copy(update={"public_images": True})
    async with serve(public, client_host="203.0.113.9") as client:
        for path in (url, f"{url}?width=64"):
            for headers in ({}, {"Origin": "https://blog.example"}, {"X-API-Key": "wrong"}):
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 200
                assert answer.headers["cache-control"].startswith("public, ")
        assert (await client.head(url)).status_code == 200
        assert (await client.get("/jobs")).status_code == 401


async def test_public_pictures_open_nothing_else_without_a_key(serve: Serve, settings: Settings) -> None:
    public = settings.model_copy(update={"public_images": True})
    async with serve(public, client_host="203.0.113.9") as client:
        assert (await client.get("/get-image/no-such.webp")).status_code == 404
        assert (await client.get("/jobs")).status_code == 403


async def test_an_open_service_that_gets_a_key_is_open_no_more(
    serve: Serve, settings: Settings, made_key: MadeKey, caplog: pytest.LogCaptureFixture
) -> None:
    everybody = settings.model_copy(update={"allow_open": True})
    async with serve(everybody, client_host="203.0.113.9") as client:
        assert (await client.get("/jobs")).status_code == 200
    assert "Everybody who reaches the port is served" in caplog.text
    caplog.clear()

    headers = await made_key("read")
    async with serve(everybody, client_host="203.0.113.9") as client:
        assert (await client.get("/jobs")).status_code == 401
        assert (await client.get("/jobs", headers=headers)).status_code == 200
    assert "Everybody" not in caplog.text
