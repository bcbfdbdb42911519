"""What goes wrong reaches the caller as the client's own kinds of error."""

from collections.abc import Callable

import pytest
import replicate
from replicate import APIStatusError, AsyncReplicate, Replicate

from tests.clients.servers import Sandbox

MODEL = "black-forest-labs/flux-dev"
Call = Callable[[Replicate], object]


def test_a_wrong_token_is_told(sandbox: Sandbox) -> None:
    with (
        Replicate(bearer_token="r8_invalid", base_url=f"{sandbox.url}/v1", max_retries=0) as client,  # noqa: S106
        pytest.raises(replicate.AuthenticationError) as caught,
    ):
        client.predictions.list()

    assert caught.value.body == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


def test_an_input_that_is_not_valid_is_told_field_by_field(client: Replicate) -> None:
    with pytest.raises(replicate.UnprocessableEntityError) as caught:
        client.predictions.create(version=MODEL, input={"num_inference_steps": 51})

    assert caught.value.response.json() == {
        "title": "Input validation failed",
        "detail": "- input: prompt is required\n"
        "- input.num_inference_steps: Must be less than or equal to 50\n",
        "status": 422,
        "invalid_fields": [
            {"type": "required", "field": "input", "description": "prompt is required"},
            {
                "type": "number_lte",
                "field": "input.num_inference_steps",
                "description": "Must be less than or equal to 50",
            },
        ],
    }


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.predictions.get(prediction_id="nobody"), 404),
        (lambda client: client.predictions.cancel(prediction_id="nobody"), 404),
        (lambda client: client.trainings.get(training_id="nobody"), 404),
        (lambda client: client.models.get(model_owner="no", model_name="body"), 404),
        (lambda client: client.collections.get(collection_slug="nothing"), 404),
        (lambda client: client.deployments.get(deployment_owner="sandbox", deployment_name="no"), 404),
        (lambda client: client.predictions.list(extra_query={"cursor": "nonsense"}), 400),
        (lambda client: client.predictions.create(version="0" * 64, input={}), 422),
        (lambda client: client.run("sandbox/flux-toy-robot", input={"prompt": "a"}), 404),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:no-credit"}), 402),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:throttled"}), 429),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:server-error"}), 500),
        (lambda client: client.run(MODEL, input={"prompt": "a sandbox:bad-gateway"}), 502),
    ],
)
def test_errors_carry_their_status(client: Replicate, call: Call, status: int) -> None:
    with pytest.raises(APIStatusError) as caught:
        call(client)

    assert caught.value.status_code == status


def test_a_throttled_caller_is_told_when_to_come_back(client: Replicate) -> None:
    with pytest.raises(replicate.RateLimitError) as caught:
        client.run(MODEL, input={"prompt": "two cats sandbox:throttled"})

    assert caught.value.response.headers["retry-after"] == "5"
    assert caught.value.response.json()["retry_after"] == 5


async def test_coroutines_raise_the_same(aclient: AsyncReplicate) -> None:
    with pytest.raises(replicate.UnprocessableEntityError):
        await aclient.run(MODEL, input={"prompt": "a cat", "num_outputs": 9})
    with pytest.raises(replicate.NotFoundError):
        await aclient.trainings.get(training_id="nobody")
