"""`watchkeeper alerts kpi`: whether people can cope with the alerts, by the figures of ISA-18.2 and IEC 62682."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import RunName
from monitor.cli.parameters.database import Config, Url, store_url, utc
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.parameters.zones import Local, Timezone, moments
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.errors import SettingsError
from monitor.records.scalars import LIVE

if TYPE_CHECKING:
    from monitor.alerts.kpi import Period
    from monitor.store.engine import Database

Until = Annotated[
    int | None,
    typer.Option(
        **bounds.TIME,
        help="Event time at which it ends [default: now; of a replay its newest reading].",
    ),
]
_MONTH = 30 * 86_400 * 10**9  # ns
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def kpi(  # noqa: PLR0913, PLR0917 (an argument is an option)
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    since: Annotated[
        int,
        typer.Option(
            **bounds.DURATION,
            show_default="30d",
            help="How much time before --until, such as 24h.",
        ),
    ] = _MONTH,
    until: Until = None,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """Measure the load that alerts are, beside what ISA-18.2 and IEC 62682 recommend."""
    from monitor.alerts.kpi import measure
    from monitor.cli.rendering import alert_kpi
    from monitor.store import alert_times
    from monitor.store.open import open_database

    shown = moments(local, timezone)
    database = open_database(store_url(config, url))
    try:
        chosen = _period(database, run, since, until, shown.now)
        if chosen is not None:
            period, whole = chosen
            found = alert_times.read(database, run, period)
    finally:
        database.close()
    if chosen is None:
        refuse_unknown(config, url, Narrowed(run))
        echo(f"No alerts in run {run}.") if not as_json else echo_json(None)
        return
    report = alert_kpi.Report(run, period, measure(found.alerts, period), found.sources, whole=whole)
    if as_json:
        echo_json(alert_kpi.as_json(report), indent=2)
    else:
        for part in alert_kpi.tables(report, shown):
            terminal().print(part)


def _period(database: Database, run: str, since: int, until: int | None, now: int) -> tuple[Period, bool] | None:
    """The time to measure, and whether that is all of the record.

    It does not begin before the record did, so that a new plant is not taken for a quiet one, nor with the first alert,
    which would make a quiet one busy. None where the run has no alert. Raises SettingsError where the run began after
    `until`.
    """
    from monitor.alerts.kpi import Period
    from monitor.store import alert_times

    known = alert_times.known_times(database, run)
    if known is None:
        return None
    first, newest = known
    judged = alert_times.recorded(database, run)
    newest = max(newest, newest if judged is None else judged[1])
    end = until if until is not None else max(now, newest + 1) if run == LIVE else newest + 1
    begins = (first, None if judged is None else judged[0], alert_times.watched_since(database, run))
    began = min(at for at in begins if at is not None)
    start = max(end - since, began)
    if start >= end:
        raise SettingsError(f"--until {utc(end)}: run {run} began later, at {utc(began)}")
    return Period(start, end), start == began
