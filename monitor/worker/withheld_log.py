"""Says in the log that changes of alerts were not announced because they lie too far in the past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import structlog

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

    def note(self, withheld: Mapping[str, int]) -> None:
        """Count the changes of a commit, by kind of alert; log those that are due."""
        self._since.update(withheld)
        now = self._clock()
        for kind in withheld:
            if now - self._logged.get(kind, -LOG_REPEAT_S) >= LOG_REPEAT_S:
                log.warning(
                    "notifications_withheld",
                    kind=kind,
                    changes=self._since.pop(kind),
                    reason="these changes of alerts are older than notify.max_age; `alerts show` says which",
                )
                self._logged[kind] = now
