"""A Replicate that answers from a script, and a clock on which waiting takes no time."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import httpx

from app.models import JobKind, Order
from tests.manual_clock import ManualClock

TOKEN = "r8_" + "T0ken" * 7
BASE_URL = "https://api.replicate.com/v1"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class HastyClock(ManualClock):
    """A clock on which sleeping takes no time, and that remembers how long the sleeps were."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


class Upstream:
    """Answers requests from a script: per method and path, in order, the last one again and again."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self._script: dict[str, list[Answer]] = defaultdict(list)

    def on(self, request: str, *answers: Answer) -> Self:
        """Answer `METHOD /path` (below `/v1`, or a whole address elsewhere) like this."""
        self._script[request] = list(answers)
        return self

    def calls(self) -> list[str]:
        """What was asked, as `METHOD /path`."""
        return [_name(request) for request in self.seen]

    def body(self, index: int = -1) -> Any:
        """The JSON that was sent with one of the requests."""
        return json.loads(self.seen[index].content)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        answers = self._script.get(_name(request))
        if not answers:
            return httpx.Response(404, json={"detail": "The requested resource could not be found."})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        # An answer that is given more than once needs a body that can be read more than once.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def _name(request: httpx.Request) -> str:
    url = request.url
    if str(url).startswith(BASE_URL):
        return f"{request.method} {url.path.removeprefix('/v1')}"
    return f"{request.method} {url}"


def openapi(**properties: dict[str, Any]) -> dict[str, Any]:
    """A version's OpenAPI document with these inputs."""
    return {
        "components": {
            "schemas": {"Input": {"type": "object", "required": ["prompt"], "properties": properties}}
        }
    }


PROMPT = {"type": "string"}
SEED = {"type": "integer"}
OUTPUTS = {"type": "integer", "default": 1, "minimum": 1, "maximum": 4}
VERSION = "a" * 64
TRAINER_VERSION = "b" * 64

FLUX_DEV: dict[str, Any] = {
    "owner": "black-forest-labs",
    "name": "flux-dev",
    "description": "Twelve billion parameters",
    "is_official": True,
    "latest_version": {
        "id": "c" * 64,
        "openapi_schema": openapi(prompt=PROMPT, seed=SEED, num_outputs=OUTPUTS),
    },
}
FINE_TUNE: dict[str, Any] = {
    "owner": "zoe",
    "name": "cat",
    "is_official": False,
    "latest_version": {
        "id": VERSION,
        "openapi_schema": openapi(
            prompt=PROMPT,
            seed=SEED,
            num_outputs=OUTPUTS,
            model={"type": "string", "enum": ["dev", "schnell"]},
        ),
    },
}
TRAINER: dict[str, Any] = {
    "owner": "ostris",
    "name": "flux-dev-lora-trainer",
    "is_official": False,
    "latest_version": {
        "id": TRAINER_VERSION,
        "openapi_schema": {
            "components": {
                "schemas": {
                    "Input": {"type": "object", "properties": {"prompt": PROMPT}},
                    "TrainingInput": {
                        "type": "object",
                        "properties": {
                            "input_images": {"type": "string", "format": "uri"},
                            "trigger_word": {"type": "string"},
                            "steps": {"type": "integer", "minimum": 3, "maximum": 6000},
                            "hf_token": {"type": "string"},
                        },
                    },
                }
            }
        },
    },
}

RUN: dict[str, Any] = {
    "id": "ufawqhfynnddngldkgtslldrkq",
    "model": "owner/name",
    "version": "hidden",
    "input": {"prompt": "a cat", "seed": 7},
    "output": None,
    "logs": "",
    "error": None,
    "status": "starting",
    "created_at": "2026-01-01T12:00:00.123456789Z",
    "data_removed": False,
    "urls": {"get": f"{BASE_URL}/predictions/ufawqhfynnddngldkgtslldrkq"},
}

OFFICIAL = Order(
    "replicate", JobKind.GENERATION, "owner/name", None, {"prompt": "a cat", "seed": 7}, expected_outputs=1
)
PINNED = Order("replicate", JobKind.GENERATION, "zoe/cat", VERSION, {"prompt": "a cat"}, expected_outputs=1)
TRAINING = Order(
    "replicate",
    JobKind.TRAINING,
    "ostris/trainer",
    TRAINER_VERSION,
    {"steps": 10, "input_images": "https://example.com/a.zip"},
    destination="zoe/cat",
)
CREATE = "POST /models/owner/name/predictions"
