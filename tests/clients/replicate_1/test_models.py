"""Models, their versions, deployments of them, and what else the account can see."""

from collections.abc import Callable

import pytest
from replicate import paginate
from replicate.client import Client
from replicate.exceptions import ReplicateError

from tests.clients.replicate_1.conftest import NewModel


@pytest.fixture
def robot(client: Client) -> str:
    """The version of the fine-tune that is always there."""
    version = client.models.get("sandbox/flux-toy-robot").latest_version
    assert version is not None
    return version.id


def test_a_model_is_made_and_deleted(client: Client, new_model: NewModel) -> None:
    model = new_model()
    assert (model.owner, model.visibility, model.description) == ("sandbox", "private", "My dogs.")
    assert (model.run_count, model.latest_version, model.default_example) == (0, None, None)
    assert len(model.versions.list()) == 0

    assert client.models.get(model.owner, model.name).name == model.name
    assert client.models.delete(model.id) is True
    with pytest.raises(ReplicateError) as caught:
        client.models.get(model.id)
    assert caught.value.status == 404


def test_a_name_that_is_taken_is_refused(client: Client, new_model: NewModel) -> None:
    model = new_model()

    with pytest.raises(ReplicateError, match="already exists") as caught:
        client.models.create(model.owner, model.name, visibility="private", hardware="cpu")
    assert caught.value.status == 409


def test_public_models_are_listed_and_found(client: Client) -> None:
    listed = {model.id for page in paginate(client.models.list) for model in page}

    assert {"black-forest-labs/flux-schnell", "ostris/flux-dev-lora-trainer"} <= listed
    assert [model.name for model in client.models.search("kontext")] == ["flux-kontext-pro"]


def test_a_version_tells_what_it_takes(client: Client, robot: str) -> None:
    versions = client.models.get("sandbox/flux-toy-robot").versions

    assert robot in [version.id for version in versions.list()]
    schema = versions.get(robot).openapi_schema["components"]["schemas"]
    assert "prompt" in schema["Input"]["required"]
    assert schema["Output"]["type"] == "array"


def test_a_version_that_others_can_see_cannot_be_deleted(client: Client) -> None:
    model = client.models.get("black-forest-labs/flux-schnell")
    assert model.latest_version is not None

    with pytest.raises(ReplicateError) as caught:
        model.versions.delete(model.latest_version.id)
    assert caught.value.status == 403


def test_a_deployment_is_made_used_changed_and_deleted(
    client: Client, robot: str, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("robots")
    deployment = client.deployments.create(
        name=name,
        model="sandbox/flux-toy-robot",
        version=robot,
        hardware="gpu-h100",
        min_instances=0,
        max_instances=1,
    )
    assert deployment.current_release is not None
    assert deployment.current_release.number == 1

    for prediction in (
        deployment.predictions.create(input={"prompt": "TOYBOT"}, wait=5),
        client.deployments.predictions.create(f"sandbox/{name}", input={"prompt": "TOYBOT"}, wait=5),
    ):
        assert (prediction.version, len(prediction.output or [])) == (robot, 1)
    changed = client.deployments.update("sandbox", name, max_instances=3)
    assert changed.current_release is not None
    assert (changed.current_release.number, changed.current_release.configuration.max_instances) == (2, 3)
    assert name in [listed.name for page in paginate(client.deployments.list) for listed in page]
    assert client.deployments.get(f"sandbox/{name}").id == f"sandbox/{name}"
    assert client.deployments.delete("sandbox", name) is True


def test_the_account_sees_hardware_and_collections(client: Client) -> None:
    assert client.accounts.current().username == "sandbox"
    assert "gpu-t4" in [hardware.sku for hardware in client.hardware.list()]
    slugs = [collection.slug for page in paginate(client.collections.list) for collection in page]
    models = client.collections.get("text-to-image").models
    assert "text-to-image" in slugs
    assert "flux-schnell" in [model.name for model in models or []]


async def test_the_async_half_sees_the_same(
    aclient: Client, robot: str, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("cats")
    model = await aclient.models.async_create("sandbox", name, visibility="private", hardware="cpu")

    assert (await aclient.models.async_get(model.id)).name == name
    assert await aclient.models.async_delete(model.id) is True
    assert "flux-dev" in [listed.name for listed in await aclient.models.async_list()]
    assert [found.name for found in await aclient.models.async_search("kontext")] == ["flux-kontext-pro"]
    versions = (await aclient.models.async_get("sandbox/flux-toy-robot")).versions
    assert (await versions.async_get(robot)).id == robot
    assert robot in [version.id for version in await versions.async_list()]
    assert (await aclient.accounts.async_current()).username == "sandbox"
    assert await aclient.hardware.async_list()
    assert await aclient.collections.async_list()
    assert (await aclient.collections.async_get("official")).slug == "official"
    assert "nothing" not in [deployment.name for deployment in await aclient.deployments.async_list()]
