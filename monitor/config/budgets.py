"""How many alerts a stream may open in which time, as people write it: "1 per week".

>>> budget = parse_budget("3 per 12h")
>>> budget.count, budget.period == 12 * 3600 * 10**9, str(budget)
(3, True, '3 per 12h')
>>> str(parse_budget("1 per week"))
'1 per 7d'
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from monitor.config.durations import format_duration, parse_duration
from monitor.config.names import shown

MOST = 1_000_000  # alerts in a period
_NAMED = {"minute": "1m", "hour": "1h", "day": "1d", "week": "7d", "month": "30d", "year": "365d"}
_BUDGET = re.compile(r"\s*(\d{1,7})\s+(?:per|a|in)\s+(\S.{0,40}?)\s*", re.IGNORECASE)


class Budget(BaseModel):
    """At most about `count` alerts in each `period` (ns of event time), for each stream."""

    model_config = ConfigDict(frozen=True)
    count: int
    period: int

    def __str__(self) -> str:
        """As it can be written."""
        return f"{self.count} per {format_duration(self.period)}"


def parse_budget(text: str) -> Budget:
    """A budget such as "1 per week", "3 per 12h". Raises ValueError, which says how to write one."""
    found = _BUDGET.fullmatch(text)
    wrong = f'{shown(text)} is no alert budget; write e.g. "1 per week", "5 per day" or "3 per 12h"'
    if found is None:
        raise ValueError(wrong)
    count, named = int(found[1]), found[2].casefold()
    try:
        period = parse_duration(_NAMED.get(named.removesuffix("s"), found[2]))
    except ValueError as error:
        raise ValueError(f"{wrong} ({error})") from None
    if not (0 < count <= MOST and period > 0):
        raise ValueError(f"{shown(text)}: the number of alerts is 1 to {MOST:,}, and the time longer than nothing")
    return Budget(count=count, period=period)


def _budget(value: object) -> object:
    if isinstance(value, str):
        return None if value.strip() == "none" else parse_budget(value)
    if value is None or isinstance(value, Budget):
        return value
    raise ValueError(f'{value!r} is no alert budget; write e.g. "1 per week"')


Budgeted = Annotated[Budget | None, BeforeValidator(_budget)]
