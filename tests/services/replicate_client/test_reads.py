"""Asking about runs and stopping them: repeated through passing faults, and always honest."""

from datetime import timedelta

import httpx
import pytest

from app.errors import ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode, JobKind, JobStatus, Run
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import RUN, HastyClock, Upstream

DONE = {**RUN, "status": "succeeded", "output": ["https://replicate.delivery/a/out-0.webp"]}
GET = "GET /predictions/abc"
CANCEL = "POST /predictions/abc/cancel"


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(429, text="slow down"),
        httpx.Response(500, text="oh"),
        httpx.Response(502, text="<html></html>"),
        httpx.Response(200, text="<html>not JSON</html>"),
    ],
    ids=["refused", "timeout", "429", "500", "502", "html"],
)
async def test_a_passing_fault_is_waited_out(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock, fault: httpx.Response | Exception
) -> None:
    upstream.on(GET, fault, fault, httpx.Response(200, json=DONE))
    report = await client.fetch(Run(JobKind.GENERATION, "abc"))
    assert report.status is JobStatus.SUCCEEDED
    assert clock.slept == [1.0, 2.0]


async def test_a_lasting_fault_is_given_up(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock
) -> None:
    upstream.on(GET, httpx.Response(503, text="down"))
    with pytest.raises(ProviderUnavailableError):
        await client.fetch(Run(JobKind.GENERATION, "abc"))
    assert upstream.calls() == [GET] * 4
    assert clock.slept == [1.0, 2.0, 4.0]


async def test_a_short_pause_is_kept_and_a_long_one_handed_on(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock
) -> None:
    upstream.on(
        GET,
        httpx.Response(429, headers={"Retry-After": "12"}),
        httpx.Response(429, headers={"Retry-After": "90"}),
    )
    with pytest.raises(ProviderUnavailableError) as caught:
        await client.fetch(Run(JobKind.GENERATION, "abc"))
    assert clock.slept == [12.0]
    assert caught.value.retry_after == timedelta(seconds=90)


async def test_slow_faults_do_not_add_up_to_minutes(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock
) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        clock.advance(30)
        raise httpx.ReadTimeout("slow", request=request)

    upstream.on(GET, slow)
    with pytest.raises(ProviderUnavailableError):
        await client.fetch(Run(JobKind.GENERATION, "abc"))
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("upstream_id", ["abc", "../account", "a b", "", "a/b", "a?b"])
async def test_an_unknown_run_is_a_refusal_with_404(client: ReplicateClient, upstream_id: str) -> None:
    with pytest.raises(ProviderRefusedError) as caught:
        await client.fetch(Run(JobKind.TRAINING, upstream_id))
    assert caught.value.upstream_status == 404


async def test_a_training_is_asked_for_under_trainings(client: ReplicateClient, upstream: Upstream) -> None:
    run = {
        "id": "abc",
        "status": "processing",
        "urls": {"get": "https://api.replicate.com/v1/predictions/abc"},
    }
    upstream.on("GET /trainings/abc", httpx.Response(200, json=run))
    assert (await client.fetch(Run(JobKind.TRAINING, "abc"))).status is JobStatus.PROCESSING


@pytest.mark.parametrize("answer", ["[]", "null", '{"status": "succeeded"}', ""])
async def test_an_answer_that_is_no_run_is_an_error(
    client: ReplicateClient, upstream: Upstream, answer: str
) -> None:
    upstream.on(GET, httpx.Response(200, text=answer))
    with pytest.raises(ProviderUnavailableError):
        await client.fetch(Run(JobKind.GENERATION, "abc"))


async def test_canceling_tells_how_the_run_stands(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on(CANCEL, httpx.Response(500), httpx.Response(200, json={**RUN, "status": "canceled"}))
    report = await client.cancel(Run(JobKind.GENERATION, "abc"))
    assert report.status is JobStatus.CANCELED
    assert upstream.calls() == [CANCEL, CANCEL]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"detail": "no"}),
        httpx.Response(409, text="finished"),
        httpx.Response(200, text=""),
    ],
    ids=["404", "409", "empty"],
)
async def test_canceling_what_has_ended_tells_how_it_ended(
    client: ReplicateClient, upstream: Upstream, answer: httpx.Response
) -> None:
    upstream.on(CANCEL, answer).on(GET, httpx.Response(200, json=DONE))
    assert (await client.cancel(Run(JobKind.GENERATION, "abc"))).status is JobStatus.SUCCEEDED
    assert upstream.calls() == [CANCEL, GET]


async def test_canceling_with_a_refused_token_is_an_error(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on(CANCEL, httpx.Response(401))
    with pytest.raises(ProviderRefusedError) as caught:
        await client.cancel(Run(JobKind.GENERATION, "abc"))
    assert caught.value.failure_code == FailureCode.PROVIDER_TOKEN_REFUSED
