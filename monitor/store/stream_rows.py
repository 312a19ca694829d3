"""The SQL of stream rows that both databases share: its columns follow `StreamState` and the counters."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub

from monitor.ports.store import StreamState
from monitor.records.counters import COUNTERS, READINGS

FIELDS = ("id", "partition", "last_time", "state", "before", "seen", "rate", *COUNTERS)  # what `columns` gives
SELECTED = ", ".join(("name", "id", "state", *COUNTERS))


def columns(streams: Sequence[StreamState]) -> list[Sequence[object]]:
    """One for each of `FIELDS`; at least one stream. No step of this is Python's for each of 100,000 streams.

    `seen` is the number of training readings, and -1 where the stream has a model.
    """
    *fields, training_readings, has_model, rate, counts = zip(*streams, strict=True)
    return [*fields, list(map(sub, training_readings, has_model)), rate, *zip(*counts, strict=True)]


def update(now: str, value: dict[str, str], source: str = "") -> str:
    """The statement that saves streams; `value` says how SQL names each of `FIELDS`.

    A row that has counted other readings than `before` says was written by another worker, and is left as it is.
    """
    changed = {"updated": now, **value}
    changes = ", ".join(f'"{name}" = {new}' for name, new in changed.items() if name not in ("id", "before"))
    counted = " + ".join(f"streams.{name}" for name in READINGS)
    unchanged = f"({value['before']} IS NULL OR {counted} = {value['before']})"
    return f"UPDATE streams SET {changes}{source} WHERE streams.id = {value['id']} AND {unchanged}"  # noqa: S608 (our names)


def insert(run: str, family: str, name: str, source: str = "") -> str:
    """The statement that makes rows for streams without one, and returns name and id of each."""
    names, zeros = ", ".join(COUNTERS), ", ".join("0" for _ in COUNTERS)
    return (
        f"INSERT INTO streams (run, family, name, {names}) SELECT {run}, {family}, {name}, {zeros}{source}"
        " ON CONFLICT DO NOTHING RETURNING name, id"
    )
