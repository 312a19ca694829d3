"""One log line for each cause, however many streams share it."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from monitor.records.alerts import Fact, FactKind
from monitor.worker.health_log import log_health
from tests.store_rows import alert, fact


def opened(stream: str, cause: str, kind: str = "unscored", what: FactKind = FactKind.OPENED) -> Fact:
    return replace(fact(replace(alert(stream=stream), kind=kind, cause=cause)), kind=what)


def test_streams_with_one_cause_share_a_line() -> None:
    causes = ["12 gaps: every 60 s", "13 gaps: every 61 s", "36 readings late"]
    with capture_logs() as lines:
        log_health([opened(f"m-{i}", cause) for i, cause in enumerate(causes)])

    assert [(line["event"], line["log_level"], line["streams"], line["stream"], line["cause"]) for line in lines] == [
        ("streams_not_scored", "warning", 2, "m-0", causes[0]),
        ("streams_not_scored", "warning", 1, "m-2", causes[2]),
    ]


def test_the_end_is_a_line_and_newer_numbers_and_other_alerts_are_none() -> None:
    with capture_logs() as lines:
        log_health(
            [
                opened("m-1", "", what=FactKind.CLEARED),
                opened("m-1", "12 gaps", what=FactKind.CONTINUED),
                opened("m-1", "", kind="anomaly"),
            ]
        )
    assert [(line["event"], line["log_level"], line["stream"]) for line in lines] == [
        ("streams_scored_again", "info", "m-1")
    ]
