"""What is odd about a maintenance that can take place: it is saved nevertheless, as a person may mean it."""

from __future__ import annotations

from monitor.maintenance.occurrences import LONGEST, merged, occurrences, upcoming
from monitor.records.maintenance import Maintenance

_YEAR = LONGEST.days * 86_400 * 10**9  # ns


def doubts(of: Maintenance, now: int) -> list[str]:
    """Sentences about when it takes place, as of `now` (ns): never, no more, or without a break for a year."""
    if not (coming := upcoming(of, now, 1)):
        if not occurrences(of, 0, now):
            return ["it never occurs: every occurrence of it is left out"]
        return ["it is over: what was judged, sent and learned stays as it is, only trainings leave its readings out"]
    begin = coming[0][0]
    first = merged(occurrences(of, begin, begin + _YEAR))[0]
    if first[1] >= begin + _YEAR:
        return ["once begun it does not end within a year: each occurrence goes on until the next one begins"]
    return []
