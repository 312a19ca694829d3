"""How a database finds the rows of a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

from monitor.store.engine import Database


def plans(database: Database, action: Callable[[], object], word: str = "SELECT") -> list[str]:
    """The plan of each SELECT of an action, or statement that begins with another `word`, within its transaction."""
    found: list[str] = []
    explaining = "EXPLAIN QUERY PLAN " if database.backend.engine.dialect.name == "sqlite" else "EXPLAIN "

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(word):
            one = parameters[0] if isinstance(parameters, list) else parameters  # of many rows the first
            rows = connection.exec_driver_sql(explaining + statement, one).all()
            found.append("\n".join(str(row[-1]) for row in rows))

    event.listen(database.backend.engine, "before_cursor_execute", explain)
    try:
        action()
    finally:
        event.remove(database.backend.engine, "before_cursor_execute", explain)
    return found


def analyze(database: Database) -> None:
    """Bring the statistics up to date."""
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
