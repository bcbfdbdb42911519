"""Who is served."""

import httpx
import pytest
from pydantic import SecretStr

from app.callers import Scope
from app.services.access import Access
from tests.routers.conftest import ServeEdge
from tests.routers.stand_ins import StandInJobs

WITH_KEY = Access(api_keys={"one": SecretStr("open sesame"), "other": SecretStr("schlüssel")})


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer open sesame"},
        {"Authorization": "bearer  open sesame"},
        {"X-API-Key": "open sesame"},
        {"X-API-Key": "open sesame", "Authorization": "Basic dTpw"},
    ],
)
async def test_the_key_lets_in(serve_edge: ServeEdge, headers: dict[str, str]) -> None:
    async with serve_edge("203.0.113.9", access=WITH_KEY) as client:
        assert (await client.get("/jobs", headers=headers)).status_code == 200


async def test_a_key_may_hold_any_letters(serve_edge: ServeEdge) -> None:
    async with serve_edge("203.0.113.9", access=WITH_KEY) as client:
        response = await client.get("/jobs", headers=[(b"X-API-Key", "schlüssel".encode())])

    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "guess"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dTpw"},
        {"X-API-Key": ""},
    ],
)
async def test_without_the_right_key_nobody_gets_in(serve_edge: ServeEdge, headers: dict[str, str]) -> None:
    async with serve_edge(access=WITH_KEY) as client:
        response = await client.get("/jobs", headers=headers)

    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"
    assert response.headers["www-authenticate"] == "Bearer"
    assert "sesame" not in response.text


async def test_nothing_is_read_or_started_for_a_stranger(
    serve_edge: ServeEdge, stand_in_jobs: StandInJobs
) -> None:
    async with serve_edge(access=WITH_KEY) as client:
        response = await client.post("/generate-image/", content=b"broken", headers={"Content-Type": "a/b"})

    assert response.status_code == 401
    assert not stand_in_jobs.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_without_a_key_this_machine_is_served(serve_edge: ServeEdge, host: str) -> None:
    async with serve_edge(host) as client:
        assert (await client.get("/jobs")).status_code == 200


@pytest.mark.parametrize("host", ["203.0.113.9", "10.0.0.1", "::2", "localhost.example"])
async def test_without_a_key_others_are_told_what_to_do(serve_edge: ServeEdge, host: str) -> None:
    async with serve_edge(host) as client:
        response = await client.get("/jobs")

    assert response.status_code == 403
    assert response.json()["code"] == "access_denied"
    assert host in response.json()["detail"]
    assert "API_KEY" in response.json()["detail"]
    assert "ALLOW_OPEN=true" in response.json()["detail"]


async def test_a_unix_socket_is_on_this_machine() -> None:
    await Access().check(None, {}, Scope.READ)


@pytest.mark.parametrize(
    "header", [{"X-Forwarded-For": "203.0.113.9"}, {"X-Real-IP": "203.0.113.9"}, {"Forwarded": "for=unknown"}]
)
async def test_a_proxy_on_this_machine_opens_nothing(serve_edge: ServeEdge, header: dict[str, str]) -> None:
    async with serve_edge() as client:
        assert (await client.get("/jobs", headers=header)).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[x"]
)
async def test_a_web_page_from_elsewhere_cannot_use_the_browser_as_its_hand(
    serve_edge: ServeEdge, stand_in_jobs: StandInJobs, origin: str
) -> None:
    async with serve_edge() as client:
        response = await client.post("/generate-image/", data={"prompt": "a cat"}, headers={"Origin": origin})

    assert response.status_code == 403
    assert not stand_in_jobs.asked


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8000",
        "http://localhost:3000",
        "http://app.localhost",
        "http://[::1]",
        "https://app.example",
    ],
)
async def test_pages_of_this_machine_and_those_allowed_are_served(serve_edge: ServeEdge, origin: str) -> None:
    async with serve_edge(access=Access(origins=["https://app.example"])) as client:
        assert (await client.get("/jobs", headers={"Origin": origin})).status_code == 200


async def test_allow_open_serves_everybody(serve_edge: ServeEdge) -> None:
    async with serve_edge("203.0.113.9", access=Access(allow_open=True)) as client:
        assert (await client.get("/jobs")).status_code == 200


@pytest.mark.parametrize("path", ["/ping", "/health"])
async def test_ping_and_health_are_for_everybody(serve_edge: ServeEdge, path: str) -> None:
    async with serve_edge("203.0.113.9", access=WITH_KEY) as client:
        response = await client.get(path)

    assert response.status_code == 200


async def test_only_ping_health_and_pages_are_open(edge: httpx.AsyncClient, serve_edge: ServeEdge) -> None:
    paths = (await edge.get("/openapi.json")).json()["paths"]
    async with serve_edge("203.0.113.9", access=WITH_KEY) as client:
        for path, operations in paths.items():
            for method in operations:
                ids = {"job_id": "4f1c", "training_id": "4f1c", "alias": "cats"}
                response = await client.request(method, path.format_map(ids))
                assert (response.status_code == 401) == (path not in ("/ping", "/health")), path
