"""Where traces go: to any collector that speaks OTLP, or to a Datadog agent; nowhere unless told.

Spans are made with OpenTelemetry's API alone, by FastAPI for requests and by us for jobs and for calls to
providers. What differs is who takes them: OpenTelemetry's own SDK, or Datadog's tracer, which implements the
same API. Neither patches any library, so that it does not matter what was imported before, and no header of
ours is sent to a provider.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import unquote

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

logger = logging.getLogger(__name__)

FASTAPI_TELEMETRY: TelemetryConfig = {
    "tracing": True,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""Spans of requests, once there is somebody to take them. Everything else that is left on costs CPU for each
request, also when there is nobody; what is counted is at `/metrics`."""

_FLUSH_SECONDS = 5


@dataclass(frozen=True, slots=True)
class OtlpCollector:
    """A collector at `endpoint`, to which `/v1/traces` is added; `headers` as in `name=value,name=value`."""

    endpoint: str
    service: str
    headers: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DatadogAgent:
    """A Datadog agent."""

    host: str
    port: int
    service: str


async def send_traces(to: OtlpCollector | DatadogAgent, stack: AsyncExitStack) -> None:
    """Send what is traced from now on; what is left is sent when `stack` is closed.

    Where the package that this needs is not installed, or where somebody takes the spans already (as under
    `opentelemetry-instrument` or `ddtrace-run`), nothing happens, and the log says so.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        logger.info("spans are taken by %s already", type(trace.get_tracer_provider()).__module__)
        return
    try:
        provider, stop = await asyncio.to_thread(_begin, to)
    except ImportError as exc:
        extra = "telemetry" if isinstance(to, OtlpCollector) else "datadog"
        logger.warning("No traces are sent (%s): install the extra `%s`.", exc, extra)
        return
    trace.set_tracer_provider(provider)
    # Servers end the process by the signal they got, so that nothing registered with atexit runs.
    stack.push_async_callback(asyncio.to_thread, stop)


_Begun = tuple[trace.TracerProvider, Callable[[], object]]


def _begin(to: OtlpCollector | DatadogAgent) -> _Begun:
    return _begin_otlp(to) if isinstance(to, OtlpCollector) else _begin_datadog(to)


def _begin_otlp(to: OtlpCollector) -> _Begun:
    exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resources = importlib.import_module("opentelemetry.sdk.resources")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")

    # Time limits, certificates and samplers are OpenTelemetry's own variables, read by itself.
    sender = exporter.OTLPSpanExporter(
        endpoint=f"{to.endpoint.rstrip('/')}/v1/traces", headers=_headers(to.headers)
    )
    batches = export.BatchSpanProcessor(sender)
    provider = sdk.TracerProvider(
        resource=resources.Resource.create({"service.name": to.service}), shutdown_on_exit=False
    )
    provider.add_span_processor(batches)

    def stop() -> None:
        provider.force_flush(_FLUSH_SECONDS * 1000)
        provider.shutdown()

    return provider, stop


def _begin_datadog(to: DatadogAgent) -> _Begun:
    # Datadog's tracer takes these from the environment alone, at the moment when it is first imported.
    os.environ.update(DD_AGENT_HOST=to.host, DD_TRACE_AGENT_PORT=str(to.port), DD_SERVICE=to.service)
    # Reports on itself, its settings and all installed packages: not asked for, unless it was.
    os.environ.setdefault("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false")
    provider = importlib.import_module("ddtrace.opentelemetry").TracerProvider()
    tracer = importlib.import_module("ddtrace.trace").tracer
    return provider, lambda: tracer.shutdown(_FLUSH_SECONDS)


def _headers(text: str | None) -> dict[str, str]:
    pairs = (part.partition("=") for part in (text or "").split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, found, value in pairs if found}
