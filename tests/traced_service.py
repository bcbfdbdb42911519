"""The service in a process of its own, for tests that look at what it has sent elsewhere."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx

from tests.endtoend.processes import Server, free_port

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def serves_in(directory: Path) -> Serve:
    """Runs the service with given settings; behind the block it has stopped and has sent what it had."""

    @asynccontextmanager
    async def start(**settings: str) -> AsyncIterator[httpx.AsyncClient]:
        port = free_port()
        given = {"SANDBOX": "on", "SANDBOX_PACE": "0", "PORT": str(port), **settings}
        server = Server(["-m", "app"], port=port, directory=directory, settings=given)
        try:
            await server.until_up("/ping")
            async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:
                yield client
            await server.stop()
        finally:
            await server.kill()

    return start
