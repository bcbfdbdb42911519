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
    Column("upstream_url", Text),
    Column("tried", JSON, nullable=False),
    Column("progress", JSON),
    Column("log_tail", Text, nullable=False),
    Column("notice", Text),
    Column("failure_code", String(64)),
    Column("failure_detail", Text),
    Column("failure_provider_details", JSON(none_as_null=True)),
    Column("result_version", String(255)),
    Column("result_weights", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("idempotency_key", String(255)),
    Column("request_digest", String(64)),
    Column("dataset_id", String(64)),
    Column("webhook_url", Text),
    Column("webhook_events", JSON),
    Column("warnings", JSON),
    Column("losses", JSON),
    Column("alternatives", JSON),
    Column("passed_over", JSON),
    Index("jobs_upstream", "provider", "upstream_id", unique=True),
    Index("jobs_idempotency_key", "idempotency_key", unique=True),
    Index("jobs_due", "due_at"),
    Index("jobs_newest", "created_at", "id"),
    Index("jobs_model", "model", "created_at"),
    Index("jobs_states", "status", "kind", "provider"),
    Index("jobs_waiting", "provider", "status", "sent_at"),
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
    Index("images_size", "size_bytes"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("captions", Integer, nullable=False),
    Column("report", JSON, nullable=False),
    Index("datasets_newest", "created_at", "id"),
)

provider_files = Table(
    "provider_files",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("address", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

fine_tunes = Table(
    "fine_tunes",
    metadata,
    Column("alias", String(128), primary_key=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("model", String(255), nullable=False),
    Column("version", String(255), nullable=False),
    Column("trigger_word", String(255)),
    Column("dataset_id", String(64)),
    Column("sample", String(255)),
    Column("sample_job", String(32)),
    Column("created_at", UtcDateTime, nullable=False),
    Index("fine_tunes_job", "job_id", unique=True),
    Index("fine_tunes_newest", "created_at"),
)

events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("type", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("payload", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("state", String(16), nullable=False),
    Index("events_job", "job_id", "created_at"),
    Index("events_due", "due_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("event_id", String(64), ForeignKey("events.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
    Column("milliseconds", Integer),
)

receivers = Table(
    "receivers",
    metadata,
    Column("url", String(512), primary_key=True),
    Column("secret", String(255), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

seen_webhooks = Table(
    "seen_webhooks",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("seen_at", UtcDateTime, nullable=False),
    Index("seen_webhooks_age", "seen_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("api_keys_sha256", "sha256", unique=True),
)
