"""The kinds of channels, and a function for each part that alerts need beside the pipeline. No I/O at import."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from monitor.config.notifiers import KafkaNotifier
from monitor.config.references import resolve
from monitor.config.settings import Settings
from monitor.errors import Problems
from monitor.records.batches import LIVE

if TYPE_CHECKING:
    from monitor.notify.dispatcher import Dispatcher
    from monitor.ports.alert_commands import AlertCommands
    from monitor.ports.notifier import Notifier
    from monitor.ports.store import Announce
    from monitor.worker.alert_keeper import AlertKeeper

NOTIFIERS = {
    "webhook": "monitor.notify.webhook:Webhook",
    "pagerduty": "monitor.notify.pagerduty:Pagerduty",
    "alertmanager": "monitor.notify.alertmanager:Alertmanager",
    "kafka": "monitor.notify.kafka_topic:KafkaTopic",
    "apprise": "monitor.notify.apprise:Apprise",
    "log": "monitor.notify.log:Log",
}
INCIDENTS_S = 1.0  # between looks for incidents about which a message is due


def notifiers(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, Notifier]:
    """Every configured channel. Raises SettingsError where one cannot work, for example without its secret."""
    made, problems = {}, Problems()
    for name, how in settings.notify.items():
        with problems.noting(f"notify.{name}: "):
            known = how.connected(settings.kafka) if isinstance(how, KafkaNotifier) else how
            made[name] = resolve(NOTIFIERS[how.kind])(known, environ)
    problems.refuse()
    return made


def announce(settings: Settings, run: str | None = None) -> Announce:
    """The outbox rows of each transition, one for each configured channel; with `run`, only of that run's alerts."""
    from monitor.notify.announcement import announcement

    return announcement(settings.notify, run, settings.notify_link)


def alert_commands(settings: Settings) -> AlertCommands:
    """Where people's commands go; those about a replay's alerts send no notifications."""
    from monitor.store.alert_commands import open_alert_commands

    return open_alert_commands(settings.store.url, announce(settings, LIVE))


def dispatcher(settings: Settings) -> Dispatcher | None:
    """The thread that drains the outbox, over its own connection; None without a channel to notify."""
    if not settings.notify:
        return None
    from monitor.notify.dispatcher import Dispatcher
    from monitor.notify.incident_payload import incident_announcement
    from monitor.notify.keep_alive import KeepsAlive, keepers
    from monitor.notify.ranking import Ranking
    from monitor.ports.notifier import Illustrated
    from monitor.store.delivered_messages import open_delivered_messages
    from monitor.store.incident_messages import open_incident_messages
    from monitor.store.outbox import open_outbox
    from monitor.store.score_ranks import open_score_ranks

    made, outbox = notifiers(settings), open_outbox(settings.store.url)
    needing = {name: each for name, each in made.items() if isinstance(each, Illustrated | KeepsAlive)}
    announced = open_delivered_messages(settings.store.url) if needing else None  # connections that others do without
    keep = [] if announced is None else keepers(needing, announced)
    delivering = Dispatcher(outbox, made, channels=settings.notify, keepers=keep)
    delivering.closing.append(outbox.close)
    if announced is not None:
        delivering.closing.append(announced.close)
        for notifier in needing.values():
            if isinstance(notifier, Illustrated):
                notifier.illustrate(announced.evidence)
    if settings.store.scores == "all":
        ranks = open_score_ranks(settings.store.url)
        delivering.closing.append(ranks.close)
        delivering.complete_with(Ranking(ranks).complete)
    incidents = open_incident_messages(settings.store.url, incident_announcement(settings.notify))
    delivering.closing.append(incidents.close)
    delivering.beside["dispatcher-incidents"] = (lambda: incidents.write_due(time.time_ns()), INCIDENTS_S)
    return delivering


def alert_keeper(settings: Settings) -> AlertKeeper:
    """The thread that carries out the timers of alerts, over its own connection."""
    from monitor.config.maintenance import planned
    from monitor.maintenance.calendar import ByCalendar
    from monitor.store.alert_timers import open_alert_timers
    from monitor.worker.alert_keeper import AlertKeeper

    muting = ByCalendar(planned(settings.maintenance))
    return AlertKeeper(open_alert_timers(settings.store.url, announce(settings, LIVE), muting))
