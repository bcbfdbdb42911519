"""Deployments: a version under a name of its own."""

import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime

from app.sandbox.clock import Clock
from app.sandbox.database import Database
from app.sandbox.problems import ProblemError, not_found
from app.sandbox.run_store import moment


@dataclass(frozen=True)
class Deployment:
    """A deployment in its current release."""

    owner: str
    name: str
    number: int
    released: datetime
    model: str
    version: str
    hardware: str
    min_instances: int
    max_instances: int


class Deployments:
    """The deployments of the account."""

    def __init__(self, *, database: Database, clock: Clock, account: str) -> None:
        self._database = database
        self._clock = clock
        self._account = account

    async def get(self, owner: str, name: str) -> Deployment:
        """The deployment; 404 when there is none."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "select * from deployments where owner = ? and name = ?", (owner, name)
            ).fetchone()
        )
        if row is None:
            raise not_found()
        return _deployment(row)

    async def newest(self) -> list[Deployment]:
        """All deployments, newest first."""
        rows = await self._database.read(
            lambda connection: connection.execute("select * from deployments order by rowid desc").fetchall()
        )
        return [_deployment(row) for row in rows]

    async def create(
        self, *, name: str, model: str, version: str, hardware: str, min_instances: int, max_instances: int
    ) -> Deployment:
        """Record a new deployment; 409 when its name is taken."""
        now = self._clock.now()
        found = Deployment(
            self._account, name, 1, now, model, version, hardware, min_instances, max_instances
        )
        if not await self._database.write(lambda connection: _insert(connection, found)):
            raise ProblemError(409, "A deployment with that name and owner already exists.", title="Conflict")
        return found

    async def release(
        self,
        deployment: Deployment,
        *,
        version: str | None,
        hardware: str | None,
        min_instances: int | None,
        max_instances: int | None,
    ) -> Deployment:
        """A new release of `deployment`; what is None stays."""
        found = replace(
            deployment,
            number=deployment.number + 1,
            released=self._clock.now(),
            version=deployment.version if version is None else version,
            hardware=deployment.hardware if hardware is None else hardware,
            min_instances=deployment.min_instances if min_instances is None else min_instances,
            max_instances=deployment.max_instances if max_instances is None else max_instances,
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "delete from deployments where owner = ? and name = ?", (found.owner, found.name)
            )
            _insert(connection, found)

        await self._database.write(work)
        return found

    async def delete(self, owner: str, name: str) -> None:
        """Forget a deployment."""
        await self.get(owner, name)
        await self._database.write(
            lambda connection: connection.execute(
                "delete from deployments where owner = ? and name = ?", (owner, name)
            )
        )


def _insert(connection: sqlite3.Connection, deployment: Deployment) -> bool:
    added = connection.execute(
        "insert or ignore into deployments values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            deployment.owner,
            deployment.name,
            deployment.number,
            deployment.released.timestamp(),
            deployment.model,
            deployment.version,
            deployment.hardware,
            deployment.min_instances,
            deployment.max_instances,
        ),
    )
    return added.rowcount == 1


def _deployment(row: sqlite3.Row) -> Deployment:
    return Deployment(
        owner=row["owner"],
        name=row["name"],
        number=row["number"],
        released=moment(row["released"]),
        model=row["model"],
        version=row["version"],
        hardware=row["hardware"],
        min_instances=row["min_instances"],
        max_instances=row["max_instances"],
    )
