"""Says in the log that changes of alerts were not announced because they lie too far in the past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import structlog

from monitor.records.alerts import Fact
from monitor.records.clock_shift import zone_cause

log = structlog.get_logger()

LOG_REPEAT_S = 30.0  # seconds until alerts of the same kind are logged again


class WithheldLog:
    """A line for the first commit with such changes of a kind of alert, then at most one every 30 s with their sum.

    `clock` gives monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._since: Counter[str] = Counter()  # changes that no line has counted yet

    def note(self, withheld: Mapping[str, int], facts: Sequence[Fact] = (), wall: int = 0) -> None:
        """Count the changes of a commit, by kind of alert; log those that are due.

        `facts` are the commit's, at `wall` (ns): where all of a kind are late by a time zone, it says so.
        """
        self._since.update(withheld)
        now = self._clock()
        for kind in withheld:
            if now - self._logged.get(kind, -LOG_REPEAT_S) >= LOG_REPEAT_S:
                log.warning(
                    "notifications_withheld",
                    kind=kind,
                    changes=self._since.pop(kind),
                    reason="these changes of alerts are older than notify.max_age; `alerts show` says which",
                    **_behind([fact for fact in facts if fact.alert_kind == kind], wall),
                )
                self._logged[kind] = now

    def note_muted(self, muted: Mapping[str, int]) -> None:
        """Count the changes that maintenance withholds, by reason; log those that are due."""
        self._since.update(muted)
        now = self._clock()
        for reason in muted:
            if now - self._logged.get(reason, -LOG_REPEAT_S) >= LOG_REPEAT_S:
                log.info("notifications_muted", changes=self._since.pop(reason), reason=reason)
                self._logged[reason] = now


def _behind(facts: Sequence[Fact], wall: int) -> dict[str, str]:
    """A stream with such an alert, and whether its times look like local ones."""
    if not facts:
        return {}
    cause = zone_cause(np.array([fact.at - wall for fact in facts], np.int64))
    return {"stream": facts[-1].stream, **({} if cause is None else {"cause": cause})}
