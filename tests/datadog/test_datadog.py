"""Traces reach a Datadog agent, as soon as `DD_AGENT_HOST` names one."""

from pathlib import Path

from tests.datadog.conftest import Agent, Span
from tests.endtoend.processes import ROOT, free_port
from tests.traced_service import Serve

PICTURES = Path(ROOT) / "examples" / "training_pictures.zip"
SECRETS = {
    "REPLICATE_API_TOKEN": "r8_neverToBeSeenByDatadog1234567890",
    "API_KEY": "never-to-be-seen-api-key",
}
HF_TOKEN = "hf_neverToBeSeenByDatadogEither"  # noqa: S105 - it opens nothing
PROMPT = "a cat that nobody at Datadog needs to know of"


async def test_a_generation_is_traced_from_the_request_to_the_picture(agent: Agent, serve: Serve) -> None:
    async with serve(
        DD_AGENT_HOST="127.0.0.1",
        DD_TRACE_AGENT_PORT=str(agent.port),
        DATADOG_SERVICE_NAME="pictures-of-ours",
    ) as client:
        made = await client.post(
            "/generate-image/", data={"prompt": "a cat"}, headers={"X-Request-ID": "request-7"}
        )

    job_id = made.json()["job_id"]
    spans = await agent.spans()
    assert {span.service for span in spans} == {"pictures-of-ours"}
    by_name: dict[str, Span] = {span.resource: span for span in spans}
    request, job = by_name["POST /generate-image/"], by_name["job sent"]
    create, download = by_name["replicate create"], by_name["replicate download"]
    assert {span.trace for span in (request, job, create, download)} == {request.trace}
    assert (job.parent, create.parent, download.parent) == (request.id, job.id, job.id)
    assert request.tags["http.status_code"] == "200"
    assert request.tags["http.route"] == "/generate-image/"
    assert request.tags["fluxgate.request_id"] == "request-7"
    assert {span.tags["fluxgate.job_id"] for span in (job, create, download)} == {job_id}
    assert create.tags["fluxgate.outcome"] == "ok"
    assert [span.error for span in spans] == [0] * len(spans)


async def test_a_call_that_fails_is_an_error_in_the_same_trace(agent: Agent, serve: Serve) -> None:
    async with serve(DD_AGENT_HOST="127.0.0.1", DD_TRACE_AGENT_PORT=str(agent.port)) as client:
        await client.post(
            "/generate-image/",
            data={"prompt": "a cat sandbox:throttled"},
            headers={"Prefer": "respond-async, wait=5"},
        )

    creates = [span for span in await agent.spans() if span.resource == "replicate create"]
    assert ("unavailable", 1) in [(span.tags["fluxgate.outcome"], span.error) for span in creates]
    assert {span.service for span in await agent.spans()} == {"fluxgate"}


async def test_no_secret_and_no_prompt_goes_to_datadog(agent: Agent, serve: Serve) -> None:
    async with serve(DD_AGENT_HOST="127.0.0.1", DD_TRACE_AGENT_PORT=str(agent.port), **SECRETS) as client:
        client.headers["Authorization"] = f"Bearer {SECRETS['API_KEY']}"
        made = await client.post("/generate-image/", data={"prompt": PROMPT})
        started = await client.post(
            "/fine-tune/",
            data={"trigger_word": "TOK", "hf_token": HF_TOKEN},
            files={"training_images": PICTURES.read_bytes()},
        )

    assert (made.status_code, started.status_code) == (200, 200), started.text
    received = await agent.received()
    assert '"resource": "POST /fine-tune/"' in received
    assert [secret for secret in (*SECRETS.values(), HF_TOKEN, PROMPT) if secret in received] == []


async def test_nothing_is_sent_where_no_agent_is_named(agent: Agent, serve: Serve) -> None:
    async with serve(DD_TRACE_AGENT_PORT=str(agent.port)) as client:
        await client.post("/generate-image/", data={"prompt": "a cat"})

    assert await agent.spans() == []


async def test_an_agent_that_is_not_there_keeps_nobody_from_pictures(serve: Serve) -> None:
    async with serve(DD_AGENT_HOST="127.0.0.1", DD_TRACE_AGENT_PORT=str(free_port())) as client:
        made = await client.post("/generate-image/", data={"prompt": "a cat"})

    assert made.json()["status"] == "succeeded"
