"""`run` and `use`: from a prompt to a picture in one call."""

from pathlib import Path

import httpx
import pytest
import replicate
from replicate import AsyncFileOutput, AsyncReplicate, FileOutput, Replicate
from replicate.exceptions import ModelError

from tests.clients.conftest import FRONT, TOKEN
from tests.clients.servers import Sandbox, ThroughFront

WEBP = b"RIFF"
OFFICIAL = "black-forest-labs/flux-dev"


@pytest.fixture
def fine_tune(client: Replicate) -> str:
    """A fine-tune with its version, which is how those are run."""
    model = client.models.get(model_owner="sandbox", model_name="flux-toy-robot")
    assert model.latest_version is not None
    return f"sandbox/flux-toy-robot:{model.latest_version.id}"


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `replicate.run` and `replicate.use` go by: they make clients of their own."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", TOKEN)
    monkeypatch.setenv("REPLICATE_BASE_URL", f"{sandbox.url}/v1")
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.02")


def test_an_official_model_is_run_by_its_name(client: Replicate) -> None:
    output = client.run(OFFICIAL, input={"prompt": "a cat", "num_outputs": 2}, use_file_output=False)

    assert [address.rpartition("/")[2] for address in output] == ["out-0.webp", "out-1.webp"]
    assert httpx.get(output[0], trust_env=False).content.startswith(WEBP)


def test_a_model_with_one_picture_gives_one_address(client: Replicate) -> None:
    output = client.run("black-forest-labs/flux-1.1-pro", input={"prompt": "a cat"}, use_file_output=False)

    assert output.startswith("http://")


def test_a_fine_tune_is_run_by_its_version(client: Replicate, fine_tune: str) -> None:
    output = client.run(fine_tune, input={"prompt": "TOYBOT on a hill", "output_format": "png"})

    assert httpx.get(str(output[0]), trust_env=False).content.startswith(b"\x89PNG")


def test_the_picture_is_read_from_the_output_itself(fronted_sandbox: Sandbox) -> None:
    way = httpx.Client(transport=ThroughFront(fronted_sandbox))
    with Replicate(bearer_token=TOKEN, base_url=f"{FRONT}/v1", max_retries=0, http_client=way) as client:
        [output] = client.run(OFFICIAL, input={"prompt": "a cat"})

        assert isinstance(output, FileOutput)
        assert output.url.startswith(f"{FRONT}/delivery/")
        assert output.read().startswith(WEBP)
        assert b"".join(output) == output.read()


def test_the_picture_may_be_in_the_answer_itself(client: Replicate) -> None:
    [output] = client.run(OFFICIAL, input={"prompt": "a cat sandbox:data-uri"})

    assert isinstance(output, FileOutput)
    assert output.url.startswith("data:image/webp;base64,")
    assert output.read().startswith(WEBP)


def test_without_waiting_it_asks_until_there_is_an_output(client: Replicate, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        assert len(client.run(model, input={"prompt": "a cat"}, wait=False, use_file_output=False)) == 1


def test_what_the_model_says_is_raised(client: Replicate, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        with pytest.raises(ModelError, match="NSFW") as caught:
            client.run(model, input={"prompt": "a cat sandbox:moderated"})
        assert caught.value.prediction.status == "failed"


async def test_async_run_gives_the_same(aclient: AsyncReplicate, client: Replicate, fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        given = {"prompt": "a cat sandbox:data-uri", "seed": 3}
        [output] = await aclient.run(model, input=given)
        assert isinstance(output, AsyncFileOutput)
        assert await output.read() == client.run(model, input=given)[0].read()
    with pytest.raises(ModelError, match="NSFW"):
        await aclient.run(OFFICIAL, input={"prompt": "a cat sandbox:moderated"})


@pytest.mark.usefixtures("environment")
def test_a_model_is_used_like_a_function(fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        [picture] = replicate.use(model)(prompt="TOYBOT on a hill")
        assert Path(picture).read_bytes().startswith(WEBP)
    run = replicate.use(OFFICIAL).create(prompt="a cat")
    assert len(run.output()) == 1
    assert run.logs()
    with pytest.raises(ModelError, match="NSFW"):
        replicate.use(OFFICIAL)(prompt="a cat sandbox:moderated")


@pytest.mark.usefixtures("environment")
async def test_a_coroutine_uses_a_model_too(fine_tune: str) -> None:
    for model in (OFFICIAL, fine_tune):
        assert len(await replicate.use(model, use_async=True)(prompt="a cat")) == 1


@pytest.mark.usefixtures("environment")
def test_the_package_itself_is_a_client() -> None:
    assert len(replicate.run(OFFICIAL, input={"prompt": "a cat"})) == 1
    assert replicate.account.get().username == "sandbox"
