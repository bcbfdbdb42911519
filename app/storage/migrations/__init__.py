"""Changes of the database's schema, applied at start by Alembic."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from app.storage.tables import metadata

HEAD = "0003"
"""The newest revision, so that a database that is up to date need not load Alembic; a test compares."""


def upgrade(engine: Engine) -> None:
    """Bring the schema to `HEAD`. Processes that start together take turns."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if not inspect(connection).get_table_names():
            _create(connection)
        elif _revision(connection) != HEAD:
            _run_alembic(connection)
        connection.exec_driver_sql("COMMIT")


def _create(connection: Connection) -> None:
    """Make the newest schema at once; a test sees that all changes one by one come to the same."""
    metadata.create_all(connection)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
