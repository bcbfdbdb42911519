"""Run by Alembic, with the connection that `upgrade` hands over."""

from alembic import context

from app.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The caller's transaction spans all steps, so that a process that waits sees all or nothing.
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
