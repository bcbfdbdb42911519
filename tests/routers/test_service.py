"""`/ping`, `/health`, `/models` and the start page."""

import httpx
import pytest

from app.services.readiness import Readiness
from tests.routers.conftest import ServeEdge
from tests.routers.stand_ins import fails, works


@pytest.mark.parametrize("path", ["/ping", "/ping/"])
async def test_ping_answers_pong(edge: httpx.AsyncClient, path: str) -> None:
    response = await edge.get(path)

    assert response.text == "pong"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await edge.head(path)).status_code == 200


async def test_health_tells_each_part(serve_edge: ServeEdge) -> None:
    async with serve_edge() as client:
        response = await client.get("/health")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "provider": "sandbox",
        "database": "ok",
        "images": "ok",
        "training_images": "ok",
    }


async def test_health_fails_with_a_part_and_gives_nothing_away(
    serve_edge: ServeEdge, caplog: pytest.LogCaptureFixture
) -> None:
    readiness = Readiness({"database": works, "images": fails, "training_images": works})
    async with serve_edge(readiness=readiness) as client:
        response = await client.get("/health")

    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "provider": "sandbox",
        "database": "ok",
        "images": "not writable; the log says why",
        "training_images": "ok",
    }
    assert "Read-only file system" in caplog.text


async def test_models_are_listed(edge: httpx.AsyncClient) -> None:
    response = await edge.get("/models")

    [model] = response.json()["models"]
    assert (model["name"], model["provider"]) == ("black-forest-labs/flux-dev", "sandbox")
    assert (model["official"], model["version"], model["alias"]) == (True, None, None)


async def test_the_start_page_leads_to_the_documentation(edge: httpx.AsyncClient) -> None:
    response = await edge.get("/")

    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


async def test_every_route_is_described_once_and_every_reference_leads_somewhere(
    edge: httpx.AsyncClient,
) -> None:
    text = (await edge.get("/openapi.json")).text
    schemas = (await edge.get("/openapi.json")).json()["components"]["schemas"]

    for part in text.split('"$ref":"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in schemas
    assert "x-body-schemas" not in text
    assert "HTTPValidationError" not in schemas
