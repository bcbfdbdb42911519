"""A collector of traces that speaks OTLP, and the service with OpenTelemetry's SDK."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.traced_service import Serve, serves_in


@dataclass(frozen=True)
class Span:
    """One span, with the attributes of the service that it came from."""

    name: str
    id: bytes
    parent: bytes
    trace: bytes
    service: str
    failed: bool
    attributes: dict[str, str]


@dataclass
class Collector:
    """Keeps what was sent to it."""

    url: str
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Span]:
        """The spans of all traces."""
        found = []
        for body in self.bodies:
            for of_service in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = {pair.key: pair.value.string_value for pair in of_service.resource.attributes}
                found += [
                    Span(
                        *(span.name, span.span_id, span.parent_span_id, span.trace_id),
                        service=about["service.name"],
                        failed=span.status.code == span.status.STATUS_CODE_ERROR,
                        attributes={
                            pair.key: pair.value.string_value or str(pair.value.int_value)
                            for pair in span.attributes
                        },
                    )
                    for scope in of_service.scope_spans
                    for span in scope.spans
                ]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that has heard nothing yet."""
    heard = Collector("")

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            heard.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        heard.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """The service, with the settings that a test gives it."""
    return serves_in(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], str]:
    """What the service has written to its log."""

    def read() -> str:
        [file] = tmp_path.glob("*.log")
        return file.read_text()

    return read
