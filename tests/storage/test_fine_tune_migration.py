"""Trainings that had succeeded before fine-tunes had a list are in it after the migration."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from app.storage import migrations
from app.storage.database import Database
from app.storage.fine_tunes import FineTuneRows

_ADD = text(
    "INSERT INTO jobs (id, kind, status, provider, model, input, expected_outputs, destination, trigger_word,"
    " ignored, secrets, created_at, updated_at, deadline, revision, attempt, resends, tried, log_tail,"
    " result_version, cancel_requested) VALUES (:id, 'training', :status, 'replicate', 'me/trainer', '{}',"
    " 0, :destination, 'TOK', '[]', '[]', :at, :at, :at, 1, 1, 0, '[]', '', :version, 0)"
)
_EARLIER = [
    ("a", "succeeded", "me/Cats", "me/Cats:1111", "2026-01-01 12:00:00.000000"),
    ("b", "succeeded", "me/cats", "me/cats:2222", "2026-01-02 12:00:00.000000"),
    ("c", "succeeded", "me/dev", "me/dev:3333", "2026-01-03 12:00:00.000000"),
    ("d", "failed", "me/dogs", None, "2026-01-04 12:00:00.000000"),
]


async def test_earlier_trainings_are_in_the_list(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fluxgate.db'}"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for job_id, status, destination, version, at in _EARLIER:
            row = {"id": job_id, "status": status, "destination": destination, "version": version, "at": at}
            connection.execute(_ADD, row)
    engine.dispose()

    database = Database(url)
    await database.start()
    found = await FineTuneRows(database).all()
    await database.aclose()

    assert [(f.alias, f.model, f.version, f.job_id) for f in found] == [
        ("dev-2", "me/dev", "3333", "c"),
        ("cats-2", "me/cats", "2222", "b"),
        ("cats", "me/Cats", "1111", "a"),
    ]
    assert {f.trigger_word for f in found} == {"TOK"}
