"""What is said about the changes of merged alerts, and which of them are too old to be said."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from monitor.alerts.lifecycle import Merged
from monitor.ports.store import Announce
from monitor.records.alerts import Alert, CommandKind, Evidence, FactKind, Transition, message_id

TOO_OLD = "older than notify.max_age when it was found"


@dataclass(frozen=True, slots=True)
class Notification:
    """A message about a transition to one channel; `id` is the webhook's.

    `payload` is None where a filter of the channel keeps it back.
    """

    id: UUID
    transition: Transition
    channel: str
    payload: str | None


def stale(merged: Sequence[Merged], oldest: int) -> set[UUID]:
    """Alerts with a change before `oldest` (event time, ns) that a worker found; a person's command is never old."""
    return {each.alert.id for each in merged for change, _ in each.changes if _is_before(change, oldest)}


def withhold(merged: Sequence[Merged], oldest: int, followed: Collection[UUID]) -> None:
    """Mark changes before `oldest` as withheld, but of alerts in `followed`: those that were announced before.

    So a receiver that knows of an alert hears of it to its end, and one that does not is not called about the past.
    """
    for each in merged:
        if each.alert.id not in followed:
            each.changes = [(_withheld(change, oldest), after) for change, after in each.changes]


def notifications_of(
    changes: Sequence[tuple[Transition, Alert]], announce: Announce, evidence: Sequence[Evidence], store: UUID
) -> Iterator[Notification]:
    """Notifications of the changes that are not withheld; `store` is the identity of the store.

    Only the opening one is rendered with the evidence, so that a payload does not depend on how commits were cut.
    """
    kept = {item.alert: item for item in evidence}
    for transition, alert in changes:
        if transition.withheld:
            continue
        about = kept.get(alert.id) if transition.cause is FactKind.OPENED else None
        for channel, payload in announce(transition, alert, about, store):
            yield Notification(message_id(store, transition.id), transition, channel, payload)


def _is_before(change: Transition, oldest: int) -> bool:
    return change.at < oldest and not isinstance(change.cause, CommandKind)


def _withheld(change: Transition, oldest: int) -> Transition:
    old = _is_before(change, oldest) and not change.withheld
    return replace(change, withheld=TOO_OLD) if old else change
