"""Commands of people and notifications, as a `MemoryStore` gives them out."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from monitor.alerts.notifications import Notification
from monitor.records.alerts import Alert, Command, Decision, Delivery


def carried_out(
    commands: Mapping[int, tuple[Command, str]], alerts: Mapping[UUID, Alert], about: tuple[str, str], since: int
) -> list[Decision]:
    """Those behind position `since` that were not refused, about alerts of this run and family."""
    found = [(place, command, alerts[command.alert]) for place, (command, refused) in commands.items() if not refused]
    return [
        Decision(
            position=place, command=command, family=alert.family, stream=alert.stream, alert_kind=alert.kind,
            channel=alert.channel, opened_at=alert.opened_at,
        )
        for place, command, alert in found
        if place > since and (alert.run, alert.family) == about
    ]  # fmt: skip


def delivery(of: Notification, id_: int, payload: str) -> Delivery:
    """The outbox row of a notification."""
    return Delivery(
        id=id_, message=of.id, transition=of.transition.id, alert=of.transition.alert, channel=of.channel,
        payload=payload, attempts=0,
    )  # fmt: skip
