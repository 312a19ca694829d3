"""Copying SQLite's write-ahead log into its file, beside the commits: none of them has to wait for that.

A passive checkpoint blocks neither readers nor the writer. Where it cannot keep up, SQLite's own one, inside a commit,
still bounds the log (`wal_autocheckpoint`).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from threading import Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

EVERY_S = 1.0


class Checkpoints:
    """One at a time, on a thread and a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: Thread | None = None
        self._due = time.monotonic() + EVERY_S

    def begin(self) -> None:
        """Call it after a commit: copies what there is, unless that was done a moment ago."""
        if time.monotonic() < self._due or (self._running is not None and self._running.is_alive()):
            return
        self._due = time.monotonic() + EVERY_S
        self._running = Thread(target=self._copy, name="checkpoint", daemon=True)
        self._running.start()

    def close(self) -> None:
        """Wait for the one that is running."""
        if self._running is not None:
            self._running.join()

    def _copy(self) -> None:
        """What goes wrong here goes wrong in the next commit too, which tells of it."""
        with suppress(sqlite3.Error, SQLAlchemyError), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
