"""Statements that write any number of rows at once, which come as one text of JSON.

With a statement for each row, a thread waits for the interpreter's lock after each: where the event loop is
busy, that takes longer than everything else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

Row = Mapping[str, Any]

_NUL = "\\u0000"
"""SQLite ends a text there when it takes it from JSON."""


class AddAtOnce:
    """Adds rows, given as values by column."""

    def __init__(self, table: Table) -> None:
        self._rows = _JsonRows({column.name: column for column in table.c})
        values = [self._rows.value(column.name) for column in table.c]
        self._statement = insert(table).from_select([column.name for column in table.c], select(*values))

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Whether all rows were added. Raises like `execute`."""
        return self._rows.execute(connection, self._statement, rows)


class ChangeAtOnce:
    """Changes rows: each the one where the columns of `where` have the values that it gives for their names.

    `where` names by column what that value is called in what is given.
    """

    def __init__(self, table: Table, changing: Sequence[str], where: Mapping[str, str]) -> None:
        columns = {name: table.c[name] for name in changing}
        self._rows = _JsonRows(columns | {given: table.c[name] for name, given in where.items()})
        self._statement = (
            update(table)
            .where(*(table.c[name] == self._rows.value(given) for name, given in where.items()))
            .values({name: self._rows.value(name) for name in changing})
        )

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Whether each of them has changed one row. Raises like `execute`."""
        return self._rows.execute(connection, self._statement, rows)


class _JsonRows:
    """Rows as a table that is read from JSON; `columns` say by their names in what form values are stored."""

    def __init__(self, columns: Mapping[str, Column[Any]]) -> None:
        self._columns = columns
        self._places = {name: place for place, name in enumerate(columns)}
        self._table = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
        self._stored_forms: list[tuple[str, Callable[[Any], Any] | None]] = []

    def value(self, name: str) -> ColumnElement[Any]:
        return func.json_extract(self._table.c.value, f"$[{self._places[name]}]")

    def execute(self, connection: Connection, statement: Executable, rows: Sequence[Row]) -> bool:
        text = self._text(rows, connection.dialect)
        if _NUL in text:
            return False
        return connection.execute(statement, {"rows": text}).rowcount == len(rows)

    def _text(self, rows: Sequence[Row], dialect: Dialect) -> str:
        if not self._stored_forms:
            self._stored_forms = [
                (name, column.type.dialect_impl(dialect).bind_processor(dialect))
                for name, column in self._columns.items()
            ]
        stored = [
            [row[name] if process is None else process(row[name]) for name, process in self._stored_forms]
            for row in rows
        ]
        return json.dumps(stored, ensure_ascii=False, allow_nan=False)
