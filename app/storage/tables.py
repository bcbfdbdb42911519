"""The tables. What they hold is explained at `app.models`."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC without a zone, in microseconds."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("model", String(255), nullable=False),
    Column("version", String(255)),
    Column("input", JSON, nullable=False),
    Column("expected_outputs", Integer, nullable=False),
    Column("seed", Integer),
    Column("destination", String(255)),
    Column("training_set", String(64)),
    Column("trigger_word", String(255)),
    Column("ignored", JSON, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("unknown_since", UtcDateTime),
    Column("fetching_since", UtcDateTime),
    Column("gone_since", UtcDateTime),
    Column("unheard_since", UtcDateTime),
    Column("resends", Integer, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("predict_seconds", Float),
    Column("upstream_id", String(64)),
    Column("tried", JSON, nullable=False),
    Column("progress", JSON),
    Column("log_tail", Text, nullable=False),
    Column("notice", Text),
    Column("failure_code", String(64)),
    Column("failure_detail", Text),
    Column("result_version", String(255)),
    Column("result_weights", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("idempotency_key", String(255)),
    Column("request_digest", String(64)),
    Index("jobs_upstream", "provider", "upstream_id", unique=True),
    Index("jobs_idempotency_key", "idempotency_key", unique=True),
    Index("jobs_due", "due_at"),
    Index("jobs_newest", "created_at", "id"),
    Index("jobs_model", "model", "created_at"),
)

images = Table(
    "images",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("images_job", "job_id", "position"),
)
