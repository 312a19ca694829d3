"""Log lines about records that cannot be read."""

from __future__ import annotations

from structlog.testing import capture_logs

from monitor.records.batches import DeadLetter
from monitor.worker.dead_letter_log import DeadLetterLog


def letter(offset: int, reason: str = "json", topic: str = "t", body: bytes = b"{\x1b[2J") -> DeadLetter:
    return DeadLetter(
        topic=topic, partition=2, offset=offset, reason=reason, error="it is broken", stream="m-1", body=body
    )


def test_the_first_of_a_kind_is_logged_and_then_every_30_seconds_with_the_number_since() -> None:
    now = [100.0]
    lines = DeadLetterLog(lambda: now[0])
    with capture_logs() as logged:
        lines.note([])
        lines.note([letter(5), letter(6)])
        for second in range(1, 60):
            now[0] = 100.0 + second
            lines.note([letter(6 + second)])
        lines.note([])
        now[0] = 160.0
        lines.note([])
        now[0] = 300.0
        lines.note([])
    assert [(line["offset"], line["count"]) for line in logged] == [(5, 2), (7, 30), (37, 29)]
    assert logged[0] == {
        "event": "records_unreadable", "log_level": "warning", "topic": "t", "reason": "json", "count": 2,
        "error": "it is broken", "stream": "m-1", "partition": 2, "offset": 5, "example": "{\\x1b[2J",
    }  # fmt: skip


def test_each_reason_and_each_topic_is_a_kind() -> None:
    lines = DeadLetterLog(lambda: 0.0)
    with capture_logs() as logged:
        lines.note([letter(1), letter(2, "utf8"), letter(3, topic="u"), letter(4, "utf8")])
    found = [(line["topic"], line["reason"], line["count"]) for line in logged]
    assert found == [("t", "json", 1), ("t", "utf8", 2), ("u", "json", 1)]
