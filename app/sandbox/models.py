"""Models and their versions: the ones that always exist, and those that were made here."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from app.sandbox.catalogue import Model, Template, Version, built_in_models
from app.sandbox.clock import Clock
from app.sandbox.database import Database
from app.sandbox.problems import ProblemError, forbidden, not_found
from app.sandbox.run_store import moment, run_counts


class Models:
    """All models; those of `account` can be made, changed and trained."""

    def __init__(self, *, database: Database, clock: Clock, account: str) -> None:
        self._database = database
        self._clock = clock
        self._account = account
        self._built_in = {model.full_name: model for model in built_in_models(account)}
        self._built_in_versions = {
            model.version.id: model.version for model in self._built_in.values() if model.version is not None
        }

    async def get(self, owner: str, name: str) -> Model:
        """The model with its newest version; 404 when there is none."""
        built_in = self._built_in.get(f"{owner}/{name}")
        if built_in is not None and owner != self._account:
            return built_in  # nobody else trains, so these never change
        now = self._clock.now()
        found = await self._database.read(lambda connection: self._find(connection, owner, name, now))
        if found is None:
            raise not_found()
        return found

    async def public(self) -> list[Model]:
        """The public models, newest first."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> list[Model]:
            rows = connection.execute("select owner, name from models").fetchall()
            names = [(row["owner"], row["name"]) for row in rows]
            names += [(model.owner, model.name) for model in self._built_in.values()]
            return [model for name in names if (model := self._find(connection, *name, now)) is not None]

        found = [model for model in await self._database.read(work) if model.public]
        return sorted(found, key=lambda model: model.created, reverse=True)

    async def create(self, model: Model) -> Model:
        """Record a new model; 403 for somebody else's name, 409 for one that is taken."""
        if model.owner != self._account:
            raise forbidden(f"The owner must be the account of the API token, which is {self._account}.")

        def work(connection: sqlite3.Connection) -> bool:
            values = (model.owner, model.name, model.created.timestamp(), json.dumps(model.about))
            added = connection.execute("insert or ignore into models values (?, ?, ?, ?)", values)
            return added.rowcount == 1

        if model.full_name in self._built_in or not await self._database.write(work):
            detail = "A model with that name and owner already exists."
            raise ProblemError(409, detail, title="Conflict", errors=[{"detail": detail}])
        return model

    async def change(self, owner: str, name: str, changes: Mapping[str, str]) -> Model:
        """Change what a model says about itself."""
        model = await self._own(owner, name)
        changed = replace(model, about={**model.about, **changes})
        await self._database.write(
            lambda connection: connection.execute(
                "update models set about = ? where owner = ? and name = ?",
                (json.dumps(changed.about), owner, name),
            )
        )
        return changed

    async def delete(self, owner: str, name: str) -> None:
        """Delete a model of ones own that is private and has no versions."""
        model = await self._own(owner, name)
        if model.public:
            raise ProblemError(403, "Only private models can be deleted.", title="Forbidden")
        if model.version is not None:
            raise ProblemError(403, "The model still has versions; delete them first.", title="Forbidden")
        await self._database.write(
            lambda connection: connection.execute(
                "delete from models where owner = ? and name = ?", (owner, name)
            )
        )

    async def versions(self, owner: str, name: str) -> list[Version]:
        """The versions of a model, newest first."""
        model = await self.get(owner, name)
        now = self._clock.now()
        return await self._database.read(lambda connection: self._versions(connection, model.full_name, now))

    async def version(self, version_id: str) -> Version | None:
        """The version with that id, whosever it is."""
        if version_id in self._built_in_versions:
            return self._built_in_versions[version_id]
        now = self._clock.now()
        return await self._database.read(lambda connection: _version(connection, version_id, now))

    async def version_of(self, owner: str, name: str, version_id: str) -> Version:
        """That version of that model; 404 when there is none."""
        model = await self.get(owner, name)
        version = await self.version(version_id)
        if version is None or version.model != model.full_name:
            raise not_found()
        return version

    async def delete_version(self, owner: str, name: str, version_id: str) -> None:
        """Delete a version of ones own private model that no deployment uses."""
        await self._own(owner, name)
        version = await self.version_of(owner, name, version_id)
        model = await self.get(owner, name)
        if model.public:
            raise ProblemError(403, "Versions of public models cannot be deleted.", title="Forbidden")
        now = self._clock.now().timestamp()

        def work(connection: sqlite3.Connection) -> bool:
            used = connection.execute("select 1 from deployments where version = ?", (version.id,)).fetchone()
            if used is None:
                connection.execute("update versions set deleted = ? where id = ?", (now, version.id))
            return used is None

        if not await self._database.write(work):
            raise ProblemError(409, "A deployment uses this version.", title="Conflict")

    async def run_counts(self) -> dict[str, int]:
        """How often each model was run."""
        return await self._database.read(run_counts)

    async def style(self, version_id: str) -> tuple[str, str | None]:
        """The trigger word and the style of a version, even of one deleted meanwhile."""
        built_in = self._built_in_versions.get(version_id)
        if built_in is not None:
            return built_in.trigger_word or "", built_in.style

        def work(connection: sqlite3.Connection) -> tuple[str, str | None]:
            row = connection.execute(
                "select trigger_word, style from versions where id = ?", (version_id,)
            ).fetchone()
            return ("", None) if row is None else (row["trigger_word"], row["style"])

        return await self._database.read(work)

    async def _own(self, owner: str, name: str) -> Model:
        model = await self.get(owner, name)
        if model.built_in or owner != self._account:
            raise forbidden("You can only change models of your own.")
        return model

    def _find(self, connection: sqlite3.Connection, owner: str, name: str, now: datetime) -> Model | None:
        model = self._built_in.get(f"{owner}/{name}")
        if model is None:
            row = connection.execute(
                "select * from models where owner = ? and name = ?", (owner, name)
            ).fetchone()
            if row is None:
                return None
            model = Model(owner, name, moment(row["created"]), json.loads(row["about"]))
        elif owner != self._account:
            return model
        versions = self._versions(connection, model.full_name, now)
        return replace(model, version=versions[0] if versions else None)

    def _versions(self, connection: sqlite3.Connection, full_name: str, now: datetime) -> list[Version]:
        rows = connection.execute(
            "select * from versions where model = ? and available <= ? and deleted is null"
            " order by available desc, rowid desc",
            (full_name, now.timestamp()),
        ).fetchall()
        found = [_version_from(row) for row in rows]
        built_in = self._built_in.get(full_name)
        return found + ([built_in.version] if built_in is not None and built_in.version is not None else [])


def insert_version(connection: sqlite3.Connection, version: Version) -> None:
    """Record a version; it can be seen from its time of creation on."""
    connection.execute(
        "insert or ignore into versions (id, model, available, run_id, trigger_word, style)"
        " values (?, ?, ?, ?, ?, ?)",
        (
            version.id,
            version.model,
            version.created.timestamp(),
            version.run_id,
            version.trigger_word or "",
            version.style,
        ),
    )


def forget_version(connection: sqlite3.Connection, run_id: str) -> None:
    """Take back the version of a training that was stopped."""
    connection.execute("delete from versions where run_id = ?", (run_id,))


def _version(connection: sqlite3.Connection, version_id: str, now: datetime) -> Version | None:
    row = connection.execute(
        "select * from versions where id = ? and available <= ? and deleted is null",
        (version_id, now.timestamp()),
    ).fetchone()
    return None if row is None else _version_from(row)


def _version_from(row: sqlite3.Row) -> Version:
    return Version(
        id=row["id"],
        model=row["model"],
        created=moment(row["available"]),
        template=Template.LORA,
        trigger_word=row["trigger_word"],
        style=row["style"],
        run_id=row["run_id"],
    )
