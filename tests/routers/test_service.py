"""`/ping`, `/health`, `/models` and the start page."""

import httpx
import pytest

from app.services.provider import ModelInfo
from app.services.readiness import Readiness
from tests.routers.conftest import ServeEdge
from tests.routers.stand_ins import StandInJobs, fails, works


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


async def test_the_start_page_leads_browsers_to_the_documentation(edge: httpx.AsyncClient) -> None:
    response = await edge.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


async def test_the_start_page_tells_programs_of_the_models_on_this_machine(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.offered = [
        ModelInfo("black-forest-labs/flux-dev", "replicate"),
        ModelInfo("local/sdxl", "local", is_loaded=True),
        ModelInfo("local/turbo", "local", is_loaded=False),
        ModelInfo("local/old.ckpt", "local", is_loaded=False, problem="It is a pickle."),
    ]
    assert (await edge.get("/")).json() == {
        "service": "Fluxgate",
        "documentation": "/docs",
        "loaded_models": ["sdxl"],
        "available_models": ["sdxl", "turbo"],
        "unusable_models": [{"name": "old.ckpt", "reason": "It is a pickle."}],
    }
    assert [model["name"] for model in (await edge.get("/models")).json()["models"][-3:]] == [
        "black-forest-labs/flux-dev",
        "local/sdxl",
        "local/turbo",
    ]


async def test_every_route_is_described_once_and_every_reference_leads_somewhere(
    edge: httpx.AsyncClient,
) -> None:
    text = (await edge.get("/openapi.json")).text
    schemas = (await edge.get("/openapi.json")).json()["components"]["schemas"]

    for part in text.split('"$ref":"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in schemas
    assert "x-body-schemas" not in text
    assert "HTTPValidationError" not in schemas
