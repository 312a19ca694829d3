"""What becomes known of health alerts: the alerts, and the changes in their lives."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from monitor.records.alerts import Alert, AlertState, Severity, Transition, alert_id

OUT_OF_RANGE, FROZEN, SILENT, GATEWAY = "out-of-range", "frozen", "silent", "gateway"


@dataclass(frozen=True, slots=True)
class Episode:
    """A health alert as far as it is known. `ratio` is the worst so far: 1.0 = at what the settings allow.

    `stream` is empty where all streams of a family are meant. Times are those of `Alert`; `count` bad readings.
    """

    kind: str
    stream: str
    opened: int
    started: int
    last: int
    ratio: float
    peak_at: int
    count: int = 0


class News:
    """Health alerts of one family that changed: the newest version of each, and every transition with its alert.

    `touched` are the streams whose saved state has changed without a reading of theirs.
    """

    def __init__(self, run: str, family: str) -> None:
        self._run, self._family = run, family
        self._alerts: dict[UUID, Alert] = {}
        self.transitions: list[tuple[Transition, Alert]] = []
        self.touched: set[int] = set()

    @property
    def alerts(self) -> list[Alert]:
        """Newest version of every alert that changed."""
        return list(self._alerts.values())

    def opened(self, episode: Episode) -> None:
        """It opened."""
        self._change(self._alert(episode, None), 0, episode.opened, episode.ratio)

    def updated(self, episode: Episode) -> None:
        """It goes on, with newer numbers."""
        alert = self._alert(episode, None)
        self._alerts[alert.id] = alert

    def resolved(self, episode: Episode, at: int, ratio: float) -> None:
        """It is over since `at`; `ratio` is that of what ended it."""
        self._change(self._alert(episode, at), 1, at, ratio)

    def _change(self, alert: Alert, number: int, at: int, ratio: float) -> None:
        self._alerts[alert.id] = alert
        transition = Transition(
            alert=alert.id, number=number, at=at, state=alert.state, severity=alert.severity, ratio=ratio
        )
        self.transitions.append((transition, alert))

    def _alert(self, episode: Episode, resolved: int | None) -> Alert:
        return Alert(
            id=alert_id(self._run, self._family, episode.stream, episode.opened, episode.kind),
            run=self._run,
            family=self._family,
            stream=episode.stream,
            kind=episode.kind,
            state=AlertState.OPEN if resolved is None else AlertState.RESOLVED,
            severity=Severity.CRITICAL if episode.kind == GATEWAY else Severity.WARNING,
            opened_at=episode.opened,
            started_at=episode.started,
            last_at=episode.last,
            resolved_at=resolved,
            peak_ratio=episode.ratio,
            peak_at=episode.peak_at,
            windows=episode.count,
        )
