"""Traces reach any collector that speaks OTLP."""

import json
import time
from collections.abc import Callable

from tests.endtoend.processes import free_port
from tests.telemetry.conftest import Collector
from tests.traced_service import Serve

CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRETS = {
    "REPLICATE_API_TOKEN": "r8_neverToBeSeenByCollectors123456",
    "API_KEY": "never-to-be-seen-api-key",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=for-the-collector-alone,x-tenant=us",
}
SHORTLY = 15.0
"""Seconds within which the service has to stop, whoever does not answer."""


async def test_a_generation_is_traced_as_a_part_of_its_callers_trace(
    collector: Collector, serve: Serve
) -> None:
    async with serve(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="pictures-of-ours"
    ) as client:
        made = await client.post(
            "/generate-image/?unknown=1",
            data={"prompt": "a cat"},
            headers={"X-Request-ID": "request-7", "traceparent": f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"},
        )

    spans = collector.spans()
    assert {span.service for span in spans} == {"pictures-of-ours"}
    by_name = {span.name: span for span in spans}
    request, job = by_name["POST /generate-image/"], by_name["job sent"]
    create, download = by_name["replicate create"], by_name["replicate download"]
    assert {span.trace.hex() for span in (request, job, create, download)} == {CALLERS_TRACE}
    assert (job.parent, create.parent, download.parent) == (request.id, job.id, job.id)
    assert request.attributes["http.response.status_code"] == "200"
    assert request.attributes["fluxgate.request_id"] == "request-7"
    assert {span.attributes["fluxgate.job_id"] for span in (job, create, download)} == {made.json()["job_id"]}
    assert not any(span.failed for span in spans)


async def test_the_collector_gets_its_headers_and_nobody_elses_secrets(
    collector: Collector, serve: Serve
) -> None:
    async with serve(OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/", **SECRETS) as client:
        client.headers["Authorization"] = f"Bearer {SECRETS['API_KEY']}"
        made = await client.post("/generate-image/", data={"prompt": "a cat that nobody needs to know of"})

    assert made.status_code == 200
    assert {(sent["x-collector-key"], sent["x-tenant"]) for sent in collector.headers} == {
        ("for-the-collector-alone", "us")
    }
    received = b"".join(collector.bodies)
    assert b"POST /generate-image/" in received
    for secret in (*SECRETS.values(), "for-the-collector-alone", "a cat that nobody needs to know of"):
        assert secret.encode() not in received


async def test_lines_of_the_log_carry_the_ids_of_their_trace(
    collector: Collector, serve: Serve, log: Callable[[], str]
) -> None:
    async with serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, LOG_FORMAT="json") as client:
        await client.post("/generate-image/", data={"prompt": "a cat"})

    lines = [json.loads(line) for line in log().splitlines() if line.startswith("{")]
    [access] = [line for line in lines if line["logger"] == "app.access"]
    [request] = [span for span in collector.spans() if span.name == "POST /generate-image/"]
    assert (access["trace_id"], access["span_id"]) == (request.trace.hex(), request.id.hex())


async def test_a_collector_that_is_not_there_keeps_nobody_from_pictures(serve: Serve) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with serve(OTEL_EXPORTER_OTLP_ENDPOINT=nowhere) as client:
        made = await client.post("/generate-image/", data={"prompt": "a cat"})
        began = time.monotonic()

    assert made.json()["status"] == "succeeded"
    assert time.monotonic() - began < SHORTLY


async def test_without_the_other_extra_the_log_says_what_to_install(
    serve: Serve, log: Callable[[], str]
) -> None:
    async with serve(DD_AGENT_HOST="127.0.0.1") as client:
        made = await client.post("/generate-image/", data={"prompt": "a cat"})

    assert made.status_code == 200
    assert "No traces are sent (No module named 'ddtrace'): install the extra `datadog`." in log()
