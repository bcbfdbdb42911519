"""Several providers: where a run is asked about, what else may be run, what a failure is called there."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("upstream_url", sa.Text))
    op.add_column("jobs", sa.Column("failure_provider_details", sa.JSON))
    op.add_column("jobs", sa.Column("alternatives", sa.JSON))
    op.add_column("jobs", sa.Column("passed_over", sa.JSON))
    op.create_index("jobs_waiting", "jobs", ["provider", "status", "sent_at"])


def downgrade() -> None:
    op.drop_index("jobs_waiting", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        for column in ("passed_over", "alternatives", "failure_provider_details", "upstream_url"):
            jobs.drop_column(column)
