"""What happens to a request to create something before it is accepted."""

import sqlite3
from collections.abc import Mapping

from app.sandbox import faults
from app.sandbox.database import Database, count
from app.sandbox.faults import COUNTED, Fault, counter_name, faults_in
from app.sandbox.problems import ProblemError, edge_page, low_credit_throttle, no_credit


class Intake:
    """Counts what comes in and refuses it when its own words ask for that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def received(self) -> None:
        """Count a request to create a prediction or training, whatever becomes of it."""
        await self._database.write(lambda connection: count(connection, "creates_received"))

    async def admit(
        self, target: tuple[str, ...], given: Mapping[str, object], texts: Mapping[str, object]
    ) -> frozenset[Fault]:
        """The faults in `texts` that are due this time, if they leave anything to be created."""
        wanted = faults_in(texts)
        due = await self.due(wanted, target, given)
        if Fault.NO_CREDIT in due:
            raise no_credit()
        if Fault.THROTTLED in due:
            raise low_credit_throttle(faults.RETRY_AFTER_SECONDS)
        if Fault.SERVER_ERROR in due:
            raise ProblemError(500, "An internal server error occurred.", title="Internal server error")
        if Fault.BAD_GATEWAY in due:
            raise edge_page(502, "502 Bad Gateway")
        if Fault.HTML in due:
            raise edge_page(200, "Checking your browser before accessing api.replicate.com")
        return due

    async def due(
        self, wanted: frozenset[Fault], target: tuple[str, ...], given: Mapping[str, object]
    ) -> frozenset[Fault]:
        """Those of the `wanted` faults that have not passed yet for an equal input to an equal target."""
        counted = wanted & COUNTED
        if not counted:
            return wanted

        def work(connection: sqlite3.Connection) -> dict[Fault, int]:
            return {fault: count(connection, counter_name(fault, target, given)) for fault in counted}

        times = await self._database.write(work)
        return frozenset(fault for fault in wanted if fault not in times or times[fault] <= _times(fault))


def _times(fault: Fault) -> int:
    return faults.THROTTLED_TIMES if fault is Fault.THROTTLED else 1
