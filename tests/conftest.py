"""What tests share: the real service on the embedded sandbox, a clock that they own, and no network."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.config import Settings
from app.main import create_app
from app.provider_settings import SandboxMode
from tests.manual_clock import ManualClock

LOOPBACK = ("127.", "::1", "localhost", "/")


class GivenSettings(Settings):
    """Settings that come from the test alone, whatever the environment says."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every address but this machine's own."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else str(address)
        if not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def clock() -> ManualClock:
    """The time of the service and of the sandbox."""
    return ManualClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that touch nothing but the test's own folder; the sandbox is instant."""
    return GivenSettings(
        sandbox=SandboxMode.ON,
        sandbox_pace=0,
        data_dir=tmp_path / "data",
        image_store=tmp_path / "generated_images",
        training_images_dir=tmp_path / "training_images",
        local_models_dir=tmp_path / "models",
    )


Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve(settings: Settings, clock: ManualClock) -> Serve:
    """Start the service, with other settings or another way to the provider where a test needs that."""

    @asynccontextmanager
    async def start(
        changed: Settings | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        client_host: str = "127.0.0.1",
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings=changed or settings, clock=clock, transport=transport)
        async with LifespanManager(app) as manager:
            way_in = httpx.ASGITransport(app=manager.app, client=(client_host, 50000))
            async with httpx.AsyncClient(transport=way_in, base_url="http://fluxgate") as client:
                yield client

    return start


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service."""
    async with serve() as client:
        yield client
