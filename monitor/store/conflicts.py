"""INSERT ... ON CONFLICT, which both databases spell alike and SQLAlchemy has a class each for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table


def insert_into(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import: not where SQLite is used

    return postgresql.insert(table)
