"""The schema: made at once for a new database, and change by change for an old one."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

from app.storage import migrations
from app.storage.tables import metadata


def by_changes(engine: Engine, revision: str = "head") -> None:
    """Bring the schema there by every change from the first on."""
    with engine.begin() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def schema(engine: Engine) -> dict[str, object]:
    """All tables with their columns, keys and indexes, whatever order the columns came in."""
    look = inspect(engine)
    return {
        table: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in look.get_columns(table)},
            look.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (key["constrained_columns"], key["referred_table"]) for key in look.get_foreign_keys(table)
            ),
            sorted(
                (index["name"], index["column_names"], index["unique"]) for index in look.get_indexes(table)
            ),
        )
        for table in look.get_table_names()
    }


def test_a_new_database_is_as_one_that_went_through_every_change(tmp_path: Path) -> None:
    new, old = (create_engine(f"sqlite:///{tmp_path / name}.db") for name in ("new", "old"))
    migrations.upgrade(new)
    by_changes(old)
    assert schema(new) == schema(old)
    with old.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    new.dispose()
    old.dispose()


def test_the_newest_change_is_known_without_a_look_at_the_changes() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == migrations.HEAD


def test_an_old_database_is_brought_up_to_date(tmp_path: Path) -> None:
    new, old = (create_engine(f"sqlite:///{tmp_path / name}.db") for name in ("new", "old"))
    migrations.upgrade(new)
    by_changes(old, "0001")
    migrations.upgrade(old)
    assert schema(new) == schema(old)
    new.dispose()
    old.dispose()


def test_every_change_can_be_taken_back(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'records.db'}")
    by_changes(engine)
    with engine.begin() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
