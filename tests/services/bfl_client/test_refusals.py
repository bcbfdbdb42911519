"""BFL's ways of saying no, and what callers get to hear."""

import httpx
import pytest

from app.errors import FieldError, ProviderRefusedError
from app.models import FailureCode, JsonValue
from app.services.bfl_client import BflClient
from tests.services.bfl_client.scripted import ASK_THERE, CREATE, KEY, ORDER, RUN
from tests.services.replicate_client.scripted import Upstream


async def refused(client: BflClient, upstream: Upstream, answer: httpx.Response) -> ProviderRefusedError:
    upstream.on(CREATE, answer)
    with pytest.raises(ProviderRefusedError) as caught:
        await client.create(ORDER, wait=None, secrets={})
    assert upstream.calls() == [CREATE]
    assert caught.value.upstream_status == answer.status_code or answer.status_code == 401
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "code", "sentence"),
    [
        (402, {"detail": "Insufficient credits."}, FailureCode.PROVIDER_OUT_OF_CREDIT,
         "The credits of this service's account at Black Forest Labs are used up."
         " Its operator has to add some."),
        (403, {"detail": "Not authenticated"}, FailureCode.PROVIDER_TOKEN_REFUSED,
         "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."),
        (401, {"detail": "Not authenticated"}, FailureCode.PROVIDER_TOKEN_REFUSED,
         "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."),
        (422, {"detail": "The image is too small"}, FailureCode.INPUT_REFUSED,
         "Black Forest Labs refused the input. The image is too small"),
        (400, {"error": "bad_request", "message": "No such format"}, FailureCode.INPUT_REFUSED,
         "Black Forest Labs refused the input. No such format"),
        (413, {}, FailureCode.INPUT_REFUSED, "Black Forest Labs refused the input."),
        (404, {"detail": "Finetune not found"}, FailureCode.PROVIDER_REFUSED,
         "Black Forest Labs refused the request with status 404. Finetune not found"),
        (307, {}, FailureCode.PROVIDER_REFUSED,
         "The address of Black Forest Labs answered with a redirect. Check BFL_BASE_URL."),
    ],
)  # fmt: skip
async def test_a_refusal_says_whose_fault_it_is(
    client: BflClient,
    upstream: Upstream,
    status: int,
    body: JsonValue,
    code: FailureCode,
    sentence: str,
) -> None:
    headers = {"Location": "https://api.eu.bfl.ai/v1/flux-dev"} if status == 307 else {}
    error = await refused(client, upstream, httpx.Response(status, headers=headers, json=body))
    assert (error.failure_code, error.detail) == (code, sentence)


async def test_a_list_of_errors_names_fields_in_our_words(client: BflClient, upstream: Upstream) -> None:
    detail = [
        {"loc": ["body", "guidance"], "msg": "Input should be less than or equal to 5", "input": 9},
        {"loc": ["body", "steps"], "msg": "Input should be a valid integer"},
        {"loc": ["body", "images", 0], "msg": "Not an image", "input": "x" * 1000},
        {"loc": ["body"], "msg": "Value error, too large", "input": {"prompt": "a cat"}},
        "what?",
    ]
    error = await refused(client, upstream, httpx.Response(422, json={"detail": detail}))
    assert error.failure_code == FailureCode.INPUT_REFUSED
    assert error.errors == (
        FieldError("guidance_scale", "9 was refused: Input should be less than or equal to 5."),
        FieldError("num_inference_steps", "Input should be a valid integer."),
        FieldError("images", "Not an image."),
        FieldError("input", "Value error, too large."),
    )
    assert "guidance_scale: 9 was refused" in error.detail


async def test_the_key_is_struck_out_of_what_is_told(client: BflClient, upstream: Upstream) -> None:
    detail = [{"loc": ["body", "prompt"], "msg": f"not for {KEY}", "input": KEY}]
    for body in ({"detail": detail}, {"detail": f"no model for {KEY}"}):
        error = await refused(client, upstream, httpx.Response(422, json=body))
        assert KEY not in f"{error.detail}{error.errors}"
        upstream.seen.clear()


async def test_a_refused_question_is_not_asked_again(client: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_THERE, httpx.Response(403, json={"detail": "Not authenticated"}))
    with pytest.raises(ProviderRefusedError) as caught:
        await client.fetch(RUN)
    assert caught.value.failure_code == FailureCode.PROVIDER_TOKEN_REFUSED
    assert upstream.calls() == [ASK_THERE]
