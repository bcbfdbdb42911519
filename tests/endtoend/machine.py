"""A machine for one test: a sandbox, the way to it, and any number of services on shared records."""

import asyncio
import io
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.endtoend.processes import Server, free_port
from tests.endtoend.proxy import Proxy
from tests.picture_writers import picture_writers

FINAL = {"succeeded", "failed", "canceled"}


class Service:
    """A running service, as its callers know it."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def generate(self, prompt: str, *, waits: bool, key: str | None = None) -> httpx.Response | None:
        """Ask for a picture, staying for it or not; None when the service went away meanwhile."""
        headers = {} if waits else {"Prefer": "respond-async"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            return await self.client.post("/generate-image/", json={"prompt": prompt}, headers=headers)
        except httpx.TransportError:
            return None

    async def all_succeeded(self, number: int, *, seconds: float = 60) -> list[dict[str, Any]]:
        """All jobs that are on record, once they have ended; there have to be `number` of them."""
        async with asyncio.timeout(seconds):
            while True:
                page = await self.client.get("/jobs", params={"limit": 100})
                jobs: list[dict[str, Any]] = page.json()["jobs"]
                if all(job["status"] in FINAL for job in jobs):
                    break
                await asyncio.sleep(0.25)
        assert [job["failure"] for job in jobs if job["status"] != "succeeded"] == []
        assert len(jobs) == number
        return jobs

    async def check_pictures(self, jobs: list[dict[str, Any]]) -> None:
        """Every job has its one picture, which is handed out whole."""
        for job in jobs:
            (image,) = job["images"]
            answer = await self.client.get(image["url"])
            assert answer.status_code == 200
            with Image.open(io.BytesIO(answer.content)) as picture:
                picture.load()
                assert picture.size == (image["width"], image["height"])


class Machine:
    """Servers, and one folder for their records and pictures."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._way: str | None = None
        self._sandbox: Server | None = None

    async def start_sandbox(self, *, pace: float) -> Proxy:
        """Start the provider; the way to it."""
        port, way_port = free_port(), free_port()
        proxy = Proxy(f"http://127.0.0.1:{port}")
        self._stack.push_async_callback(proxy.aclose)
        await proxy.start(way_port)
        self._way = f"http://127.0.0.1:{way_port}"
        words = f"-m app.sandbox --port {port} --url {self._way} --directory sandbox --pace {pace}"
        self._sandbox = self._spawn(words.split(), port, {})
        await self._sandbox.until_up("/sandbox")
        return proxy

    async def start_service(self, *uvicorn_options: str, **settings: str) -> Service:
        """Start the service: by uvicorn if there are options for it, otherwise as `python -m app`."""
        port = free_port()
        by_uvicorn = ["-m", "uvicorn", "app.main:app", "--port", str(port), *uvicorn_options]
        environment = {
            "REPLICATE_BASE_URL": str(self._way),
            "BFL_BASE_URL": str(self._way),
            "REPLICATE_API_TOKEN": "any",
            "SANDBOX": "off",
            "DATA_DIR": str(self._directory / "data"),
            "IMAGE_STORE": str(self._directory / "generated_images"),
            "TRAINING_IMAGES_DIR": str(self._directory / "training_images"),
            "PORT": str(port),
            **settings,
        }
        server = self._spawn(by_uvicorn if uvicorn_options else ["-m", "app"], port, environment)
        # Every request on a connection of its own, so that several workers get some each.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        client = httpx.AsyncClient(base_url=server.url, timeout=80, trust_env=False, limits=limits)
        await self._stack.enter_async_context(client)
        await server.until_up("/ping")
        return Service(server, client)

    async def counts(self) -> dict[str, int]:
        """What the provider has seen."""
        assert self._sandbox is not None
        async with httpx.AsyncClient(trust_env=False) as client:
            counts: dict[str, int] = (await client.get(f"{self._sandbox.url}/sandbox")).json()
        return counts

    async def until_counted(self, name: str, number: int) -> None:
        """Return once the provider has seen that many."""
        async with asyncio.timeout(30):
            while True:
                if (await self.counts())[name] >= number:
                    return
                await asyncio.sleep(0.05)

    async def picture_writer(self) -> int:
        """The id of the process that writes the service's pictures, once there is one."""
        async with asyncio.timeout(30):
            while True:
                for pid in picture_writers(self._directory / "generated_images"):
                    return pid
                await asyncio.sleep(0.02)

    async def versions(self, model: str) -> list[str]:
        """The versions of a model at the provider, as `owner/name:id`."""
        assert self._sandbox is not None
        headers = {"Authorization": "Bearer any"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            answer = await client.get(f"{self._sandbox.url}/v1/models/{model}/versions")
        return [f"{model}:{version['id']}" for version in answer.json()["results"]]

    def _spawn(self, arguments: Sequence[str], port: int, settings: dict[str, str]) -> Server:
        server = Server(arguments, port=port, directory=self._directory, settings=settings)
        self._stack.push_async_callback(server.kill)
        return server


async def until(holds: Callable[[], bool]) -> None:
    """Return once it `holds`."""
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)
