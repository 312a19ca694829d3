"""What became of notifications, for the command line: lists, counts, and every try of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Uuid, func, select

from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.outbox_queues import pending

State = Literal["waiting", "delivered", "dead"]
STATES: tuple[State, ...] = ("waiting", "delivered", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """What became of one notification. Times are wall clock, ns; `error` is the newest attempt's, "" if accepted.

    `transition` is None of a digest. `digest` is the id of the digest it was joined into, `fallback_for` the channel
    that it stands in for, `diverted` when it went to a fallback channel too, `redriven` when it was made due again.
    """

    id: int
    message: UUID  # the webhook's id
    transition: UUID | None
    alert: UUID
    channel: str
    severity: str | None
    created: int
    attempts: int
    next_at: int
    delivered_at: int | None
    gave_up_at: int | None
    digest: int | None
    fallback_for: str | None
    diverted: int | None
    redriven: int | None
    error: str

    @property
    def state(self) -> State:
        """What it is now."""
        return "delivered" if self.delivered_at is not None else "dead" if self.gave_up_at is not None else "waiting"


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: when (wall clock, ns), and why it failed, "" = it was accepted."""

    at: int
    error: str


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """A notification with its text and every try, also those before it was made due again."""

    record: DeliveryRecord
    payload: str
    tries: list[Try]
    joined: int  # messages that it stands for, of a digest


def open_deliveries(url: str) -> Deliveries:
    """Open the store at `url` for looking at notifications. Raises StoreError."""
    return Deliveries(open_database(url))


class Deliveries:
    """Notifications of a `Database`; nothing here writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, limit: int, state: State | None = None, channel: str | None = None) -> list[DeliveryRecord]:
        """The newest notifications, of one state and channel."""
        query = _records().order_by(schema.outbox.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(_is(state))
        if channel is not None:
            query = query.where(schema.outbox.c.channel == channel)
        with self._database.reading() as connection:
            return [DeliveryRecord(**row) for row in connection.execute(query).mappings()]

    def counts(self) -> dict[str, dict[State, int]]:
        """How many notifications of each state there are, by channel."""
        found: dict[str, dict[State, int]] = {}
        with self._database.reading() as connection:
            for state in STATES:
                query = select(schema.outbox.c.channel, func.count()).where(_is(state))
                for channel, count in connection.execute(query.group_by(schema.outbox.c.channel)):
                    found.setdefault(channel, dict.fromkeys(STATES, 0))[state] = count
        return dict(sorted(found.items()))

    def find(self, id_: int) -> DeliveryDetail | None:
        """One notification."""
        o, t = schema.outbox.c, schema.attempts.c
        with self._database.reading() as connection:
            row = connection.execute(_records().where(o.id == id_)).mappings().one_or_none()
            if row is None:
                return None
            payload = connection.execute(select(o.payload).where(o.id == id_)).scalar_one()
            tries = connection.execute(select(t.at, t.error).where(t.outbox == id_).order_by(t.id)).all()
            joined = connection.execute(select(func.count()).where(o.digest == id_)).scalar_one()
        return DeliveryDetail(DeliveryRecord(**row), payload, [Try(at, error or "") for at, error in tries], joined)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def of_alert(connection: Connection, alert: UUID) -> list[DeliveryRecord]:
    """Notifications of the transitions of an alert, oldest first."""
    transitions = select(schema.transitions.c.id).where(schema.transitions.c.alert == alert)
    return recorded(connection, schema.outbox.c.transition.in_(transitions))


def recorded(connection: Connection, which: ColumnElement[bool]) -> list[DeliveryRecord]:
    """What became of these rows of the outbox, oldest first."""
    query = _records().where(which).order_by(schema.outbox.c.id)
    return [DeliveryRecord(**row) for row in connection.execute(query).mappings()]


def filtered(connection: Connection, alert: UUID) -> dict[UUID, list[str]]:
    """Channels whose filters kept a change of an alert back, by transition."""
    f, t = schema.filtered.c, schema.transitions.c
    found: dict[UUID, list[str]] = {}
    query = select(f.transition, f.channel).join(schema.transitions, t.id == f.transition).where(t.alert == alert)
    for transition, channel in connection.execute(query.order_by(f.channel)):
        found.setdefault(transition, []).append(channel)
    return found


def _records() -> Select[Any]:
    """All columns of a `DeliveryRecord`."""
    o, t, origin = schema.outbox.c, schema.attempts.c, schema.outbox.alias()
    error = select(t.error).where(t.outbox == o.id).order_by(t.id.desc()).limit(1).scalar_subquery()
    source = select(origin.c.channel).where(origin.c.id == o.origin).scalar_subquery()
    return select(
        o.id, func.coalesce(o.message, o.transition, type_=Uuid()).label("message"), o.transition, o.alert, o.channel,
        o.severity, o.created, o.attempts, o.next_at, o.delivered_at, o.gave_up_at, o.digest,
        source.label("fallback_for"), o.diverted, o.redriven, func.coalesce(error, "").label("error"),
    )  # fmt: skip


def _is(state: State) -> ColumnElement[bool]:
    o = schema.outbox.c
    match state:
        case "waiting":
            return pending(schema.outbox)
        case "delivered":
            return o.delivered_at.is_not(None)
        case "dead":
            return o.gave_up_at.is_not(None) & o.delivered_at.is_(None)
