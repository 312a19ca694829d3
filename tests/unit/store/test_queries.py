"""What was committed comes back through the read side and the commands, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import alerts as alerts_command
from monitor.cli import db as db_command
from monitor.errors import SettingsError, StoreError
from monitor.ports.models import ModelRow
from monitor.ports.notifier import Outcome
from monitor.ports.store import Commit
from monitor.records.alerts import AlertState
from monitor.records.batches import DeadLetter
from monitor.store.migrations import head, upgrade
from monitor.store.outbox import open_outbox
from monitor.store.queries import Reader, open_reader
from monitor.store.sql import SqlStore, open_store
from tests.champions import make_champion
from tests.store_rows import TOPIC, alert, block, cleared, evidence, fact, full, resolved, scores, transition


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found: str = f"sqlite:///{tmp_path}/s.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(found)
    return found


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    found = open_store(url)
    yield found
    found.close()


@pytest.fixture
def reader(url: str) -> Iterator[Reader]:
    found = open_reader(url)
    yield found
    found.close()


def fill(store: SqlStore) -> None:
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    store.commit(full(stream, store.take("live", [TOPIC])[TOPIC].epoch))


def test_an_alert_comes_back_whole(store: SqlStore, reader: Reader, url: str) -> None:
    fill(store)
    opened = alert()
    store.commit(Commit(run="live", facts=[cleared(opened)]))
    outbox = open_outbox(url)
    (due,) = outbox.claim("hook", 1, 5, 60)
    outbox.record([Outcome(due, 2, "503 busy", 9)])
    detail = reader.get_alert(str(opened.id)[:13])
    assert detail.alert == resolved(opened)
    assert detail.transitions == [
        transition(opened, fact(opened)), transition(resolved(opened), cleared(opened), 1)
    ]  # fmt: skip
    kept, wanted = detail.evidence, evidence(opened)
    assert kept is not None
    assert (kept.channels, kept.start, kept.end) == (wanted.channels, wanted.start, wanted.end)
    assert (kept.facts, kept.components) == (wanted.facts, wanted.components)
    assert kept.band is not None
    assert wanted.band is not None
    assert [side.tobytes() for side in kept.band] == [side.tobytes() for side in wanted.band]
    for name in ("values", "reconstruction", "contribution"):
        assert getattr(kept, name).tobytes() == getattr(wanted, name).tobytes()
    (waiting,) = detail.deliveries
    assert (waiting.attempts, waiting.error, waiting.next_at, waiting.delivered_at) == (1, "503 busy", 9, None)
    (again,) = outbox.claim("hook", 9, 5, 60)
    outbox.record([Outcome(again, 10)])
    (done,) = reader.get_alert(opened.id.hex).deliveries
    assert (done.attempts, done.error, done.delivered_at) == (2, "", 10)
    outbox.close()


def test_evidence_without_a_reconstruction(store: SqlStore, reader: Reader, url: str) -> None:
    opened = alert()
    kept = replace(evidence(opened), reconstruction=None)
    store.commit(Commit(run="live", facts=[fact(opened)], evidence=[kept]))

    found = reader.get_alert(opened.id.hex).evidence

    assert found is not None
    assert found.reconstruction is None
    assert found.contribution.tobytes() == kept.contribution.tobytes()
    show = ["show", opened.id.hex, "--url", url]
    shown = CliRunner().invoke(alerts_command.app, show, env={"COLUMNS": "160"}).stdout
    assert "contribution" in shown
    assert "reconstruction" not in shown
    detail = json.loads(CliRunner().invoke(alerts_command.app, [*show, "--json"]).stdout)
    assert detail["evidence"]["reconstruction"] is None


def test_scores_come_back_to_the_bit(store: SqlStore, reader: Reader) -> None:
    stream = store.open_streams("live", "machines", ["m-1"])[0].id
    rows = scores([30, 10, 20], score=0.1, limit=np.nan)
    rows = replace(rows, score=np.array([0.1, np.nan, 3e38], np.float32), state=np.array([3, 2, 0], np.uint8))
    known = replace(scores([40]), ratio=np.array([np.inf], np.float32))
    make_champion(store, ModelRow(id="f" * 64, family="machines", manifest="{}"))
    store.commit(Commit(run="live", scores=[block(stream, rows), block(stream, known, "f" * 64)]))
    found = reader.scores_of("live", "machines", "m-1")
    assert found.end.tolist() == [10, 20, 30, 40]
    assert found.score.tobytes() == np.array([np.nan, 3e38, 0.1, 1.0], np.float32).tobytes()
    assert np.isnan(found.limit[:3]).all()
    assert found.limit[3] == 2.0
    assert found.ratio[3] == np.inf
    assert found.state.tolist() == [2, 0, 3, 0]
    assert reader.scores_of("live", "machines", "m-1", start=20, end=40, limit=1).end.tolist() == [20]
    assert len(reader.scores_of("live", "machines", "nobody")) == 0


def test_nan_is_null(store: SqlStore) -> None:
    stream = store.open_streams("live", "machines", ["m-1"])[0].id
    rows = replace(scores([1]), score=np.array([np.nan], np.float32), limit=np.array([np.nan], np.float32))
    store.commit(Commit(run="live", scores=[block(stream, replace(rows, ratio=rows.limit))]))
    with store._database.reading() as connection:
        nulls = 'score IS NULL AND "limit" IS NULL AND ratio IS NULL AND model IS NULL'
        assert connection.exec_driver_sql(f"SELECT count(*) FROM scores WHERE {nulls}").scalar() == 1


def test_lists_are_filtered_and_paged(store: SqlStore, reader: Reader) -> None:
    of = [alert(stream=f"m-{i % 3}", opened_at=100 + i // 2) for i in range(9)]
    store.commit(Commit(run="live", facts=[fact(each) for each in of] + [cleared(of[4])]))
    of[4] = resolved(of[4])
    store.commit(Commit(run="again", facts=[fact(alert("again"))]))
    newest_first = reader.list_alerts("live")
    assert [row.opened_at for row in newest_first] == sorted((row.opened_at for row in of), reverse=True)
    pages = [reader.list_alerts("live", limit=4)]
    while pages[-1]:
        pages.append(reader.list_alerts("live", limit=4, before=pages[-1][-1].id))
    assert [row for page in pages for row in page] == newest_first
    assert {row.stream for row in reader.list_alerts("live", stream="m-1")} == {"m-1"}
    assert reader.list_alerts("live", state=AlertState.RESOLVED) == [of[4]]
    assert reader.list_alerts("live", family="others") == []
    with pytest.raises(StoreError, match="to go on from"):
        reader.list_alerts("live", before=alert("nowhere").id)


def test_ids_that_fit_none_or_several(store: SqlStore, reader: Reader) -> None:
    store.commit(Commit(run="live", facts=[fact(alert(opened_at=i)) for i in range(40)]))
    for prefix, message in (("zz", "no alert id"), ("", "no alert id"), ("0" * 32, "no alert named"), ("1", "several")):
        with pytest.raises(SettingsError, match=message):
            reader.get_alert(prefix)


def test_streams_runs_models_and_dead_letters(store: SqlStore, reader: Reader) -> None:
    fill(store)
    letter = DeadLetter(topic="plant", partition=0, offset=3, reason="json", error="bad", body=b"x" * 70_000)
    store.commit(Commit(run="live", dead=[letter, replace(letter, offset=4), replace(letter, offset=5, reason="key")]))
    assert reader.dead_letter_counts("live") == {"json": 2, "key": 1}
    store.open_streams("again", "machines", ["m-2"])
    (report,) = reader.stream_reports("live", family="machines")
    assert (report.name, report.last_time, report.counts["accepted"]) == ("m-1", 5, 4)
    assert [(run.run, run.streams, run.alerts) for run in reader.list_runs()] == [("again", 1, 0), ("live", 1, 1)]
    for id_ in ("a", "b"):
        make_champion(store, ModelRow(id=id_, family="machines", manifest="{}"))
    assert [(row.model.id, row.state) for row in reader.list_models("machines")] == [
        ("b", "champion"),
        ("a", "retired"),
    ]
    with store._database.reading() as connection:
        size = connection.exec_driver_sql("SELECT length(body), size FROM dead_letters").first()
    assert size == (65536, 70_000)


def test_alerts_on_the_command_line(store: SqlStore, url: str) -> None:
    fill(store)
    run = CliRunner()
    listed = run.invoke(alerts_command.app, ["list", "--url", url, "--json"])
    (row,) = json.loads(listed.stdout)
    assert (row["id"], row["opened_at"], row["state"]) == (str(alert().id), "1970-01-01T00:00:00.000000100Z", "open")
    assert alert().id.hex[:8] in run.invoke(alerts_command.app, ["list", "--url", url], env={"COLUMNS": "160"}).stdout
    assert "No alerts" in run.invoke(alerts_command.app, ["list", "--url", url, "--state", "resolved"]).stdout
    shown = run.invoke(alerts_command.app, ["show", alert().id.hex[:8], "--url", url], env={"COLUMNS": "160"}).stdout
    for part in ("machines / m-1", "température", "reconstruction", "contribution", "▁", "█", "hook", "waiting"):
        assert part in shown
    detail = json.loads(run.invoke(alerts_command.app, ["show", alert().id.hex, "--url", url, "--json"]).stdout)
    assert detail["evidence"]["values"][0] == [1.5, None]
    assert [change["number"] for change in detail["transitions"]] == [0]
    assert detail["deliveries"][0]["channel"] == "hook"


def test_a_list_that_stops_at_its_limit_says_so(store: SqlStore, url: str) -> None:
    store.commit(Commit(run="live", facts=[fact(alert(opened_at=i)) for i in range(4)]))
    run = CliRunner()
    cut = run.invoke(alerts_command.app, ["list", "--url", url, "--json", "--limit", "3"])
    whole = run.invoke(alerts_command.app, ["list", "--url", url, "--json", "--limit", "4"])
    assert (len(json.loads(cut.stdout)), len(json.loads(whole.stdout))) == (3, 4)
    assert (cut.stderr, whole.stderr) == ("There are more than these 3 alerts; --limit N shows more.\n", "")


def test_a_run_that_never_was_is_a_mistake(store: SqlStore, url: str) -> None:
    run = CliRunner()
    assert run.invoke(alerts_command.app, ["list", "--url", url]).stdout == "No alerts in run live.\n"
    for known in ("live", "june, live"):
        error = run.invoke(alerts_command.app, ["list", "--url", url, "--run", "july"]).exception
        assert isinstance(error, SettingsError)
        assert str(error).startswith(f"no run named 'july'; there are: {known}")
        for name in ("live", "june"):
            store.open_streams(name, "machines", ["m-1"])


def test_the_database_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run, url = CliRunner(), "sqlite:///new.db"
    assert isinstance(run.invoke(db_command.app, ["current"]).exception, SettingsError)
    config = '[store]\nurl = "sqlite:///new.db"\n[families.a]\ntopic = "a"\ninterval = "10s"\nwindow.length = 8\n'
    Path("watchkeeper.toml").write_text(config)
    assert run.invoke(db_command.app, ["current"]).stdout == f"current none, needed {head()}\n"
    assert run.invoke(db_command.app, ["upgrade", "--url", url]).stdout == f"The schema is {head()} now.\n"
    assert run.invoke(db_command.app, ["upgrade"]).stdout == f"The schema is {head()} already.\n"
    found = run.invoke(db_command.app, ["current", "--config", "watchkeeper.toml", "--json"]).stdout
    assert json.loads(found) == {"current": head(), "needed": head()}
