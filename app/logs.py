"""The log: one line for every record, text or JSON, with the ids of request and job and without secrets."""

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

from opentelemetry import trace

from app.observed_requests import ACCESS_LOGGER
from app.request_ids import REQUEST_ID
from app.working_on import JOB_ID

_OURS = "app"
# Their own handlers know neither our ids nor our secrets.
_SERVER = ("uvicorn", "uvicorn.error")
_SERVERS_ACCESS_LOG = "uvicorn.access"

_SECRET = re.compile(
    r"\b(?:r8|hf|fg|whsec)_[A-Za-z0-9+/_-]{6,}=*|\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/-]{8,}=*",
    re.IGNORECASE,
)
_STRUCK_OUT = "[hidden]"
_SHORTEST_SECRET = 8
_MOMENT_SECONDS = 0.05


@contextmanager
def logs_kept(
    *, json_lines: bool, level: str, access_log: bool = True, secrets: Iterable[str] = ()
) -> Iterator[None]:
    """Write every record of this process to standard error, until the end of the block.

    `level`, such as INFO, holds for this service; libraries are heard from WARNING on, since below that some
    show whole requests.
    `secrets` are struck out wherever they turn up, as is whatever looks like a token.
    """
    handler = _ToStandardError(_running_loop())
    handler.setFormatter((JsonLines if json_lines else TextLines)(Scrubber(secrets)))
    root, ours, access = logging.getLogger(), logging.getLogger(_OURS), logging.getLogger(ACCESS_LOGGER)
    servers = [logging.getLogger(name) for name in (*_SERVER, _SERVERS_ACCESS_LOG)]
    levels = [(logger, logger.level) for logger in (ours, access)]
    owners = [(logger, logger.handlers, logger.propagate) for logger in servers]
    of_another_block = [known for known in root.handlers if isinstance(known, _ToStandardError)]
    for known in of_another_block:
        root.removeHandler(known)
    root.addHandler(handler)
    ours.setLevel(level)
    access.setLevel(logging.NOTSET if access_log else logging.WARNING)
    for logger in servers:
        logger.handlers = []
        # With no handler to be found, uvicorn leaves its access log; ours says the same and more.
        logger.propagate = logger.name != _SERVERS_ACCESS_LOG
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.flush()
        for known in of_another_block:
            root.addHandler(known)
        for logger, before in levels:
            logger.setLevel(before)
        for logger, handlers, propagate in owners:
            logger.handlers, logger.propagate = handlers, propagate


class Scrubber:
    """Strikes out secrets: the given ones, and whatever looks like a token."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # What is shorter hides nothing and would riddle the text with holes.
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _STRUCK_OUT)
        return _SECRET.sub(lambda found: f"{found[1] or ''}{_STRUCK_OUT}", text)


class _Lines(logging.Formatter):
    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub


class JsonLines(_Lines):
    """A JSON object a record; what a record carries as `facts` becomes fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self._scrub(record.getMessage()),
            "request_id": self._scrub(REQUEST_ID.get()),
            "job_id": JOB_ID.get(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
            line["span_id"] = trace.format_span_id(span.span_id)
        facts: Mapping[str, object] | None = getattr(record, "facts", None)
        if facts is not None:
            line.update(facts)
        if (fault := _fault(record)) is not None:
            line["exception"] = self._scrub(fault)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(_Lines):
    """A line a record, for people; the traceback of an exception follows below it."""

    def format(self, record: logging.LogRecord) -> str:
        ids = [
            f"{name} {value}"
            for name, value in (("request", REQUEST_ID.get()), ("job", JOB_ID.get()))
            if value != "-"
        ]
        told = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_time(record)} {record.levelname} {record.name}: {told}"
        if ids:
            line = f"{line} [{', '.join(ids)}]"
        if (fault := _fault(record)) is not None:
            line = f"{line}\n{fault}"
        return self._scrub(line)


class _ToStandardError(logging.Handler):
    """Looks standard error up for every write, since it may be another one by then.

    Each write costs as much as making several lines, so those of a moment go out together; what is worth
    a warning goes out at once, and takes along what waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        super().__init__()
        self._loop = loop
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(f"{self.format(record)}\n")
            if self._loop is None or self._loop.is_closed() or record.levelno >= logging.WARNING:
                self.flush()
            elif len(self._lines) == 1:
                self._loop.call_soon_threadsafe(self._loop.call_later, _MOMENT_SECONDS, self.flush)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
        if lines:
            sys.stderr.write("".join(lines))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _fault(record: logging.LogRecord) -> str | None:
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    return record.stack_info
