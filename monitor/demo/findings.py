"""What was found of what really went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from monitor.alerts.accepting import ANOMALY
from monitor.records.alerts import Alert
from monitor.simulator.truth import Fault

UNDETECTABLE = frozenset({"dropout"})  # readings that never come leave nothing to score


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and the first alert about it, None = missed. `family` is the one its stream belongs to."""

    fault: Fault
    family: str
    alert: Alert | None

    @property
    def detectable(self) -> bool:
        """Whether a detector can see it at all."""
        return self.fault.kind not in UNDETECTABLE

    @property
    def delay(self) -> int | None:
        """From the fault's first reading to the alert's opening, ns; 0 for an alert that was open already."""
        return None if self.alert is None else max(0, self.alert.opened_at - self.fault.start)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every fault, family by family in order of time, and the alerts that belong to none of them."""

    findings: tuple[Finding, ...]
    false: tuple[Alert, ...]

    def of(self, family: str) -> Comparison:
        """The part of one family."""
        return Comparison(
            tuple(finding for finding in self.findings if finding.family == family),
            tuple(alert for alert in self.false if alert.family == family),
        )

    @property
    def example(self) -> Alert | None:
        """The first anomaly that found something: it has evidence."""
        alerts = (finding.alert for finding in self.findings)
        return next((alert for alert in alerts if alert is not None and alert.kind == ANOMALY), None)

    @property
    def detectable(self) -> int:
        """Faults that a detector can see."""
        return sum(finding.detectable for finding in self.findings)

    @property
    def found(self) -> int:
        """Those of them with an alert."""
        return sum(finding.detectable and finding.alert is not None for finding in self.findings)


def compare(truth: Mapping[str, Iterable[Fault]], alerts: Iterable[Alert], reach: Mapping[str, int]) -> Comparison:
    """Match faults, by family, with alerts of the same family and stream that were open at some time during the fault.

    `reach` (ns, by family) is how much later an alert may still open: so long does a window hold a reading of the
    fault. An alert may cover several faults, and a fault may have several alerts: the first one counts.
    """
    alerts = sorted(alerts, key=lambda alert: (alert.opened_at, alert.stream))
    findings: list[Finding] = []
    true: set[UUID] = set()
    for family, faults in truth.items():
        for fault in sorted(faults):
            about = [alert for alert in alerts if _about(alert, family, fault, reach[family])]
            true.update(alert.id for alert in about)
            findings.append(Finding(fault, family, about[0] if about else None))
    return Comparison(tuple(findings), tuple(alert for alert in alerts if alert.id not in true))


def _about(alert: Alert, family: str, fault: Fault, reach: int) -> bool:
    same = (alert.family, alert.stream) == (family, fault.stream)
    return same and alert.opened_at <= fault.end + reach and alert.last_at >= fault.start
