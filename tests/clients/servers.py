"""What the clients talk to: the sandbox, started as a user would start it, and a receiver of webhooks."""

import os
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
HEARD_SECONDS = 10
STOP_SECONDS = 10


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox; `url` is where it listens, without `/v1`."""

    url: str


@contextmanager
def serve_sandbox(directory: Path, *options: str, port: int = 0) -> Iterator[Sandbox]:
    """Run a sandbox without waits, with its state and its log in `directory`; port 0 leaves the choice to it.

    It needs the project's own interpreter, which is not that of these tests: SANDBOX_PYTHON, or else `.venv`.
    """
    python = os.environ.get("SANDBOX_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
    command = [python, "-m", "app.sandbox", "--port", str(port), "--pace", "0", "--directory", str(directory)]
    command += options
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    with process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("The sandbox listens on "), (directory / "log").read_text()
            yield Sandbox(f"http://127.0.0.1:{port}" if port else first.split()[4].removesuffix("/v1"))
        finally:
            process.terminate()
            process.communicate(timeout=STOP_SECONDS)
    # Whatever the sandbox complained about, it should not have.
    assert (directory / "log").read_text() == ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ThroughFront(httpx.HTTPTransport):
    """Leads every https request to `sandbox`, as a proxy with a certificate in front of it would."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(trust_env=False)
        self._to = httpx.URL(sandbox.url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        request.url = request.url.copy_with(scheme="http", host=self._to.host, port=self._to.port)
        return super().handle_request(request)


@dataclass(frozen=True)
class Heard:
    """A webhook as it arrived."""

    headers: Mapping[str, str]
    body: bytes


class Letterbox:
    """Receives webhooks at `url`."""

    def __init__(self, url: str, arrived: "queue.Queue[Heard]") -> None:
        self.url = url
        self._arrived = arrived

    def next(self) -> Heard:
        """The next webhook, as soon as it is there; `queue.Empty` is raised if none comes."""
        return self._arrived.get(timeout=HEARD_SECONDS)


@contextmanager
def serve_letterbox() -> Iterator[Letterbox]:
    """Listen on this machine until the end of the block."""
    arrived: queue.Queue[Heard] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.put(Heard(dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what arrives is looked at by the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Letterbox(f"http://127.0.0.1:{server.server_address[1]}/webhook?job=1", arrived)
        finally:
            server.shutdown()
            thread.join()
