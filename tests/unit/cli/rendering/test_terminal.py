"""What the lists and pages of the command line look like on terminals of 60, 80 and 120 columns."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid5

import numpy as np
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from monitor.cli import alerts, streams
from monitor.cli.rendering.sparkline import Scale, bars
from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, CommandKind, Evidence, FactKind, Severity, alert_id
from monitor.store.alert_commands import open_alert_commands
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import command, counts, fact, state

WIDTHS = (60, 80, 120)
HOUR = 3600 * 10**9
CAUSE = "198 gaps: it seems to send every 60 s, but the interval of its family is 10s"
NEWEST = 93.25  # of the window that opened the alert

Show = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with closing(open_store(f"sqlite:///{tmp_path}/w.db")) as made:
        yield made


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    columns: int = request.param
    return columns


@pytest.fixture
def show(width: int, store: SqlStore, tmp_path: Path) -> Show:
    """Runs a command on a terminal so wide and checks that no line is wider."""

    def run(app: Any, *arguments: str) -> str:
        url = f"sqlite:///{tmp_path}/w.db"
        result = CliRunner().invoke(app, [*arguments, "--url", url], env={"COLUMNS": str(width)})
        if result.exception is not None:
            raise result.exception
        assert [line for line in result.stdout.splitlines() if cell_len(line) > width] == []
        return result.stdout

    return run


def ago(hours: float, **more: Any) -> Alert:
    at = time.time_ns() - round(hours * HOUR)
    made = Alert(
        id=alert_id("live", "compressors", "hall-3/k-17", at), run="live", family="compressors", stream="hall-3/k-17",
        opened_at=at, started_at=at - HOUR, last_at=at, peak_ratio=7.25, peak_at=at,
    )  # fmt: skip
    return replace(made, **more)


def of_kind(kind: str, hours: float, cause: str = "") -> Alert:
    made = ago(hours)
    return replace(made, id=uuid5(made.id, kind), kind=kind, cause=cause)


def report(store: SqlStore, *of: Alert, **more: Any) -> None:
    found = [replace(fact(each), cause=each.cause) for each in of]
    store.commit(Commit("live", facts=found, announce=lambda *_: [("hook", "{}")], **more))


def words(text: str) -> str:
    """In one line, without frames and padding, as folding changes neither words nor their order."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_a_list_of_alerts_shows_what_each_is_about(store: SqlStore, show: Show) -> None:
    report(store, ago(30, severity=Severity.CRITICAL), of_kind("unscored", 2.5, CAUSE), of_kind("silent", 0.06))

    shown = show(alerts.app, "list")

    for part in ("anomaly", "unscored", "silent", "compressors", "hall-3/k-17", "critical", "warning", "UTC"):
        assert part in shown
    assert CAUSE in words(shown)
    assert "open for 30 h" in shown or "open for 1 d" in shown
    assert "open for 2 h" in shown
    assert "open for 3 min" in shown


def test_a_list_of_one_kind_and_family_names_them_too(store: SqlStore, show: Show) -> None:
    report(store, ago(1), ago(2))

    assert all(part in show(alerts.app, "list") for part in ("anomaly", "compressors"))


