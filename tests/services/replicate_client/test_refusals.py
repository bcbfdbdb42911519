"""Answers by which Replicate declines or asks for a pause."""

from datetime import timedelta

import httpx
import pytest

from app.errors import (
    FieldError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import (
    CREATE,
    OFFICIAL,
    PINNED,
    RUN,
    HastyClock,
    Upstream,
)


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (
            httpx.Response(401, json={"title": "Unauthenticated", "detail": "You did not pass a token"}),
            FailureCode.PROVIDER_TOKEN_REFUSED,
            "Replicate refused the service's API token. Set a valid REPLICATE_API_TOKEN.",
        ),
        (
            httpx.Response(402, json={"detail": "You have insufficient credit, see account/billing"}),
            FailureCode.PROVIDER_OUT_OF_CREDIT,
            "Replicate takes no more work from this service at present."
            " Its operator has to look at the Replicate account.",
        ),
        (
            httpx.Response(403, text="<html>Forbidden</html>"),
            FailureCode.PROVIDER_REFUSED,
            "Replicate does not allow this service's token to do that.",
        ),
        (
            httpx.Response(404, json={"detail": "The specified training destination does not exist"}),
            FailureCode.PROVIDER_REFUSED,
            "Replicate does not know what was asked for. The specified training destination does not exist",
        ),
        (
            httpx.Response(400, json={"detail": "Your monthly spend limit: replicate.com/account/billing"}),
            FailureCode.PROVIDER_REFUSED,
            "Replicate refused the request with status 400.",
        ),
        (
            httpx.Response(422, json={"title": "Invalid version or not permitted"}),
            FailureCode.INPUT_REFUSED,
            "Replicate refused the input. Invalid version or not permitted",
        ),
        (
            httpx.Response(422, json=["an array"]),
            FailureCode.INPUT_REFUSED,
            "Replicate refused the input.",
        ),
        (
            httpx.Response(308, headers={"Location": "https://elsewhere.example"}),
            FailureCode.PROVIDER_REFUSED,
            "Replicate's address answered with a redirect. Check REPLICATE_BASE_URL.",
        ),
        (
            httpx.Response(499, text="odd"),
            FailureCode.PROVIDER_REFUSED,
            "Replicate refused the request with status 499.",
        ),
    ],
    ids=lambda value: f"{value.status_code}" if isinstance(value, httpx.Response) else "",
)
async def test_a_refusal_says_why(
    client: ReplicateClient, upstream: Upstream, answer: httpx.Response, code: FailureCode, sentence: str
) -> None:
    upstream.on(CREATE, answer)
    with pytest.raises(ProviderRefusedError) as caught:
        await client.create(OFFICIAL, wait=None, secrets={})
    assert caught.value.detail == sentence
    assert caught.value.failure_code == code
    assert caught.value.upstream_status == answer.status_code
    assert upstream.calls() == [CREATE]


async def test_refused_fields_carry_the_names_that_the_caller_knows(
    client: ReplicateClient, upstream: Upstream
) -> None:
    fields = [
        {"type": "required", "field": "input", "description": "prompt is required"},
        {"type": "number_lte", "field": "input.steps", "description": "Must be less than or equal to 4"},
        "nonsense",
    ]
    upstream.on(CREATE, httpx.Response(422, json={"detail": "- input: …\n", "invalid_fields": fields}))
    with pytest.raises(ProviderRefusedError) as caught:
        await client.create(OFFICIAL, wait=None, secrets={})
    assert caught.value.errors == (
        FieldError("prompt", "is required"),
        FieldError("steps", "Must be less than or equal to 4"),
    )
    assert caught.value.detail == (
        "Replicate refused the input. prompt: is required. steps: Must be less than or equal to 4."
    )


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (httpx.Response(429, headers={"Retry-After": "5"}, json={"retry_after": 9}), 5),
        (httpx.Response(429, headers={"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}), 30),
        (httpx.Response(429, headers={"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}), 0),
        (httpx.Response(429, headers={"Retry-After": "soon"}, json={"retry_after": 9.5}), 9.5),
        (httpx.Response(429, json={"detail": "Your rate limit resets in ~30s."}), 30),
        (httpx.Response(429, headers={"Retry-After": "3600"}), 300),
        (httpx.Response(429, headers={"Retry-After": "nan"}), None),
        (httpx.Response(429, text="<html>slow down</html>"), None),
        (httpx.Response(503, headers={"Retry-After": "7"}), 7),
    ],
)
async def test_the_pause_is_read_wherever_replicate_writes_it(
    client: ReplicateClient, upstream: Upstream, answer: httpx.Response, seconds: float | None
) -> None:
    upstream.on(CREATE, answer)
    with pytest.raises(ProviderUnavailableError) as caught:
        await client.create(OFFICIAL, wait=None, secrets={})
    assert caught.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_nothing_is_created_during_the_pause_that_replicate_asked_for(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock
) -> None:
    upstream.on(CREATE, httpx.Response(429, headers={"Retry-After": "30"}), httpx.Response(201, json=RUN))
    with pytest.raises(ProviderUnavailableError):
        await client.create(OFFICIAL, wait=None, secrets={})
    clock.advance(10)
    with pytest.raises(ProviderUnavailableError) as caught:
        await client.create(PINNED, wait=None, secrets={})
    assert caught.value.retry_after == timedelta(seconds=20)
    assert len(upstream.seen) == 1
    clock.advance(20)
    assert (await client.create(OFFICIAL, wait=None, secrets={})).upstream_id == RUN["id"]
