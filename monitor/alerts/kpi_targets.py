"""What ISA-18.2 and IEC 62682 recommend for each figure of an alarm system, and how far a plant is from it.

The numbers are those that publications about the standards agree on; they hold for one operator console and at least
30 days. ISA-18.2-2016 dropped the alarms of a day and two other figures of ISA-18.2-2009.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from monitor.alerts.kpi import BUSY_HOUR, FLOOD_BEGINS, TOP, Figures
from monitor.records.alerts import Severity

BASIS = "ANSI/ISA-18.2-2016 and IEC 62682:2014, for one operator console"
_EARLIER = "ISA-18.2-2009 and IEC 62682:2014; not in ISA-18.2-2016"
LEAST_DAYS = 30
_FEW = 200  # alerts: of fewer, ten that came once each have a larger share than the standards call manageable


class Verdict(StrEnum):
    """Colour of a figure: very likely acceptable, manageable at most, worse, or without a recommendation."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    NONE = "none"


class Unit(StrEnum):
    """What a number counts; shares are 0 to 1, times ns."""

    ALERTS = "alerts"
    SHARE = "share"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure beside its recommendation; `below`: it has to be less than that, not as much as that.

    `value` is NaN where nothing could be measured. `basis` names the edition where that is not `BASIS`.
    """

    name: str
    words: str
    value: float
    unit: Unit = Unit.ALERTS
    acceptable: float | None = None
    manageable: float | None = None
    below: bool = False
    basis: str = BASIS

    @property
    def verdict(self) -> Verdict:
        """Its colour; red where it is more than acceptable and nothing is said about manageable."""
        if self.acceptable is None or math.isnan(self.value):
            return Verdict.NONE
        if self._within(self.acceptable):
            return Verdict.GREEN
        within = self.manageable is not None and self._within(self.manageable)
        return Verdict.YELLOW if within else Verdict.RED

    def _within(self, limit: float) -> bool:
        return self.value < limit if self.below else self.value <= limit


def measures(of: Figures) -> Iterator[Measure]:
    """Every figure with its recommendation, in the order of a report."""
    yield Measure(
        name="hour_average", words="alerts an hour, average", value=of.hour_average, acceptable=6, manageable=12
    )
    yield Measure(name="hour_maximum", words="most in any hour", value=of.hour_maximum)
    yield Measure(
        name="busy_hours", words=f"hours with more than {BUSY_HOUR}", value=of.busy_hours, unit=Unit.SHARE,
        acceptable=0.01, below=True, basis=_EARLIER,
    )  # fmt: skip
    yield Measure(
        name="ten_minutes_average", words="alerts in ten minutes, average", value=of.ten_minutes_average,
        acceptable=1, manageable=2,
    )  # fmt: skip
    yield Measure(
        name="ten_minutes_maximum", words="most in any ten minutes", value=of.ten_minutes_maximum,
        acceptable=FLOOD_BEGINS,
    )  # fmt: skip
    yield Measure(
        name="busy_ten_minutes", words=f"ten minutes with more than {FLOOD_BEGINS}", value=of.busy_ten_minutes,
        unit=Unit.SHARE, acceptable=0.01, below=True,
    )  # fmt: skip
    yield Measure(
        name="time_in_flood", words="time in flood", value=of.time_in_flood, unit=Unit.SHARE, acceptable=0.01,
        below=True,
    )  # fmt: skip
    yield from _of_alerts(of)


def _of_alerts(of: Figures) -> Iterator[Measure]:
    share = of.top_share
    yield Measure(
        name="top_share", words=f"share of the {TOP} most frequent", value=share, unit=Unit.SHARE,
        acceptable=0.01 if of.alerts >= _FEW else None, manageable=0.05, below=True,
    )  # fmt: skip
    yield Measure(name="chattering", words="chattering", value=of.chattering, acceptable=0)
    yield Measure(name="fleeting", words="fleeting", value=of.fleeting, acceptable=0)
    yield Measure(
        name="stale_on_a_day", words="open over a day, worst day", value=of.stale_on_a_day,
        acceptable=5, below=True,
    )  # fmt: skip
    yield Measure(
        name="critical", words="share of critical ones", value=of.severities[Severity.CRITICAL], unit=Unit.SHARE,
        acceptable=0.05,
    )  # fmt: skip
    median, most = of.acknowledged_after
    yield Measure(name="acknowledged_median", words="acknowledged after, median", value=median, unit=Unit.TIME)
    yield Measure(name="acknowledged_p90", words="acknowledged after, nine of ten", value=most, unit=Unit.TIME)
    yield Measure(name="unacknowledged", words="never acknowledged", value=of.unacknowledged)
    yield Measure(name="unacknowledged_standing", words="unacknowledged now", value=of.unacknowledged_standing)
