"""What no model is to learn from: the times of alerts about what the readings of a stream are, and what people judged.

A newer verdict about an alert takes the place of the one before. What is true is never learned from; what is false or
expected may be, and is then among the readings that a challenger is tried on as well.

>>> from uuid import UUID
>>> numbers = dict(opened_at=20, started_at=10, last_at=50, resolved_at=60, peak_ratio=1.5, peak_at=20)
>>> alert = Alert(id=UUID(int=1), run="live", family="pumps", stream="p-1", **numbers)
>>> unusual_times([alert])
{'p-1': [(10, 60)]}
>>> unusual_times([alert], {alert.id: Judged(Verdict.FALSE, 30, 40)})
{'p-1': [(10, 29), (41, 60)]}
>>> unusual_times([alert], {alert.id: Judged(Verdict.TRUE, 5)})
{'p-1': [(10, 60), (5, 60)]}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from uuid import UUID

from monitor.alerts.accepting import ANOMALY
from monitor.records.alerts import Alert, Verdict
from monitor.records.labels import Label

KINDS = frozenset({"anomaly", "out-of-range", "frozen", "no-beat"})  # of others the readings are as good as any
ENDLESS = 2**62  # ns; later than any reading


class Judged(NamedTuple):
    """A verdict, and the range (event time, ns) that it is about; None = as the alert says."""

    verdict: Verdict
    start: int | None = None
    end: int | None = None


Span = tuple[int, int]  # first and last time, ns


def unusual_times(alerts: Iterable[Alert], judged: Mapping[UUID, Judged] | None = None) -> dict[str, list[Span]]:
    """By stream: first and last time (ns) of what was not as usual, by its alerts and the newest verdict about each.

    An open alert goes on.
    """
    found: dict[str, list[Span]] = {}
    for alert in alerts:
        if spans := list(_spans(alert, (judged or {}).get(alert.id))):
            found.setdefault(alert.stream, []).extend(spans)
    return found


def labels(alerts: Iterable[Alert], judged: Mapping[UUID, Judged]) -> list[Label]:
    """What a model is to find and what not, by the newest verdict about each alert that windows open."""
    return [
        Label(alert.stream, *_span(alert, said), said.verdict is Verdict.TRUE)
        for alert in alerts
        if alert.kind == ANOMALY and (said := judged.get(alert.id)) is not None and said.verdict is not Verdict.UNSURE
    ]


def _span(alert: Alert, judged: Judged) -> Span:
    last = ENDLESS if alert.resolved_at is None else max(alert.resolved_at, alert.last_at)
    return (
        alert.started_at if judged.start is None else judged.start,
        last if judged.end is None else judged.end,
    )


def _spans(alert: Alert, judged: Judged | None) -> Iterator[Span]:
    last = ENDLESS if alert.resolved_at is None else max(alert.resolved_at, alert.last_at)
    whole, said = (alert.started_at, last), Verdict.UNSURE if judged is None else judged.verdict
    span = whole
    if judged is not None:
        span = _span(alert, judged)
    if alert.kind in KINDS:
        yield from _without(whole, span) if said in {Verdict.FALSE, Verdict.EXPECTED} else [whole]
    if said is Verdict.TRUE and (span != whole or alert.kind not in KINDS):
        yield span


def _without(whole: Span, part: Span) -> Iterator[Span]:
    """What is left of a span."""
    before, after = (whole[0], min(whole[1], part[0] - 1)), (max(whole[0], part[1] + 1), whole[1])
    yield from (span for span in (before, after) if span[0] <= span[1])
