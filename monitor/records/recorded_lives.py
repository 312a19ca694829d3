"""The life of an alert as it is recorded: what a replay compares its own alerts with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from monitor.records.alerts import Alert, Command, Fact, Transition

AlertKey = tuple[str, str, str, str, int]  # family, stream, kind, channel, opened_at: the same alert in every run


class RecordedLife(NamedTuple):
    """An alert with its transitions in order, each with the command that caused it, if one did."""

    alert: Alert
    changes: Sequence[tuple[Transition, Command | None]]


RecordedLives = Mapping[AlertKey, RecordedLife]


def key_of(fact: Fact) -> AlertKey:
    """What makes the alert of a fact the same in two runs."""
    return fact.family, fact.stream, fact.alert_kind, fact.channel, fact.opened_at


def by_key(lives: Iterable[RecordedLife]) -> dict[AlertKey, RecordedLife]:
    """Lives by what makes an alert the same in two runs."""
    return {
        (alert.family, alert.stream, alert.kind, alert.channel, alert.opened_at): life
        for life in lives
        for alert in (life.alert,)
    }
