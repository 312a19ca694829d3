"""Copying SQLite's write-ahead log into its file, beside the commits: none of them has to wait for that.

A passive checkpoint blocks neither readers nor the writer. Where it cannot keep up, SQLite's own one, inside a commit,
still bounds the log (`wal_autocheckpoint`).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from threading import Thread

EVERY_S = 1.0


class Checkpoints:
    """One at a time, on a thread of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._running: Thread | None = None
        self._due = 0.0

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
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, timeout=0)) as connection:
            connection.execute(
                "PRAGMA wal_checkpoint(PASSIVE)"
            )  # what goes wrong here, the next commit meets and tells
