"""The load generator: all requests at once, each on its own connection.

A process of its own, so that its work is never counted as a contender's.  Writes one JSON object to
standard output: what `measure.burst` reads.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from urllib.parse import quote_plus, urlsplit

import uvloop

from benchmarks.http_client import Connection

_PATHS_KEPT = 5


def post(path: str, body: bytes, media_type: str, headers: str = "") -> bytes:
    """A whole POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media_type}\r\n"
        f"content-length: {len(body)}\r\naccept: application/json\r\n{headers}\r\n"
    )
    return head.encode("latin-1") + body


def get(path: str) -> bytes:
    """A whole GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n".encode("latin-1")


def contender_request(prompt: str) -> bytes:
    """A generation, asked of a contender."""
    body = f"prompt={quote_plus(prompt)}".encode("ascii")
    return post("/generate-image/", body, "application/x-www-form-urlencoded")


def upstream_request(prompt: str) -> bytes:
    """The same generation, asked of the upstream itself."""
    body = json.dumps({"input": {"prompt": prompt}}).encode()
    return post(
        "/v1/models/black-forest-labs/flux-dev/predictions",
        body,
        "application/json",
        "authorization: Bearer benchmark\r\nprefer: wait\r\n",
    )


class Load:
    """One burst of generations and what came of it."""

    def __init__(self, *, port: int, direct: bool) -> None:
        self._port = port
        self._direct = direct
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.picture_paths: list[str] = []

    async def run(self, prompts: list[str], *, deadline_s: float) -> None:
        """Start all at once; what is unanswered at the deadline is an error."""
        tasks = [asyncio.create_task(self._one(prompt)) for prompt in prompts]
        _, late = await asyncio.wait(tasks, timeout=deadline_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if late:
            self.errors[f"no answer within {deadline_s:.0f} s"] += len(late)

    async def _one(self, prompt: str) -> None:
        started = time.perf_counter()
        try:
            connection = await Connection.open(self._port)
            try:
                error = await self._generate(connection, prompt)
            finally:
                connection.close()
        except OSError as failure:
            error = f"{type(failure).__name__}: {failure}"
        except (ValueError, KeyError, TypeError, IndexError) as failure:
            error = f"not the answer that was promised: {failure!r}"
        if error:
            self.errors[error] += 1
        else:
            self.latencies.append(time.perf_counter() - started)

    async def _generate(self, connection: Connection, prompt: str) -> str:
        """Ask for one picture; what went wrong, or nothing."""
        request = upstream_request(prompt) if self._direct else contender_request(prompt)
        answer = await connection.send(request)
        if answer.status not in ({200, 201} if self._direct else {200}):
            return f"status {answer.status}: {answer.body[:120].decode(errors='replace')}"
        body = json.loads(answer.body)
        if not self._direct:
            if len(self.picture_paths) < _PATHS_KEPT:
                self.picture_paths.append(urlsplit(str(body["generated_image_url"])).path)
            return ""
        picture = await connection.send(get(urlsplit(body["output"][0]).path), keep_body=False)
        return "" if picture.status == 200 else f"status {picture.status} for the picture"


def main() -> None:
    """Run one burst and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--deadline", type=float, required=True, help="seconds")
    parser.add_argument("--name", required=True, help="begins every prompt; keeps bursts apart")
    parser.add_argument("--direct", action="store_true", help="the port is the upstream's own")
    options = parser.parse_args()
    load = Load(port=options.port, direct=options.direct)
    # No two prompts are alike: a service may join identical requests, and that is not what is measured.
    prompts = [f"{options.name}: a lighthouse, view {number}" for number in range(options.in_flight)]
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(load.run(prompts, deadline_s=options.deadline))
    times = os.times()
    json.dump(
        {
            "latencies_s": load.latencies,
            "errors": load.errors,
            "picture_paths": load.picture_paths,
            "wall_s": time.perf_counter() - started,
            "cpu_s": times.user + times.system,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
