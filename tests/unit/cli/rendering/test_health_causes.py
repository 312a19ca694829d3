"""Sentences about streams themselves, as commands print them at their end."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from monitor.cli.rendering.not_judged import health_causes
from monitor.records.alerts import Alert

FROZEN = Alert(
    id=UUID(int=1), run="live", family="pumps", stream="m-1", kind="frozen", opened_at=2, started_at=1, last_at=2,
    peak_ratio=1.0, peak_at=2, cause="flow has stayed at 3",
)  # fmt: skip


def test_a_change_of_level_is_no_fault_of_the_stream() -> None:
    change = replace(FROZEN, kind="change", cause="flow has moved from 3 to 4")

    assert health_causes([FROZEN, change, replace(FROZEN, kind="anomaly", cause="")]) == [
        "frozen of m-1: flow has stayed at 3"
    ]
