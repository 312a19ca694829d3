"""One outbox row for each channel that wants the change; none where the alert is of another run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.config.channels import Channel
from monitor.notify.announcement import announcement
from monitor.records.alerts import Severity
from tests.unit.notify.test_payload import ALERT, OPENED, STORE

CHANNEL = Channel()


@pytest.mark.parametrize(("run", "of", "sent"), [(None, "past", 2), ("live", "live", 2), ("live", "past", 0)])
def test_each_channel_gets_the_transitions_of_the_run(run: str | None, of: str, sent: int) -> None:
    rows = announcement({"a": CHANNEL, "b": CHANNEL}, run)(OPENED, replace(ALERT, run=of), None, STORE)
    assert [channel for channel, _ in rows] == ["a", "b"][:sent]
    assert len({text for _, text in rows}) == bool(sent)


def test_without_a_channel_there_is_no_row() -> None:
    assert announcement({})(OPENED, ALERT, None, STORE) == []


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        (Channel(severity=Severity.CRITICAL), False),
        (Channel(severity=Severity.WARNING), True),
        (Channel(kinds=("silent", "frozen")), False),
        (Channel(kinds=("silent", "anomaly")), True),
        (Channel(families=("pumps",)), False),
        (Channel(families=("pumps", ALERT.family)), True),
        (Channel(streams=("x-*",)), False),
        (Channel(streams=("x-*", f"{ALERT.stream[:2]}*")), True),
        (Channel(streams=(ALERT.stream.upper(),)), False),
        (Channel(streams=(ALERT.stream,), kinds=("silent",)), False),
    ],
)
def test_a_filter_keeps_back_what_its_channel_does_not_want(channel: Channel, wanted: bool) -> None:
    opened = replace(OPENED, severity=Severity.WARNING)
    rows = dict(announcement({"all": CHANNEL, "some": channel})(opened, ALERT, None, STORE))
    assert rows["some"] == (rows["all"] if wanted else None)


def test_what_becomes_critical_passes_a_filter_for_critical_alerts() -> None:
    rows = announcement({"some": Channel(severity=Severity.CRITICAL)})
    assert OPENED.severity is Severity.CRITICAL
    (row,) = rows(OPENED, ALERT, None, STORE)
    assert row[1] is not None
