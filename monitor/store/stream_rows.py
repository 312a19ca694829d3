"""The SQL of stream rows that both databases share: its columns follow `StreamState` and the counters."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from typing import Any

from monitor.ports.store import OpenedStream, StreamState
from monitor.records.counters import COUNTERS, READINGS

FIELDS = (
    "id",
    "partition",
    "last_time",
    "state",
    "before",
    "seen",
    "rate",
    "version",
    "bar",
    *COUNTERS,
)  # what `columns` gives
SELECTED = ", ".join(("name", "id", "state", "version", "closed", "retired", *COUNTERS))


def columns(streams: Sequence[StreamState]) -> list[Sequence[object]]:
    """One for each of `FIELDS`; at least one stream. No step of this is Python's for each of 100,000 streams.

    `seen` is the number of training readings, and -1 where the stream has a model.
    """
    *fields, training_readings, has_model, rate, version, bar, counts = zip(*streams, strict=True)
    return [*fields, list(map(sub, training_readings, has_model)), rate, version, bar, *zip(*counts, strict=True)]


def update(now: str, value: dict[str, str], source: str = "") -> str:
    """The statement that saves streams; `value` says how SQL names each of `FIELDS`.

    A row that has counted other readings than `before` says was written by another worker, and one of another `version`
    was changed by a command: both are left as they are. A stream that was retired is back with its next reading.
    """
    counted = " + ".join(f"streams.{name}" for name in READINGS)
    silent = f"{counted} = {' + '.join(value[name] for name in READINGS)}"
    changed = {"updated": now, **value, "closed": "NULL", "retired": f"CASE WHEN {silent} THEN streams.retired END"}
    kept = ("id", "before", "version")
    changes = ", ".join(f'"{name}" = {new}' for name, new in changed.items() if name not in kept)
    unchanged = f"({value['before']} IS NULL OR {counted} = {value['before']}) AND streams.version = {value['version']}"
    return f"UPDATE streams SET {changes}{source} WHERE streams.id = {value['id']} AND {unchanged}"  # noqa: S608 (our names)


def opened(row: Sequence[Any]) -> tuple[str, OpenedStream]:
    """A row of `SELECTED`, with its name."""
    name, id_, state, version, closed, retired, *counts = row
    return name, OpenedStream(id_, state, tuple(counts), version, closed is not None, retired is not None)


def insert(run: str, family: str, name: str, source: str = "") -> str:
    """The statement that makes rows for streams without one, and returns name and id of each."""
    names, zeros = ", ".join(COUNTERS), ", ".join("0" for _ in COUNTERS)
    return (
        f"INSERT INTO streams (run, family, name, {names}) SELECT {run}, {family}, {name}, {zeros}{source}"
        " ON CONFLICT DO NOTHING RETURNING name, id"
    )
