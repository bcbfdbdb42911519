"""The official client 2.0.0b4 against the sandbox."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from replicate import AsyncReplicate, Replicate
from replicate.types import ModelCreateResponse

from tests.clients.conftest import TOKEN
from tests.clients.servers import Sandbox

NewModel = Callable[[], ModelCreateResponse]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Replicate]:
    """A client; its base URL ends in `/v1`, and it must not send anything twice."""
    with Replicate(bearer_token=TOKEN, base_url=f"{sandbox.url}/v1", max_retries=0) as client:
        client.poll_interval = 0.02
        yield client


@pytest.fixture
async def aclient(sandbox: Sandbox) -> AsyncIterator[AsyncReplicate]:
    """The same for coroutines."""
    async with AsyncReplicate(bearer_token=TOKEN, base_url=f"{sandbox.url}/v1", max_retries=0) as client:
        client.poll_interval = 0.02
        yield client


@pytest.fixture
def trainer_version(client: Replicate) -> str:
    """The version of the trainer."""
    version = client.models.get(model_owner="ostris", model_name="flux-dev-lora-trainer").latest_version
    assert version is not None
    return version.id


@pytest.fixture
def new_model(client: Replicate, fresh_name: Callable[[str], str]) -> NewModel:
    """Makes private models that can be trained."""

    def made() -> ModelCreateResponse:
        return client.models.create(
            owner="sandbox",
            name=fresh_name("dogs"),
            visibility="private",
            hardware="gpu-t4",
            description="My dogs.",
        )

    return made
