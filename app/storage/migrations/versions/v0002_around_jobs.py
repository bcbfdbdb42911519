"""Datasets, fine-tunes, events and their deliveries, API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("dataset_id", sa.String(64)))
    op.add_column("jobs", sa.Column("webhook_url", sa.Text))
    op.add_column("jobs", sa.Column("webhook_events", sa.JSON))
    op.add_column("jobs", sa.Column("warnings", sa.JSON))
    op.add_column("jobs", sa.Column("losses", sa.JSON))
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
        sa.Column("captions", sa.Integer, nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
    )
    op.create_index("datasets_newest", "datasets", ["created_at", "id"])
    op.create_table(
        "provider_files",
        sa.Column("provider", sa.String(32), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "fine_tunes",
        sa.Column("alias", sa.String(128), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("trigger_word", sa.String(255)),
        sa.Column("dataset_id", sa.String(64)),
        sa.Column("sample", sa.String(255)),
        sa.Column("sample_job", sa.String(32)),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("fine_tunes_job", "fine_tunes", ["job_id"], unique=True)
    op.create_index("fine_tunes_newest", "fine_tunes", ["created_at"])
    _list_earlier_trainings()
    op.create_table(
        "events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime),
        sa.Column("state", sa.String(16), nullable=False),
    )
    op.create_index("events_job", "events", ["job_id", "created_at"])
    op.create_index("events_due", "events", ["due_at"])
    op.create_table(
        "deliveries",
        sa.Column("event_id", sa.String(64), sa.ForeignKey("events.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("milliseconds", sa.Integer),
    )
    op.create_table(
        "receivers",
        sa.Column("url", sa.String(512), primary_key=True),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "seen_webhooks",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("seen_at", sa.DateTime, nullable=False),
    )
    op.create_index("seen_webhooks_age", "seen_webhooks", ["seen_at"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_index("api_keys_sha256", "api_keys", ["sha256"], unique=True)
    # What /metrics counts is read from these alone.
    op.create_index("jobs_states", "jobs", ["status", "kind", "provider"])
    op.create_index("images_size", "images", ["size_bytes"])


def _list_earlier_trainings() -> None:
    """Put the models of trainings that had succeeded before into the list, oldest first."""
    trainings = sa.text(
        "SELECT id, provider, destination, result_version, trigger_word, updated_at FROM jobs "
        "WHERE kind = 'training' AND status = 'succeeded' "
        "AND destination IS NOT NULL AND result_version IS NOT NULL ORDER BY updated_at, id"
    )
    add = sa.text(
        "INSERT INTO fine_tunes (alias, job_id, provider, model, version, trigger_word, created_at) "
        "VALUES (:alias, :job_id, :provider, :model, :version, :trigger_word, :created_at)"
    )
    taken = {"dev", "schnell"}
    for job in op.get_bind().execute(trainings).all():
        name = job.destination.rpartition("/")[2].lower()[:60]
        alias, number = name, 1
        while alias in taken:
            number += 1
            alias = f"{name}-{number}"
        taken.add(alias)
        row = {
            "alias": alias,
            "job_id": job.id,
            "provider": job.provider,
            "model": job.destination,
            "version": job.result_version.rpartition(":")[2],
            "trigger_word": job.trigger_word,
            "created_at": job.updated_at,
        }
        op.get_bind().execute(add, row)


def downgrade() -> None:
    op.drop_index("images_size", "images")
    op.drop_index("jobs_states", "jobs")
    for table in (
        *("api_keys", "seen_webhooks", "receivers", "deliveries", "events", "fine_tunes"),
        *("provider_files", "datasets"),
    ):
        op.drop_table(table)
    with op.batch_alter_table("jobs") as jobs:
        for column in ("losses", "warnings", "webhook_events", "webhook_url", "dataset_id"):
            jobs.drop_column(column)
