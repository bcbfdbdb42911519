"""What the sandbox's tests share: a sandbox of their own, a client of it, and training pictures."""

import base64
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from blockbuster import blockbuster_ctx
from PIL import Image
from starlette.applications import Starlette

from app.sandbox import Clock, SandboxTransport, create_sandbox
from app.sandbox.sandbox import Sandbox
from tests.sandbox.leaping_clock import LeapingClock

Make = Callable[..., Starlette]
Connect = Callable[[Starlette], httpx.AsyncClient]
Predict = Callable[..., Awaitable[dict[str, Any]]]
Train = Callable[..., Awaitable[dict[str, Any]]]
Order = Callable[..., Awaitable[dict[str, Any]]]
Encoded = Callable[..., str]


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    """Files, SQLite and the like belong into threads."""
    with blockbuster_ctx("app.sandbox"):
        yield


@pytest.fixture
def clock() -> LeapingClock:
    """The sandbox's time."""
    return LeapingClock()


@pytest.fixture
async def make(tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Make a sandbox; all of one test share a directory unless it says otherwise."""
    async with AsyncExitStack() as stack:

        def made(**arguments: Any) -> Starlette:
            app = create_sandbox(**{"directory": tmp_path, "clock": clock, **arguments})
            stack.push_async_callback(app.state.sandbox.aclose)
            return app

        yield made


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make a client with a token."""
    async with AsyncExitStack() as stack:

        def connected(app: Starlette) -> httpx.AsyncClient:
            client = httpx.AsyncClient(
                transport=SandboxTransport(app),
                base_url="https://api.replicate.com/v1/",
                headers={"Authorization": "Bearer r8_anything"},
            )
            stack.push_async_callback(client.aclose)
            return client

        yield connected


@pytest.fixture
def app(make: Make) -> Starlette:
    """A sandbox at its usual pace: half a second to start, one second for each picture."""
    return make()


@pytest.fixture
def sandbox(app: Starlette) -> Sandbox:
    """What is inside of `app`."""
    found: Sandbox = app.state.sandbox
    return found


@pytest.fixture
def api(app: Starlette, connect: Connect) -> httpx.AsyncClient:
    """A client of `app`."""
    return connect(app)


@pytest.fixture
def predict(api: httpx.AsyncClient) -> Predict:
    """Create a prediction with flux-dev and return the answer's JSON."""

    async def predicted(
        prompt: str = "a cat",
        *,
        prefer: str | None = None,
        status: int = 201,
        webhook: str | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        response = await api.post(
            "models/black-forest-labs/flux-dev/predictions",
            json={"input": {"prompt": prompt, **given}} | ({"webhook": webhook} if webhook else {}),
            headers={"Prefer": prefer} if prefer else {},
        )
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        return found

    return predicted


@pytest.fixture(scope="session")
def archive() -> bytes:
    """A zip with four pictures, one of which comes with a caption."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for number in range(4):
            picture = io.BytesIO()
            Image.new("RGB", (64, 64), (60 * number, 90, 200 - 60 * number)).save(picture, "PNG")
            target.writestr(f"dog-{number}.png", picture.getvalue())
        target.writestr("dog-1.txt", "a dog on a hill")
    return packed.getvalue()


@pytest.fixture
async def destination(api: httpx.AsyncClient) -> str:
    """A model to train."""
    about = {"owner": "sandbox", "name": "dogs", "visibility": "private", "hardware": "gpu-t4"}
    response = await api.post("models", json=about)
    assert response.status_code == 201
    return "sandbox/dogs"


@pytest.fixture
async def trainings_path(api: httpx.AsyncClient) -> str:
    """Where trainings of the usual trainer are created."""
    trainer = "models/ostris/flux-dev-lora-trainer"
    version = (await api.get(trainer)).json()["latest_version"]["id"]
    return f"{trainer}/versions/{version}/trainings"


@pytest.fixture
async def uploaded(api: httpx.AsyncClient, archive: bytes) -> str:
    """The address of the uploaded `archive`."""
    response = await api.post("files", files={"content": ("dogs.zip", archive, "application/zip")})
    assert response.status_code == 201
    return str(response.json()["urls"]["get"])


@pytest.fixture
def train(api: httpx.AsyncClient, trainings_path: str, destination: str, uploaded: str) -> Train:
    """Start a training and return the answer's JSON."""

    async def trained(*, status: int = 201, webhook: str | None = None, **given: Any) -> dict[str, Any]:
        inputs = {"input_images": uploaded, "trigger_word": "DOGGO", "steps": 100, **given}
        body = {"destination": destination, "input": inputs} | ({"webhook": webhook} if webhook else {})
        response = await api.post(trainings_path, json=body)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        return found

    return trained


@pytest.fixture
async def bfl(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of BFL's global host with a key."""
    transport = SandboxTransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://api.bfl.ai/v1/", headers={"x-key": "bfl_anything"}
    ) as client:
        yield client


@pytest.fixture
def order(bfl: httpx.AsyncClient) -> Order:
    """Order something from BFL and return the answer's JSON."""

    async def ordered(endpoint: str = "flux-dev", *, status: int = 200, **given: Any) -> dict[str, Any]:
        response = await bfl.post(endpoint, json=given)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        return found

    return ordered


@pytest.fixture
def finished(bfl: httpx.AsyncClient, order: Order, clock: LeapingClock) -> Order:
    """Order something, let it finish and return what its polling address says then."""

    async def ended(endpoint: str = "flux-dev", **given: Any) -> dict[str, Any]:
        created = await order(endpoint, **given)
        clock.advance(2)
        found: dict[str, Any] = (await bfl.get(created["polling_url"])).json()
        return found

    return ended


@pytest.fixture
def encoded() -> Encoded:
    """A PNG of one colour in base64."""

    def made(colour: str = "red", size: tuple[int, int] = (256, 192), mode: str = "RGB") -> str:
        file = io.BytesIO()
        Image.new(mode, size, colour).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()

    return made


@pytest.fixture
def heard() -> list[httpx.Request]:
    """The webhooks that were received."""
    return []


@pytest.fixture
def answers() -> list[int]:
    """What the receiver answers next; 200 when it is empty, nothing at all for 0."""
    return []


@pytest.fixture
async def outside(heard: list[httpx.Request], answers: list[int]) -> AsyncIterator[httpx.AsyncClient]:
    """The way to the receiver of webhooks."""

    def receive(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        status = answers.pop(0) if answers else 200
        if status == 0:
            raise httpx.ConnectError("nobody there", request=request)
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as http:
        yield http
