"""From what is found out about the health of streams to facts about alerts."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.records.alerts import Fact, FactKind, Severity, alert_id

OUT_OF_RANGE, FROZEN, MISSING, SILENT, GATEWAY = "out-of-range", "frozen", "missing", "silent", "gateway"
UNREADABLE = "unreadable"
UNSCORED, NO_BEAT = "unscored", "no-beat"
CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Episode:
    """A health alert as far as it is known. `ratio` is the worst so far: 1.0 = at what the settings allow.

    `stream` is empty where all streams of a family are meant, `channel` where no single one is. Times are those of
    `Alert`; `count` bad readings; `cause` says what is wrong, as a sentence for a person.
    """

    kind: str
    stream: str
    opened: int
    started: int
    last: int
    ratio: float
    peak_at: int
    count: int = 0
    cause: str = ""
    channel: str = ""


class HealthFacts:
    """Facts about health alerts of one family in one batch, in the order in which they became known.

    `touched` are the streams whose saved state has changed without a reading of theirs; `reason` is that of each fact.
    """

    def __init__(self, run: str, family: str, reason: str = "") -> None:
        self._run, self._family, self.reason = run, family, reason
        self.facts: list[Fact] = []
        self.touched: set[int] = set()

    def opened(self, episode: Episode) -> None:
        """It opened."""
        self._add(FactKind.OPENED, episode, episode.opened, episode.ratio)

    def continued(self, episode: Episode) -> None:
        """It goes on, with newer numbers."""
        self._add(FactKind.CONTINUED, episode, episode.last, episode.ratio)

    def cleared(self, episode: Episode, at: int, ratio: float) -> None:
        """It is over since `at`; `ratio` is that of what ended it."""
        self._add(FactKind.CLEARED, episode, at, ratio)

    def _add(self, kind: FactKind, episode: Episode, at: int, ratio: float) -> None:
        which = (episode.kind, episode.channel) if episode.channel else (episode.kind,)
        fact = Fact(
            kind=kind,
            alert=alert_id(self._run, self._family, episode.stream, episode.opened, *which),
            run=self._run,
            family=self._family,
            stream=episode.stream,
            alert_kind=episode.kind,
            channel=episode.channel,
            at=at,
            ratio=ratio,
            severity=Severity.CRITICAL if episode.kind in {GATEWAY, NO_BEAT} else Severity.WARNING,
            opened_at=episode.opened,
            started_at=episode.started,
            last_at=episode.last,
            peak_ratio=episode.ratio,
            peak_at=episode.peak_at,
            windows=episode.count,
            cause=episode.cause,
            reason=self.reason,
        )
        self.facts.append(fact)
