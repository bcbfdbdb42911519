"""Jobs and their images."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("version", sa.String(255)),
        sa.Column("input", sa.JSON, nullable=False),
        sa.Column("expected_outputs", sa.Integer, nullable=False),
        sa.Column("seed", sa.Integer),
        sa.Column("destination", sa.String(255)),
        sa.Column("training_set", sa.String(64)),
        sa.Column("trigger_word", sa.String(255)),
        sa.Column("ignored", sa.JSON, nullable=False),
        sa.Column("secrets", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("deadline", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("unknown_since", sa.DateTime),
        sa.Column("fetching_since", sa.DateTime),
        sa.Column("gone_since", sa.DateTime),
        sa.Column("unheard_since", sa.DateTime),
        sa.Column("resends", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime),
        sa.Column("completed_at", sa.DateTime),
        sa.Column("predict_seconds", sa.Float),
        sa.Column("upstream_id", sa.String(64)),
        sa.Column("tried", sa.JSON, nullable=False),
        sa.Column("progress", sa.JSON),
        sa.Column("log_tail", sa.Text, nullable=False),
        sa.Column("notice", sa.Text),
        sa.Column("failure_code", sa.String(64)),
        sa.Column("failure_detail", sa.Text),
        sa.Column("result_version", sa.String(255)),
        sa.Column("result_weights", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_digest", sa.String(64)),
    )
    op.create_index("jobs_upstream", "jobs", ["provider", "upstream_id"], unique=True)
    op.create_index("jobs_idempotency_key", "jobs", ["idempotency_key"], unique=True)
    op.create_index("jobs_due", "jobs", ["due_at"])
    op.create_index("jobs_newest", "jobs", ["created_at", "id"])
    op.create_index("jobs_model", "jobs", ["model", "created_at"])
    op.create_table(
        "images",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("images_job", "images", ["job_id", "position"])


def downgrade() -> None:
    op.drop_table("images")
    op.drop_table("jobs")
