"""What makes the demo fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.demo.findings import Comparison, Finding
from monitor.demo.play import Report, problems
from monitor.records.alerts import Alert, alert_id
from monitor.records.totals import Totals
from monitor.simulator.truth import Fault
from monitor.testing.webhook_receiver import Received

ALERT = Alert(
    id=alert_id("live", "ecg", "ecg-01", 7), run="live", family="ecg", stream="ecg-01", opened_at=7, started_at=5,
    last_at=9, peak_ratio=2.0, peak_at=8,
)  # fmt: skip
CHANGE = "395bb13c-0beb-5f9a-b35d-29aae7a32c68"
POSTED = Received("3b241101-e2bb-4255-8caf-4136c566a962", {"data": {"transition_id": CHANGE}}, 204)
FAULT = Fault(5, 8, "ecg-01", "stuck")
ROWS = {"scores": 90, "alerts": 1, "transitions": 1, "evidence": 1, "outbox": 2}
GOOD = Report(
    config=Path("demo.toml"), messages=100, readings={"accepted": 97, "late": 2, "dead": 1},
    totals=Totals(records=100, windows=90), comparison=Comparison((Finding(FAULT, "ecg", ALERT),), ()), alerts=[ALERT],
    kept=90, evidence=None, rows=ROWS, webhooks=[POSTED], refused=0, replayed=ROWS | {"outbox": 0},
    differences={"scores that differ": 0}, beyond=3, seconds={},
)  # fmt: skip


def _problems(report: Report) -> list[str]:
    return problems(report, {CHANGE.replace("-", "")})


def test_nothing_is_wrong() -> None:
    assert _problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messages": 101}, "101 messages were published and 100 read"),
        ({"readings": {"accepted": 99}}, "the sums in SQL"),
        ({"rows": ROWS | {"scores": 89}}, "SQL holds 89 scores"),
        ({"alerts": []}, "no alert opened"),
        ({"comparison": Comparison((Finding(FAULT, "ecg", None),), (ALERT,))}, "none of the faults"),
        ({"refused": 1}, "wrong signature"),
        ({"webhooks": []}, "1 of 1 changes of alerts were not posted"),
        ({"replayed": ROWS}, "sent notifications"),
        ({"differences": {"scores that differ": 4}}, "the replay has 4 scores that differ"),
    ],
)
def test_every_check_counts(change: dict[str, Any], said: str) -> None:
    (problem,) = _problems(replace(GOOD, **change))

    assert said in problem
