"""What goes wrong reaches the caller as the client's own kinds of error."""

from collections.abc import Callable

import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError

from tests.clients.servers import Sandbox

MODEL = "black-forest-labs/flux-dev"
Call = Callable[[Client], object]


def test_a_wrong_token_is_told(sandbox: Sandbox) -> None:
    client = Client(api_token="r8_invalid", base_url=sandbox.url)  # noqa: S106

    with pytest.raises(ReplicateError) as caught:
        client.predictions.list()

    assert (caught.value.status, caught.value.title) == (401, "Unauthenticated")
    assert caught.value.detail == "You did not pass a valid authentication token"
    client._client.close()


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ({}, "- input: prompt is required\n"),
        (
            {"prompt": "a cat", "num_inference_steps": 51},
            "- input.num_inference_steps: Must be less than or equal to 50\n",
        ),
    ],
)
def test_an_input_that_is_not_valid_is_told_line_by_line(
    client: Client, given: dict[str, object], detail: str
) -> None:
    with pytest.raises(ReplicateError) as caught:
        client.predictions.create(version=MODEL, input=given)

    assert (caught.value.status, caught.value.title) == (422, "Input validation failed")
    assert caught.value.detail == detail


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.predictions.get("nobody"), 404),
        (lambda client: client.predictions.cancel("nobody"), 404),
        (lambda client: client.trainings.get("nobody"), 404),
        (lambda client: client.models.get("no/body"), 404),
        (lambda client: client.collections.get("nothing"), 404),
        (lambda client: client.deployments.get("sandbox/nothing"), 404),
        (lambda client: client.predictions.list("/v1/predictions?cursor=nonsense"), 400),
        (lambda client: client.predictions.create(version="0" * 64, input={}), 422),
        (
            lambda client: client.models.predictions.create("sandbox/flux-toy-robot", input={"prompt": "a"}),
            404,
        ),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:no-credit"}), 402),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:throttled"}), 429),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:server-error"}), 500),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:bad-gateway"}), 502),
    ],
)
def test_errors_carry_their_status(client: Client, call: Call, status: int) -> None:
    with pytest.raises(ReplicateError) as caught:
        call(client)

    assert caught.value.status == status


async def test_the_async_half_raises_the_same(aclient: Client) -> None:
    with pytest.raises(ReplicateError) as caught:
        await aclient.async_run(MODEL, input={"prompt": "a cat", "num_outputs": 9})
    assert caught.value.status == 422
    with pytest.raises(ReplicateError) as caught:
        await aclient.trainings.async_get("nobody")
    assert caught.value.status == 404
