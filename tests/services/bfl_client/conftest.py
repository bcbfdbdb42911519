"""The client under test and the scripted BFL that it talks to."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.services.bfl_client import BflClient
from tests.services.bfl_client.scripted import BASE, KEY
from tests.services.replicate_client.scripted import HastyClock, Upstream


@pytest.fixture
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def transport(upstream: Upstream) -> httpx.AsyncBaseTransport:
    return httpx.MockTransport(upstream)


Build = Callable[..., BflClient]


@pytest.fixture
def build(transport: httpx.AsyncBaseTransport, clock: HastyClock) -> Build:
    """Make a client with other arguments than usual."""

    def make(**changed: Any) -> BflClient:
        arguments: dict[str, Any] = {
            "transport": transport,
            "key": KEY,
            "base_url": BASE,
            "clock": clock,
            "jitter": lambda: 1.0,
        }
        return BflClient(**{**arguments, **changed})

    return make


@pytest.fixture
def client(build: Build) -> BflClient:
    return build()
