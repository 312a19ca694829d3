"""The whole demo, from an empty folder to a report with every check that failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from monitor import bootstrap
from monitor.config.settings import Settings, load
from monitor.demo import steps
from monitor.demo.audit import Audit
from monitor.demo.findings import Comparison, compare
from monitor.demo.folder import write_config
from monitor.demo.plants import ECG, TEMPERATURE, Plants
from monitor.ports.models import ModelRow
from monitor.records.alerts import Alert, Evidence
from monitor.records.batches import LIVE
from monitor.records.totals import Totals
from monitor.simulator.plant import SECOND
from monitor.simulator.publish import publish
from monitor.testing.webhook_receiver import Received, Receiver

REPLAY = "demo-replay"
EVERY = 10**6  # alerts: all of a run
BEAT = SECOND  # an alert about a heartbeat opens within that


class Show(Protocol):
    """Shows the progress of the demo."""

    def step(self, text: str) -> None:
        """The next step begins."""
        ...

    def trained(self, model: ModelRow) -> None:
        """A family has its model."""
        ...

    def watching(self, sent: int, expected: int, totals: Totals, webhooks: list[Received]) -> None:
        """Called often while the worker runs; `webhooks` are those that have arrived so far."""
        ...

    def watched(self) -> None:
        """The live part is over."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The results. `problems` is empty when every check passed."""

    config: Path
    messages: int
    readings: dict[str, int]
    totals: Totals
    kept: int  # scores that `store.scores` asks for
    comparison: Comparison
    alerts: list[Alert]
    evidence: Evidence | None  # of `comparison.example`
    rows: dict[str, int]
    webhooks: list[Received]
    refused: int
    replayed: dict[str, int]
    differences: dict[str, int]
    beyond: int
    seconds: dict[str, float]
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        families = {name: _counts(self.comparison.of(name)) for name in (TEMPERATURE, ECG)}
        return {
            "config": str(self.config), "messages": self.messages, "records": self.totals.records,
            "readings": self.readings, "windows": self.totals.windows, **_counts(self.comparison),
            "families": families, "alerts": len(self.alerts), "rows": self.rows,
            "webhooks": {"verified": len({hook.id for hook in self.webhooks}), "refused": self.refused},
            "replay": {"rows": self.replayed, "differences": self.differences, "windows_beyond": self.beyond},
            "seconds": self.seconds, "problems": self.problems,
        }  # fmt: skip


def play(folder: Path, secret: str, plants: Plants, show: Show) -> Report:
    """Run the demo in `folder`; `secret` is what `prepare` gave for it."""
    seconds: dict[str, float] = {}
    with Receiver(secret) as receiver:
        config = write_config(folder, receiver.url)
        with bootstrap.broker(load(config)) as settings:
            totals = _work(settings, plants, receiver, show, seconds)
    audit = Audit.of(settings)
    comparison, alerts, evidence = _compare(settings, plants)
    kept = totals.windows if settings.store.scores == "all" else totals.anomalies
    report = Report(
        config=config, messages=plants.messages, readings=audit.readings(), totals=totals, kept=kept,
        comparison=comparison, alerts=alerts, evidence=evidence, rows=audit.rows(LIVE),
        webhooks=receiver.received, refused=receiver.refused,
        replayed=audit.rows(REPLAY), differences=audit.differences(REPLAY), beyond=audit.beyond(REPLAY),
        seconds=seconds,
    )  # fmt: skip
    report.problems.extend(problems(report, audit.transitions()))
    return report


def _work(settings: Settings, plants: Plants, receiver: Receiver, show: Show, seconds: dict[str, float]) -> Totals:
    """Publish, train, watch, replay."""
    servers = {"bootstrap.servers": settings.kafka.bootstrap_servers}
    with closing(bootstrap.store(settings)) as store:
        show.step(f"Simulating {plants.messages:,} messages; those before the first fault go to Kafka")
        with _timed("publish", seconds):
            early = publish(plants.healthy(), servers)
        for name, family in settings.families.items():
            show.step(f"Training the {family.detector.kind} autoencoder of family {name} on them")
            with _timed(f"train {name}", seconds):
                show.trained(steps.train(settings, name, store))
    show.step("Watching live, while the simulator publishes the rest, with faults")
    simulator = steps.Publishing(settings, plants.faulty())

    def look(now: Totals) -> None:
        show.watching(early + simulator.sent, plants.messages, now, receiver.received)

    with _timed("watch", seconds):
        totals = steps.watch(settings, simulator, plants.messages, look)
    show.step(f"Replaying the same hours from Kafka as run {REPLAY}")
    with _timed("replay", seconds):
        steps.replay(settings, REPLAY)
    return totals


def _compare(settings: Settings, plants: Plants) -> tuple[Comparison, list[Alert], Evidence | None]:
    """Alerts against the truth, and the evidence of the first alert that found something."""
    reach = {name: (family.interval or 0) * family.shape.length or BEAT for name, family in settings.families.items()}
    reader = bootstrap.reader(settings)
    try:
        alerts = reader.list_alerts(LIVE, limit=EVERY)[::-1]
        comparison = compare(plants.truth, alerts, reach)
        shown = comparison.example
        return comparison, alerts, None if shown is None else reader.get_alert(shown.id.hex).evidence
    finally:
        reader.close()


def problems(report: Report, transitions: set[str]) -> list[str]:
    """Every check that failed; `transitions` are the ids of all changes of alerts, 32 hex digits each."""
    arrived = {str(hook.message["data"]["transition_id"]).replace("-", "") for hook in report.webhooks}
    sums = report.readings
    checks = {
        f"{report.messages:,} messages were published and {report.totals.records:,} read": (
            report.messages == report.totals.records
        ),
        f"{report.totals.records:,} messages were read, but the sums in SQL are {sums}": (
            sum(sums.values()) == report.totals.records
        ),
        f"{report.kept:,} windows should have a row, but SQL holds {report.rows['scores']:,} scores": (
            report.kept == report.rows["scores"]
        ),
        "no alert opened": bool(report.alerts),
        "none of the faults was found": report.comparison.found > 0,
        f"{report.refused} webhooks had a wrong signature": report.refused == 0,
        f"{len(transitions - arrived)} of {len(transitions)} changes of alerts were not posted": transitions == arrived,
        "the replay sent notifications": report.replayed["outbox"] == 0,
    } | {f"the replay has {count:,} {what}": count == 0 for what, count in report.differences.items()}
    return [problem for problem, passed in checks.items() if not passed]


def _counts(comparison: Comparison) -> dict[str, int]:
    return {
        "faults": len(comparison.findings), "detectable": comparison.detectable, "found": comparison.found,
        "false_alerts": len(comparison.false),
    }  # fmt: skip


@contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - began, 1)
