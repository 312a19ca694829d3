"""What became of people's commands of the live run in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from sqlalchemy import and_, func, select, true

from monitor.records.scalars import LIVE
from monitor.store import schema
from monitor.store.open import open_database


class Repeated(NamedTuple):
    """Commands that the live run carried out: how many the replay did, refused, and found no alert for."""

    carried_out: int = 0
    refused: int = 0
    without_alert: int = 0


def repeated(url: str, run: str, families: Sequence[str], start: int | None, end: int | None) -> Repeated:
    """Of alerts of these families that opened within a range of event time, ns; None = from, or to, ever.

    Raises StoreError.
    """
    a, c = schema.alerts.c, schema.commands.c
    within = and_(true() if start is None else a.opened_at >= start, true() if end is None else a.opened_at <= end)
    count = select(func.count()).select_from(schema.commands.join(schema.alerts, a.id == c.alert))
    count = count.where(a.family.in_(families), within)
    with closing(open_database(url)) as database, database.reading() as connection:
        given = connection.execute(count.where(a.run == LIVE, c.refused.is_(None))).scalar_one()
        done = connection.execute(count.where(a.run == run, c.refused.is_(None))).scalar_one()
        refused = connection.execute(count.where(a.run == run, c.refused.is_not(None))).scalar_one()
    return Repeated(done, refused, max(0, given - done - refused))
