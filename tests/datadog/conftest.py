"""Datadog's own test agent, and the service with Datadog's tracer, each in a process, over real HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.endtoend.processes import Server, free_port
from tests.traced_service import Serve, serves_in


@dataclass(frozen=True)
class Span:
    """What Datadog calls a span; `resource` is its name there, `tags` all that is attached to it."""

    id: int
    parent: int
    trace: int
    service: str
    resource: str
    error: int
    tags: dict[str, str]


@dataclass(frozen=True)
class Agent:
    """A running test agent."""

    port: int

    async def received(self) -> str:
        """All traces that came, as JSON."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{self.port}/test/session/traces")
        return answer.raise_for_status().text

    async def spans(self) -> list[Span]:
        """The spans of all traces."""
        return [
            Span(
                *(span["span_id"], span["parent_id"], span["trace_id"], span["service"], span["resource"]),
                error=span.get("error", 0),
                tags=span["meta"],
            )
            for spans in json.loads(await self.received())
            for span in spans
        ]


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """An agent that has heard nothing yet."""
    port, otlp_http, otlp_grpc = free_port(), free_port(), free_port()
    ports = ("--port", port, "--otlp-http-port", otlp_http, "--otlp-grpc-port", otlp_grpc)
    arguments = ["-m", "ddapm_test_agent.agent", *map(str, ports)]
    server = Server(arguments, port=port, directory=tmp_path, settings={})
    try:
        await server.until_up("/info")
        yield Agent(port)
    finally:
        await server.kill()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """The service, with the settings that a test gives it."""
    return serves_in(tmp_path)
