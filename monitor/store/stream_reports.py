"""Reports of streams: their counters, their open alerts, and whether a model scores them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from sqlalchemy import Connection, select

from monitor.alerts.suppression import EVERY_KIND
from monitor.records.counters import COUNTERS
from monitor.records.scalars import COLD_START_READINGS, NEVER
from monitor.records.workers import State
from monitor.store import schema, service, suppressions
from monitor.store.service import Service

COMPANIONS = frozenset({"default"})  # recipes that score a stream without a model by what they know of it
Owner = State | Literal[""]

_COLUMNS = ("family", "name", "partition", "last_time", "updated", "rate", "bar", "seen", "retired", *COUNTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """A stream as of its newest commit. Times are ns and None before the first one; `updated` is wall clock.

    `counts` holds every counter by name. `bar` is the ratio that would open an anomaly alert: above 1, the stream has
    spent of its alert budget. `rate` is in readings a second of event time, 0 = not known yet.
    `training_readings` of the `needed` ones have been kept (`needed` 0 = not known), unless it `has_model`: then
    `model`, the family's, scores it; "" = the family has none yet.
    """

    family: str
    name: str
    partition: int | None
    last_time: int | None
    updated: int | None
    rate: float
    bar: float
    counts: Mapping[str, int]
    training_readings: int
    has_model: bool
    alerts: tuple[str, ...]  # kinds of what is open, "gateway" for the whole family
    model: str
    needed: int
    interval: int | None  # ns
    owner: Owner = ""  # the worker that took its partition last: what it is now, "" = not known
    age: int | None = None  # ns since its newest commit
    off: bool = False  # switched off in the settings
    covered: bool = True  # it would be scored without a model
    retired: int | None = None  # since when, wall clock
    out_of_service: bool = False  # a person has said so
    shelved: tuple[str, ...] = ()  # kinds of which nothing is announced for a while


def read(
    connection: Connection, run: str, family: str | None, name: str | None, limit: int | None, *, retired: bool = False
) -> list[StreamReport]:
    """Reports of a run's streams, by family and name; of those that are `retired` only where that is asked."""
    t = schema.streams.c
    query = select(*(t[column] for column in _COLUMNS)).where(t.run == run).order_by(t.family, t.name).limit(limit)
    for column, wanted in ((t.family, family), (t.name, name)):
        query = query if wanted is None else query.where(column == wanted)
    query = query if retired else query.where(t.retired.is_(None))
    rows = connection.execute(query).mappings().all()
    served = service.read(connection, run)
    hidden = suppressions.hidden(connection, run, served.now)
    alerts, models = _open_alerts(connection, run), _champions(connection)
    settings = {each: _settings(connection, run, each) or {} for each in {row["family"] for row in rows}}
    plans = {each: _plan(kept) for each, kept in settings.items()}
    reports = [_report(dict(row), alerts, models.get(row["family"], ""), plans[row["family"]]) for row in rows]
    return [
        replace(
            report, owner=_owner(served, settings[report.family].get("topic", ""), report.partition),
            off=_off(report.name, settings[report.family]), covered=_covered(settings[report.family]),
            age=None if report.updated is None else max(0, served.now - report.updated),
            out_of_service=EVERY_KIND in hidden[report.family, report.name],
            shelved=tuple(sorted(hidden[report.family, report.name] - {EVERY_KIND})),
        )
        for report in reports
    ]  # fmt: skip


def _report(row: dict[str, Any], alerts: dict[tuple[str, str], set[str]], model: str, plan: Any) -> StreamReport:
    kinds = alerts[row["family"], row["name"]] | alerts[row["family"], ""]
    if row["last_time"] is not None and row["last_time"] <= NEVER:
        row["last_time"] = None
    counts, seen, (needed, interval) = {name: row.pop(name) for name in COUNTERS}, row.pop("seen"), plan
    training = {"training_readings": max(seen, 0), "has_model": seen < 0, "model": model, "needed": needed}
    return StreamReport(
        **row, **training, counts=counts, alerts=tuple(sorted(kinds)), interval=interval, owner="", age=None
    )


def _owner(served: Service, topic: str, partition: int | None) -> Owner:
    owner = None if partition is None else served.owners.get((topic, partition))
    return "" if owner is None else owner.state


def _off(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether a stream is switched off; models of the settings take too long to import for a list."""
    matching = (rule["off"] for rule in settings.get("overrides", ()) if fnmatchcase(name, rule["streams"]))
    return bool(([False] + [off for off in matching if off is not None])[-1])


def _covered(settings: Mapping[str, Any]) -> bool:
    """Whether a stream is scored without a model; True where that is not known.

    Companions do that with windows of any length, and cold start with those that are long enough.
    """
    if settings.get("recipe") in COMPANIONS:
        return True
    length = settings.get("window", {}).get("length")
    if length is None:
        return True
    readings = length["count"] if length["count"] is not None else length["time"] // (settings["interval"] or 1)
    return bool(readings >= COLD_START_READINGS)


def topic(connection: Connection, run: str, family: str) -> str:
    """Of a family, as the newest settings of the run say; "" = not known."""
    return str((_settings(connection, run, family) or {}).get("topic", ""))


def _open_alerts(connection: Connection, run: str) -> dict[tuple[str, str], set[str]]:
    a = schema.alerts.c
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    query = select(a.family, a.stream, a.kind).where(a.run == run, a.state != "resolved")
    for family, stream, kind in connection.execute(query):
        found[family, stream].add(kind)
    return found


def _champions(connection: Connection) -> dict[str, str]:
    m = schema.models.c
    rows = connection.execute(select(m.family, m.id).where(m.state == "champion"))
    return {row.family: row.id for row in rows}


def _plan(settings: Mapping[str, Any]) -> tuple[int, int | None]:
    """Readings needed before training, and their interval, as settings say; 0 = not known."""
    if not settings:
        return 0, None
    after, interval = settings["train"]["after"], settings["interval"]
    if after["count"] is not None:
        return after["count"], interval
    return (after["time"] // interval if interval else 0), interval


def _settings(connection: Connection, run: str, family: str) -> dict[str, Any] | None:
    c = schema.changes.c
    query = select(c.settings).where(c.run == run, c.family == family).order_by(c.number.desc()).limit(1)
    text = connection.execute(query).scalar()
    return None if text is None else json.loads(text)
