"""One outbox row for each channel; none where there is no channel, or the alert is of another run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.notify.announcement import announcement
from tests.unit.notify.test_payload import ALERT, OPENED, STORE


@pytest.mark.parametrize(("run", "of", "sent"), [(None, "past", 2), ("live", "live", 2), ("live", "past", 0)])
def test_each_channel_gets_the_transitions_of_the_run(run: str | None, of: str, sent: int) -> None:
    rows = announcement(["a", "b"], run)(OPENED, replace(ALERT, run=of), None, STORE)
    assert [channel for channel, _ in rows] == ["a", "b"][:sent]
    assert len({text for _, text in rows}) == bool(sent)


def test_without_a_channel_there_is_no_row() -> None:
    assert announcement([])(OPENED, ALERT, None, STORE) == []
