"""The official client 1.0.7 against the sandbox."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from replicate.client import Client
from replicate.model import Model

from tests.clients.conftest import TOKEN
from tests.clients.servers import Sandbox

NewModel = Callable[[], Model]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """A client; its base URL goes without `/v1`."""
    client = Client(api_token=TOKEN, base_url=sandbox.url)
    client.poll_interval = 0.02
    yield client
    client._client.close()  # it has no way of its own to be closed


@pytest.fixture
async def aclient(sandbox: Sandbox) -> AsyncIterator[Client]:
    """The same for its `async_` half, which belongs to one event loop."""
    client = Client(api_token=TOKEN, base_url=sandbox.url)
    client.poll_interval = 0.02
    yield client
    await client._async_client.aclose()


@pytest.fixture
def new_model(client: Client, fresh_name: Callable[[str], str]) -> NewModel:
    """Makes private models that can be trained."""

    def made() -> Model:
        return client.models.create(
            "sandbox", fresh_name("dogs"), visibility="private", hardware="gpu-t4", description="My dogs."
        )

    return made
