"""Models, versions, deployments and what surrounds them."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.sandbox.conftest import Train
from tests.sandbox.leaping_clock import LeapingClock

MODELS = (
    "black-forest-labs/flux-schnell",
    "black-forest-labs/flux-dev",
    "black-forest-labs/flux-1.1-pro",
    "black-forest-labs/flux-kontext-pro",
    "ostris/flux-dev-lora-trainer",
    "replicate/fast-flux-trainer",
    "sandbox/flux-toy-robot",
)


@pytest.mark.parametrize("name", MODELS)
async def test_every_model_publishes_a_schema(api: httpx.AsyncClient, name: str) -> None:
    model = (await api.get(f"models/{name}")).json()
    version = model["latest_version"]
    assert f"{model['owner']}/{model['name']}" == name
    assert model["is_official"] == name.startswith("black-forest-labs/")
    components = version["openapi_schema"]["components"]["schemas"]
    assert ("TrainingInput" in components) == ("trainer" in name)
    properties = components["Input"]["properties"]
    assert [field["x-order"] for field in properties.values()] == list(range(len(properties)))
    for field_name, field in properties.items():
        if "allOf" in field:
            assert field["allOf"] == [{"$ref": f"#/components/schemas/{field_name}"}]
            assert field.get("default") in [*components[field_name]["enum"], None]
    for component in components.values():
        Draft202012Validator.check_schema(component)
    assert (await api.get(f"models/{name}/versions/{version['id']}")).json() == version
    assert (await api.get(f"models/{name}/readme")).text.startswith("# ")
    assert (await api.get(f"models/{name}/examples")).json()["results"] == []


async def test_a_fresh_model_has_no_version(api: httpx.AsyncClient, destination: str) -> None:
    model = (await api.get(f"models/{destination}")).json()
    assert (model["latest_version"], model["run_count"], model["visibility"]) == (None, 0, "private")


async def test_runs_are_counted(api: httpx.AsyncClient) -> None:
    path = "models/black-forest-labs/flux-dev"
    for _ in range(2):
        await api.post(f"{path}/predictions", json={"input": {"prompt": "a"}})
    assert (await api.get(path)).json()["run_count"] == 2


async def test_a_model_that_exists_is_a_conflict(api: httpx.AsyncClient, destination: str) -> None:
    for name in (destination.rpartition("/")[2], "flux-toy-robot"):
        body = {"owner": "sandbox", "name": name, "visibility": "private", "hardware": "cpu"}
        response = await api.post("models", json=body)
        assert response.status_code == 409
        text = "A model with that name and owner already exists."
        assert (response.json()["detail"], response.json()["errors"]) == (text, [{"detail": text}])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"owner": "somebody"}, 403),
        ({"hardware": "abacus"}, 422),
        ({"visibility": "secret"}, 422),
        ({"name": "Bad Name"}, 422),
        ({"name": 3}, 422),
        ({"more": 1}, 422),
    ],
)
async def test_a_model_that_cannot_be_is_refused(
    api: httpx.AsyncClient, changes: dict[str, Any], status: int
) -> None:
    body = {"owner": "sandbox", "name": "new", "visibility": "public", "hardware": "cpu", **changes}
    assert (await api.post("models", json=body)).status_code == status


async def test_a_model_of_ones_own_can_be_changed(api: httpx.AsyncClient, destination: str) -> None:
    response = await api.patch(f"models/{destination}", json={"description": "Dogs", "readme": "# Dogs!"})
    assert response.json()["description"] == "Dogs"
    assert (await api.get(f"models/{destination}")).json() == response.json()
    assert (await api.get(f"models/{destination}/readme")).text == "# Dogs!"
    assert (await api.patch(f"models/{destination}", json={"name": "cats"})).status_code == 422
    assert (await api.patch("models/black-forest-labs/flux-dev", json={"readme": ""})).status_code == 403


async def test_only_what_nobody_needs_can_be_deleted(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    await train()
    clock.advance(60)
    version = (await api.get("models/sandbox/dogs")).json()["latest_version"]["id"]
    release = {"version": version, "hardware": "cpu", "min_instances": 0, "max_instances": 1}
    await api.post("deployments", json={"name": "kennel", "model": "sandbox/dogs", **release})
    one = f"models/sandbox/dogs/versions/{version}"
    statuses = []
    for path in ("models/sandbox/dogs", one, "deployments/sandbox/kennel", one, one, "models/sandbox/dogs"):
        statuses.append((await api.delete(path)).status_code)
    assert statuses == [403, 409, 204, 202, 404, 204]
    assert (await api.get("models/sandbox/dogs")).status_code == 404
    assert (await api.delete("models/sandbox/flux-toy-robot")).status_code == 403


async def test_public_models_are_listed_in_the_order_asked_for(
    api: httpx.AsyncClient, destination: str
) -> None:
    orders = {}
    for direction in ("asc", "desc"):
        query = {"sort_by": "model_created_at", "sort_direction": direction}
        found = (await api.get("models", params=query)).json()["results"]
        orders[direction] = [f"{model['owner']}/{model['name']}" for model in found]
    assert orders["asc"] == orders["desc"][::-1]
    assert sorted(orders["asc"]) == sorted(MODELS)
    assert (await api.get("models", params={"sort_by": "price"})).status_code == 422


async def test_models_can_be_searched(api: httpx.AsyncClient) -> None:
    found = (await api.request("QUERY", "models", content="lora TRAINER")).json()["results"]
    assert [model["name"] for model in found] == ["flux-dev-lora-trainer"]
    everything = (await api.get("search", params={"query": "kontext"})).json()
    assert [entry["model"]["name"] for entry in everything["models"]] == ["flux-kontext-pro"]
    assert (await api.get("search")).status_code == 422
    assert (await api.get("search", params={"query": "a", "limit": 51})).status_code == 422


async def test_collections_hold_models(api: httpx.AsyncClient) -> None:
    slugs = [found["slug"] for found in (await api.get("collections")).json()["results"]]
    assert "official" in slugs
    for slug in slugs:
        assert (await api.get(f"collections/{slug}")).json()["models"]
    assert (await api.get("collections/none")).status_code == 404


async def test_a_deployment_runs_its_version(api: httpx.AsyncClient) -> None:
    version = (await api.get("models/sandbox/flux-toy-robot")).json()["latest_version"]["id"]
    release = {"version": version, "hardware": "gpu-h100", "min_instances": 0, "max_instances": 2}
    body = {"name": "robots", "model": "sandbox/flux-toy-robot", **release}
    assert (await api.post("deployments", json=body)).status_code == 201
    assert (await api.post("deployments", json=body)).status_code == 409
    made = await api.post("deployments/sandbox/robots/predictions", json={"input": {"prompt": "TOYBOT"}})
    assert made.status_code == 201
    assert (made.json()["deployment"], made.json()["version"]) == ("sandbox/robots", version)
    changed = (await api.patch("deployments/sandbox/robots", json={"max_instances": 3})).json()
    assert changed["current_release"]["number"] == 2
    assert changed["current_release"]["configuration"]["max_instances"] == 3
    assert (await api.get("deployments")).json()["results"] == [changed]
    assert (await api.patch("deployments/sandbox/robots", json={"min_instances": 6})).status_code == 422
    assert (await api.patch("deployments/sandbox/robots", json={"version": "0"})).status_code == 422
    assert (await api.delete("deployments/sandbox/robots")).status_code == 204
    assert (await api.get("deployments/sandbox/robots")).status_code == 404


async def test_hardware_is_a_bare_list(api: httpx.AsyncClient) -> None:
    found = (await api.get("hardware")).json()
    assert {"sku": "gpu-t4", "name": "Nvidia T4 GPU"} in found


async def test_the_account_says_who_it_is(api: httpx.AsyncClient) -> None:
    found = (await api.get("account")).json()
    assert (found["type"], found["username"]) == ("organization", "sandbox")