def test_resolved_and_acknowledged_alerts_say_since_when(store: SqlStore, show: Show, tmp_path: Path) -> None:
    done, seen = ago(5), ago(4)
    report(store, done, seen)
    store.commit(Commit("live", facts=[fact(done, FactKind.CLEARED, time.time_ns() - 3 * HOUR)]))
    with closing(open_alert_commands(f"sqlite:///{tmp_path}/w.db", lambda *_: [])) as people:
        people.give(replace(command(seen, CommandKind.ACKNOWLEDGE), at=time.time_ns() - HOUR // 20))

    shown = show(alerts.app, "list")

    assert "resolved 3 h ago" in shown
    assert "acknowledged 3 min ago" in shown


def test_a_very_long_name_is_folded_and_not_cut(store: SqlStore, show: Show) -> None:
    name = "boiler-room-pump-17/" * 6
    report(store, ago(1, stream=name))

    assert name in re.sub(r"\s", "", show(alerts.app, "list"))


@pytest.mark.parametrize("length", [12, 48, 360, 2000])
def test_an_alert_shows_the_newest_readings(store: SqlStore, show: Show, length: int) -> None:
    """They are what opened it; at 80 columns they were cut off."""
    one = ago(2)
    values = np.full((length, 1), 20, np.float32)
    values[-3:, 0] = 60, 80, NEWEST
    share = np.zeros((length, 1), np.float32)
    share[-1:] = 1.0
    kept = Evidence(
        alert=one.id, start=one.started_at, end=one.opened_at, channels=("temperature",), values=values,
        reconstruction=np.full_like(values, 20), contribution=share,
    )  # fmt: skip
    report(store, one, evidence=[kept])

    shown = show(alerts.app, "show", one.id.hex[:8])

    (line,) = [line.split() for line in shown.splitlines() if line.startswith("  values")]
    assert line[1].endswith("▁▁▅▇█") or line[1].endswith("▁▁▅▆█")
    assert line[2] == "93.25"
    assert ("share one" in words(shown)) == ("│" in line[1]) == (len(line[1]) < length)
    (contribution,) = [line.split() for line in shown.splitlines() if line.startswith("  contribution")]
    assert contribution[1].endswith("▁▁█")
    assert f"100%: temperature at {datetime.fromtimestamp(one.opened_at // 10**9, UTC):%Y-%m-%d %H:%M:%S} is 93.25, "\
        "expected 20" in words(shown)  # fmt: skip


def test_an_alert_shows_its_cause_life_and_notifications(store: SqlStore, show: Show) -> None:
    one = of_kind("unscored", 3, CAUSE)
    report(store, one, max_age=HOUR)
    store.commit(
        Commit("live", facts=[replace(fact(one, FactKind.WORSENED, time.time_ns() - HOUR // 20), cause=CAUSE)],
               announce=lambda *_: [("hook", "{}")], max_age=HOUR)
    )  # fmt: skip

    shown = words(show(alerts.app, "show", one.id.hex[:8]))

    for part in (CAUSE, "open for 3 h", "(3 h ago)", "opened", "worsened", "monitor", "hook", "waiting"):
        assert part in shown
    assert "older than notify.max_age" in shown


def test_a_list_of_streams_shows_counters_that_count(store: SqlStore, show: Show, width: int) -> None:
    """Columns of zeros stood before them, and pushed them out."""
    for name in ("hall-3/k-17", "hall-3/k-18"):
        stream = store.open_streams("live", "compressors", [name])[0]
        counted = counts(accepted=4, future=31)
        seen = state(stream.id, b"", time.time_ns() - HOUR // 20)._replace(counts=counted)
        store.commit(Commit("live", streams=[seen]))

    shown = show(streams.app, "list")

    assert "future" in shown
    assert ("3 min" in shown) == (width > 60)
    assert all(part in shown for part in ("31", "hall-3/k-18", "ok", "so far"))


def test_one_stream(store: SqlStore, show: Show) -> None:
    stream = store.open_streams("live", "compressors", ["hall-3/k-17"])[0]
    store.commit(Commit("live", streams=[state(stream.id, b"", time.time_ns() - 2 * HOUR - 10**9)]))

    shown = show(streams.app, "show", "hall-3/k-17")

    assert all(part in shown for part in ("hall-3/k-17", "compressors", "2 h", "(UTC)"))


@pytest.mark.parametrize(("options", "expected"), [
    ((), "2026-07-01 10:00:00"), (("--timezone", "Europe/Berlin"), "2026-07-01 12:00:00"),
    (("--timezone", "utc"), "2026-07-01 10:00:00"), (("--local",), "2026-07-01 06:00:00"),
])  # fmt: skip
def test_times_are_shown_in_the_zone_asked_for(
    store: SqlStore, show: Show, options: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()) * 10**9
    stream = store.open_streams("live", "compressors", ["k"])[0]
    one = ago(0, opened_at=at, peak_at=at, last_at=at, started_at=at)
    report(store, one, streams=[state(stream.id, b"", at)])
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        shown = [
            show(app, *arguments, *options)
            for app, arguments in [
                (alerts.app, ("list",)), (alerts.app, ("show", one.id.hex[:8])), (streams.app, ("list",)),
                (streams.app, ("show", "k")),
            ]
        ]  # fmt: skip
    finally:
        monkeypatch.undo()
        time.tzset()
    for text in shown:
        assert expected in words(text)
        assert ("UTC" in text) == (not options or options[-1] == "utc")


@pytest.mark.parametrize(("options", "said"), [
    (("--timezone", "Europe/Berlni"), "did you mean Europe/Berlin"),
    (("--timezone", "../etc/passwd"), "there is no zone"),
    (("--timezone", "Europe/Berlin", "--local"), "give one of them"),
])  # fmt: skip
def test_zones_that_are_none(show: Show, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        show(alerts.app, "list", *options)


def test_bars() -> None:
    assert bars([0, 1, 2, 3, 4, 5, 6, 7], 0, 7) == "▁▂▃▄▅▆▇█"
    assert bars([1.0, float("nan"), 1.0], 1, 1) == "▁ ▁"
    spike = [0.0] * 600
    spike[300] = 9.0
    assert bars(spike, 0, 9, 10).count("█") == 1


@pytest.mark.parametrize("count", [1, 7, 8, 9, 60, 61, 119, 121, 5000])
@pytest.mark.parametrize("width", [0, 8, 31, 60])
def test_every_reading_is_in_a_bar_and_the_newest_have_one_each(count: int, width: int) -> None:
    scale, values = Scale(count, width), list(range(count))

    drawn = scale.draw(values, 0, max(1, count - 1))

    assert len(drawn) <= max(width, 8)
    assert len(drawn.replace("│", "")) == scale.newest + -(-(count - scale.newest) // scale.step)
    assert drawn[-scale.newest :] == bars(values[-scale.newest :], 0, max(1, count - 1))
    assert scale.newest == count or scale.newest >= max(width, 8) // 2
