"""The seam for the timers of alerts: what is due is carried out by whichever process asks first."""

from __future__ import annotations

from typing import Protocol


class AlertTimers(Protocol):
    """The timers of the live run's alerts. Called on a thread that neither scores nor commits.

    Any number of processes may call it: an alert is locked while its timers are carried out, so that each is once.
    """

    def elapse(self, now: int) -> int:
        """Carry out what is due at wall clock `now` (ns), each change with its notifications; how many alerts changed.

        Event time of a stream is its newest reading's, and goes on with the wall clock from when that was stored. Not
        more than some hundred alerts in a call: where any changed, call again. One short transaction where something is
        due, and a read where nothing is. Raises StoreError; nothing is changed then, and the timers stay due.
        """
        ...

    def close(self) -> None:
        """Give connections back. May be called twice."""
        ...
