"""Models, their versions, deployments of them, and what else the account can see."""

from collections.abc import Callable

import pytest
import replicate
from replicate import AsyncReplicate, Replicate

from tests.clients.replicate_2.conftest import NewModel

ROBOT = {"model_owner": "sandbox", "model_name": "flux-toy-robot"}


@pytest.fixture
def robot(client: Replicate) -> str:
    """The version of the fine-tune that is always there."""
    version = client.models.get(**ROBOT).latest_version
    assert version is not None
    return version.id


def test_a_model_is_made_changed_and_deleted(client: Replicate, new_model: NewModel) -> None:
    model = new_model()
    name = {"model_owner": model.owner, "model_name": model.name}
    assert (model.owner, model.visibility, model.description) == ("sandbox", "private", "My dogs.")
    assert (model.run_count, model.latest_version, model.default_example) == (0, None, None)
    assert client.models.versions.list(**name).results == []

    assert client.models.update(**name, description="Our dogs.", readme="# Dogs").description == "Our dogs."
    assert client.models.readme.get(**name) == "# Dogs"
    assert list(client.models.examples.list(**name)) == []
    assert client.models.get(**name).name == model.name
    client.models.delete(**name)
    with pytest.raises(replicate.NotFoundError):
        client.models.get(**name)


def test_a_name_that_is_taken_is_refused(client: Replicate, new_model: NewModel) -> None:
    with pytest.raises(replicate.ConflictError, match="already exists"):
        client.models.create(owner="sandbox", name=new_model().name, visibility="private", hardware="cpu")


def test_public_models_are_listed_and_found(client: Replicate) -> None:
    for listed in (
        client.models.list(),
        client.models.list(sort_by="model_created_at", sort_direction="asc"),
    ):
        models = {f"{model.owner}/{model.name}": model for model in listed}
        assert models["black-forest-labs/flux-schnell"].is_official
        assert "ostris/flux-dev-lora-trainer" in models
    assert [model.name for model in client.models.search(body="kontext")] == ["flux-kontext-pro"]
    assert [found.model.name for found in client.search(query="kontext", limit=5).models] == [
        "flux-kontext-pro"
    ]


def test_a_version_tells_what_it_takes(client: Replicate, robot: str) -> None:
    version = client.models.versions.get(**ROBOT, version_id=robot)

    assert robot in [listed.id for listed in client.models.versions.list(**ROBOT)]
    assert isinstance(version.openapi_schema, dict)
    schema = version.openapi_schema["components"]["schemas"]
    assert "prompt" in schema["Input"]["required"]
    assert schema["Output"]["type"] == "array"


def test_a_version_that_others_can_see_cannot_be_deleted(client: Replicate) -> None:
    schnell = {"model_owner": "black-forest-labs", "model_name": "flux-schnell"}
    version = client.models.get(**schnell).latest_version
    assert version is not None

    with pytest.raises(replicate.PermissionDeniedError):
        client.models.versions.delete(**schnell, version_id=version.id)


def test_a_deployment_is_made_used_changed_and_deleted(
    client: Replicate, robot: str, fresh_name: Callable[[str], str]
) -> None:
    name = {"deployment_owner": "sandbox", "deployment_name": fresh_name("robots")}
    deployment = client.deployments.create(
        name=name["deployment_name"],
        model="sandbox/flux-toy-robot",
        version=robot,
        hardware="gpu-h100",
        min_instances=0,
        max_instances=1,
    )
    assert deployment.current_release is not None
    assert deployment.current_release.number == 1

    prediction = client.deployments.predictions.create(**name, input={"prompt": "TOYBOT"}, prefer="wait=5")
    assert (prediction.version, prediction.deployment) == (robot, f"sandbox/{name['deployment_name']}")
    assert prediction.output
    changed = client.deployments.update(**name, max_instances=3)
    assert changed.current_release is not None
    assert changed.current_release.number == 2
    assert changed.current_release.configuration is not None
    assert changed.current_release.configuration.max_instances == 3
    assert name["deployment_name"] in [listed.name for listed in client.deployments.list()]
    assert client.deployments.get(**name).owner == "sandbox"
    client.deployments.delete(**name)
    with pytest.raises(replicate.NotFoundError):
        client.deployments.get(**name)


def test_the_account_sees_hardware_and_collections(client: Replicate) -> None:
    account = client.account.get()
    assert (account.username, account.type) == ("sandbox", "organization")
    assert "gpu-t4" in [hardware.sku for hardware in client.hardware.list()]
    assert "text-to-image" in [collection.slug for collection in client.collections.list()]
    models = client.collections.get(collection_slug="text-to-image").models
    assert "flux-schnell" in [model.name for model in models]


async def test_coroutines_see_the_same(
    aclient: AsyncReplicate, robot: str, fresh_name: Callable[[str], str]
) -> None:
    name = {"model_owner": "sandbox", "model_name": fresh_name("cats")}
    await aclient.models.create(
        owner="sandbox", name=name["model_name"], visibility="private", hardware="cpu"
    )

    assert (await aclient.models.get(**name)).name == name["model_name"]
    await aclient.models.delete(**name)
    assert "flux-dev" in [listed.name async for listed in aclient.models.list()]
    assert [found.name async for found in aclient.models.search(body="kontext")] == ["flux-kontext-pro"]
    assert (await aclient.models.versions.get(**ROBOT, version_id=robot)).id == robot
    assert robot in [version.id async for version in aclient.models.versions.list(**ROBOT)]
    assert (await aclient.account.get()).username == "sandbox"
    assert await aclient.hardware.list()
    assert "official" in [collection.slug async for collection in aclient.collections.list()]
    assert (await aclient.collections.get(collection_slug="official")).models
    assert "nothing" not in [deployment.name async for deployment in aclient.deployments.list()]
