"""A neutral upstream that speaks Replicate's wire: a fixed delay, then pictures of 200 kB.

Shares no code with the service or its sandbox.  `GET /counters` tells how often each route was called.
"""

import argparse
import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from benchmarks import flux_dev
from benchmarks.http_server import Request, Response, json_response, serve
from benchmarks.pictures import make_pictures

_PAGE = 100
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NOT_LIMITED = "ratelimit-remaining: 1000000\r\nratelimit-reset: 1\r\n"
_PREFER = re.compile(r"wait(?:=(\d+))?$")


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _problem(status: int, title: str, detail: str) -> Response:
    return json_response({"title": title, "detail": detail, "status": status}, status)


_NOT_FOUND = _problem(404, "Not Found", "The requested resource could not be found.")
_UNAUTHENTICATED = _problem(401, "Unauthenticated", "You did not pass a valid authentication token")


@dataclass(slots=True)
class Prediction:
    """A prediction whose state follows from the clock."""

    id: str
    model: str
    input: dict[str, Any]
    created: float = field(default_factory=time.time)
    canceled: float | None = None


class Upstream:
    """Replicate's predictions and models, as far as a generation needs them."""

    def __init__(self, *, delay_s: float, port: int) -> None:
        self._delay = delay_s
        self._origin = f"http://127.0.0.1:{port}"
        self._pictures = make_pictures()
        self._predictions: dict[str, Prediction] = {}
        self._newest_last: list[Prediction] = []
        self._ids = random.Random(0)
        self.counters: Counter[str] = Counter()

    def handle(self, request: Request, respond: Callable[[Response], None]) -> None:
        """Answer one request, now or after the delay."""
        parts = request.path.strip("/").split("/")
        if parts[0] == "v1":
            if not request.headers.get("authorization", "").startswith(("Bearer ", "Token ")):
                respond(_UNAUTHENTICATED)
            elif request.method == "POST" and parts[-1] == "predictions":
                self._create(request, parts, respond)
            else:
                respond(self._api(request, parts[1:]))
        elif parts[0] == "delivery":
            respond(self._deliver(parts))
        elif parts[0] == "counters":
            respond(json_response(self.counters))
        elif parts[0] == "ping":
            respond(json_response("pong"))
        else:
            respond(_NOT_FOUND)

    def _create(self, request: Request, parts: list[str], respond: Callable[[Response], None]) -> None:
        body = request.json()
        if not isinstance(body.get("input", {}).get("prompt"), str):
            respond(_problem(422, "Input validation failed", "- input: prompt is required\n"))
            return
        self.counters["creates"] += 1
        model = "/".join(parts[2:4]) if len(parts) == 5 else "black-forest-labs/flux-dev"
        identifier = "".join(self._ids.choices(_ID_ALPHABET, k=26))
        prediction = Prediction(identifier, model, body["input"])
        self._predictions[identifier] = prediction
        self._newest_last.append(prediction)
        prefer = _PREFER.search(request.headers.get("prefer", ""))
        if prefer is None:
            respond(json_response(self._shown(prediction), 201, _NOT_LIMITED))
            return
        wait = min(float(prefer[1] or 60), 60.0)
        headers = f"{_NOT_LIMITED}preference-applied: {prefer[0]}\r\n"
        asyncio.get_running_loop().call_later(
            min(wait, self._delay), partial(self._answer_sync, prediction, headers, respond)
        )

    def _answer_sync(self, prediction: Prediction, headers: str, respond: Callable[[Response], None]) -> None:
        shown = self._shown(prediction)
        if shown["status"] == "succeeded":
            # Replicate answers as soon as the outputs exist, before the prediction is called finished.
            shown["status"] = "processing"
            for later in ("completed_at", "metrics"):
                del shown[later]
        respond(json_response(shown, 201 if shown["output"] else 202, headers))

    def _shown(self, prediction: Prediction) -> dict[str, Any]:
        """The prediction object, in its state at this moment."""
        elapsed = time.time() - prediction.created
        api = f"{self._origin}/v1/predictions/{prediction.id}"
        shown: dict[str, Any] = {
            "id": prediction.id,
            "model": prediction.model,
            "version": "hidden",
            "input": prediction.input,
            "logs": "",
            "output": None,
            "data_removed": False,
            "error": None,
            "source": "api",
            "status": "starting" if elapsed < self._delay / 10 else "processing",
            "created_at": _timestamp(prediction.created),
            "urls": {"get": api, "cancel": f"{api}/cancel", "web": f"{self._origin}/p/{prediction.id}"},
        }
        if prediction.canceled is not None:
            shown |= {"status": "canceled", "completed_at": _timestamp(prediction.canceled)}
        # The timer of a sync create may fire a millisecond early by the wall clock.
        elif elapsed > self._delay - 0.002:
            kind = prediction.input.get("output_format", "webp")
            count = int(prediction.input.get("num_outputs", 1))
            shown |= {
                "status": "succeeded",
                "output": [f"{self._origin}/delivery/{prediction.id}/out-{n}.{kind}" for n in range(count)],
                "started_at": _timestamp(prediction.created + self._delay / 10),
                "completed_at": _timestamp(prediction.created + self._delay),
                "metrics": {"predict_time": self._delay * 0.9, "total_time": self._delay},
            }
        return shown

    def _api(self, request: Request, parts: list[str]) -> Response:
        match request.method, parts:
            case "GET", ["account"]:
                return json_response({"type": "user", "username": "benchmark", "name": "Benchmark"})
            case "GET", ["models", owner, name]:
                return json_response(flux_dev.model(owner, name))
            case "GET", ["models", _, _, "versions"]:
                return json_response({"next": None, "previous": None, "results": [flux_dev.VERSION]})
            case "GET", ["models", _, _, "versions", _]:
                return json_response(flux_dev.VERSION)
            case "GET", ["predictions"]:
                self.counters["lists"] += 1
                return self._page(request)
            case "GET", ["predictions", identifier] if identifier in self._predictions:
                self.counters["gets"] += 1
                return json_response(self._shown(self._predictions[identifier]), headers=_NOT_LIMITED)
            case "POST", ["predictions", identifier, "cancel"] if identifier in self._predictions:
                self.counters["cancels"] += 1
                prediction = self._predictions[identifier]
                if prediction.canceled is None and time.time() - prediction.created < self._delay:
                    prediction.canceled = time.time()
                return json_response(self._shown(prediction))
        return _NOT_FOUND

    def _page(self, request: Request) -> Response:
        """A page of 100, newest first; the cursor is how many came before it when it was made."""
        after = request.query.get("created_after")
        known = self._newest_last
        if after:
            since = datetime.fromisoformat(after).timestamp()
            known = [prediction for prediction in known if prediction.created > since]
        end = int(request.query.get("cursor", len(known)))
        page = [self._shown(prediction) for prediction in reversed(known[max(0, end - _PAGE) : end])]
        following = f"{self._origin}/v1/predictions?cursor={end - _PAGE}" if end > _PAGE else None
        if following and after:
            following += f"&created_after={after.replace('+', '%2B')}"
        return json_response({"next": following, "previous": None, "results": page}, headers=_NOT_LIMITED)

    def _deliver(self, parts: list[str]) -> Response:
        if len(parts) != 3 or parts[1] not in self._predictions:
            return _NOT_FOUND
        stem, _, kind = parts[2].partition(".")
        picture = self._pictures.get(kind)
        if picture is None:
            return _NOT_FOUND
        self.counters["deliveries"] += 1
        stamp = f"{stem.removeprefix('out-')}-{parts[1]}"
        return Response(200, picture.stamped(stamp), picture.media_type)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds from a create to its pictures")
    options = parser.parse_args()
    serve(Upstream(delay_s=options.delay, port=options.port).handle, options.port)


if __name__ == "__main__":
    main()
