"""`run`: from a prompt to a picture in one call."""

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ModelError
from replicate.helpers import FileOutput

from tests.clients.conftest import FRONT, TOKEN
from tests.clients.servers import Sandbox, ThroughFront

WEBP = b"RIFF"
OFFICIAL = "black-forest-labs/flux-dev"


@pytest.fixture
def fine_tune(client: Client) -> str:
    """A fine-tune with its version, which is how those are run."""
    model = client.models.get("sandbox", "flux-toy-robot")
    assert model.latest_version is not None
    return f"{model.id}:{model.latest_version.id}"


def test_an_official_model_is_run_by_its_name(client: Client) -> None:
    output = client.run(OFFICIAL, input={"prompt": "a cat", "num_outputs": 2}, use_file_output=False)

    assert [address.rpartition("/")[2] for address in output] == ["out-0.webp", "out-1.webp"]
    assert httpx.get(output[0], trust_env=False).content.startswith(WEBP)


def test_a_model_with_one_picture_gives_one_address(client: Client) -> None:
    output = client.run("black-forest-labs/flux-1.1-pro", input={"prompt": "a cat"}, use_file_output=False)

    assert output.startswith("http://")


def test_a_fine_tune_is_run_by_its_version(client: Client, fine_tune: str) -> None:
    output = client.run(fine_tune, input={"prompt": "TOYBOT on a hill", "output_format": "png"})

    assert httpx.get(str(output[0]), trust_env=False).content.startswith(b"\x89PNG")


def test_the_picture_is_read_from_the_output_itself(fronted_sandbox: Sandbox) -> None:
    client = Client(api_token=TOKEN, base_url=FRONT, transport=ThroughFront(fronted_sandbox))

    [output] = client.run(OFFICIAL, input={"prompt": "a cat"})

    assert isinstance(output, FileOutput)
    assert output.url.startswith(f"{FRONT}/delivery/")
    assert output.read().startswith(WEBP)
    assert b"".join(output) == output.read()
    client._client.close()


def test_the_picture_may_be_in_the_answer_itself(client: Client) -> None:
    [output] = client.run(OFFICIAL, input={"prompt": "a cat sandbox:data-uri"})

    assert isinstance(output, FileOutput)
    assert output.url.startswith("data:image/webp;base64,")
    assert output.read().startswith(WEBP)


def test_without_waiting_it_asks_until_there_is_an_output(client: Client, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        assert len(client.run(model, input={"prompt": "a cat"}, wait=False, use_file_output=False)) == 1


def test_what_the_model_says_is_raised(client: Client, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        with pytest.raises(ModelError, match="NSFW") as caught:
            client.run(model, input={"prompt": "a cat sandbox:moderated"})
        assert caught.value.prediction.status == "failed"


async def test_async_run_gives_the_same(aclient: Client, client: Client, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        given = {"prompt": "a cat sandbox:data-uri", "seed": 3}
        [output] = await aclient.async_run(model, input=given)
        assert await output.aread() == client.run(model, input=given)[0].read()
    with pytest.raises(ModelError, match="NSFW"):
        await aclient.async_run(OFFICIAL, input={"prompt": "a cat sandbox:moderated"})
