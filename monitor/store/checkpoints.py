"""Copying SQLite's write-ahead log into its file, beside the commits: none of them has to wait for that.

A passive checkpoint blocks neither readers nor the writer. Where it cannot keep up, SQLite's own one, inside a commit,
still bounds the log (`wal_autocheckpoint`).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from threading import Thread

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

EVERY_S = 1.0


class Checkpoints:
    """One at a time, on a separate thread and connection, so that the writer's page cache stays warm."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None
        self._running: Thread | None = None
        self._due = time.monotonic() + EVERY_S

    def begin(self) -> None:
        """Call it after a commit: copies the log into the file, unless that was done a moment ago."""
        if time.monotonic() < self._due or (self._running is not None and self._running.is_alive()):
            return
        self._due = time.monotonic() + EVERY_S
        thread = Thread(target=self._copy, name="checkpoint", daemon=True)
        with suppress(RuntimeError):  # no thread to be had now: a later commit asks again
            thread.start()
            self._running = thread

    def close(self) -> None:
        """Wait for the one that is running, and give the connection back."""
        if self._running is not None:
            self._running.join()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _copy(self) -> None:
        """Errors are left to commits: a disk that is full or broken is so for them too."""
        with suppress(sqlite3.Error, SQLAlchemyError):
            self._connection = self._connection or self._engine.raw_connection()
            self._connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
