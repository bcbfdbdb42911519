"""The client under test and the scripted Replicate that it talks to."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import (
    BASE_URL,
    FINE_TUNE,
    FLUX_DEV,
    TOKEN,
    TRAINER,
    HastyClock,
    Upstream,
)


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
def upstream() -> Upstream:
    """A Replicate that knows the account `zoe` and two models."""
    upstream = Upstream()
    upstream.on("GET /account", httpx.Response(200, json={"type": "user", "username": "zoe"}))
    upstream.on("GET /models/black-forest-labs/flux-dev", httpx.Response(200, json=FLUX_DEV))
    upstream.on("GET /models/zoe/cat", httpx.Response(200, json=FINE_TUNE))
    upstream.on("GET /models/ostris/flux-dev-lora-trainer", httpx.Response(200, json=TRAINER))
    return upstream


@pytest.fixture
def transport(upstream: Upstream) -> httpx.AsyncBaseTransport:
    return httpx.MockTransport(upstream)


@pytest.fixture
async def http(transport: httpx.AsyncBaseTransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=transport) as http:
        yield http


Build = Callable[..., ReplicateClient]


@pytest.fixture
def build(http: httpx.AsyncClient, transport: httpx.AsyncBaseTransport, clock: HastyClock) -> Build:
    """Make a client with other arguments than usual."""

    def make(**changed: Any) -> ReplicateClient:
        arguments: dict[str, Any] = {
            "http": http,
            "transport": transport,
            "token": TOKEN,
            "base_url": BASE_URL,
            "default_model": "black-forest-labs/flux-dev",
            "trainer": "ostris/flux-dev-lora-trainer",
            "clock": clock,
            "jitter": lambda: 1.0,
        }
        return ReplicateClient(**{**arguments, **changed})

    return make


@pytest.fixture
def client(build: Build) -> ReplicateClient:
    return build()
