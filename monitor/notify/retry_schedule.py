"""When a failed notification is tried again: soon at first, then hourly for three days.

Plant alarms cannot wait five minutes for their third try, and a receiver that was down over a weekend should still get
what it missed. The waits are spread at random, so that channels which failed together do not return together.

A message that a working receiver refuses is tried for two minutes only: the same bytes will hardly be wanted later, and
the later messages of its alert wait for it.
"""

from __future__ import annotations

_SECOND = 10**9
# Seconds after the first try: 0, 5, 15, 30 s, 1, 2, 5, 15 min, then every hour to 72 h.
TRIES: tuple[float, ...] = (0, 5, 15, 30, 60, 120, 300, 900, *(3600 * hour for hour in range(1, 73)))
REFUSED = 6  # tries of a refused message
JITTER = 0.2
LONGEST = round(TRIES[-1] * (1 + JITTER) * _SECOND)  # ns; what waits for longer is given up, tried or not


def wait(attempts: int, chance: float, *, refused: bool = False) -> int | None:
    """Nanoseconds to wait after `attempts` failed tries (1 or more), or None when it is time to give up.

    `chance` in [0, 1) picks a point in the band of ±20 %; 0.5 is its middle. `refused`: the last try was refused.
    """
    if attempts >= (REFUSED if refused else len(TRIES)):
        return None
    spread = 1 + JITTER * (2 * chance - 1)
    return round((TRIES[attempts] - TRIES[attempts - 1]) * spread * _SECOND)
