"""Which job is being worked on: at hand for every log line, and a span where traces are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace

NO_JOB = "-"

JOB_ID: ContextVar[str] = ContextVar("job_id", default=NO_JOB)
"""The id of the job that this task works on."""

# Stands for whatever provider of traces there will be; does nothing as long as there is none.
_tracer = trace.get_tracer("fluxgate")


@contextmanager
def working_on(job_id: str, step: str) -> Iterator[None]:
    """Everything inside belongs to that job; `step` names what is done, in few words."""
    before = JOB_ID.set(job_id)
    try:
        span = _tracer.start_span(f"job {step}", attributes={"fluxgate.job_id": job_id})
        if span.is_recording():
            with trace.use_span(span, end_on_exit=True):
                yield
        else:
            # Nobody keeps traces; making the span the current one would cost more than all else here.
            yield
    finally:
        JOB_ID.reset(before)
