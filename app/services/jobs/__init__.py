"""Jobs: their rules (`life`), the one door to their status (`door`), their `runs`, the verbs (`service`)."""

from app.services.jobs.service import JobService

__all__ = ["JobService"]
