"""`watchkeeper replay`: the same readings give the same results, beside the live ones and without a word to anybody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import structlog
import typer
from confluent_kafka import Producer
from sqlalchemy import create_engine, text

from monitor import bootstrap
from monitor.cli.app import build, main
from monitor.config.settings import Settings, load
from monitor.errors import NOT_ALL_JUDGED, ModelError, MonitorError, SettingsError, SourceError, StoreError
from monitor.ports.store import HistoryBlock
from monitor.records.alerts import Alert
from monitor.records.batches import LIVE, State
from monitor.records.counters import READINGS
from monitor.simulator.publish import publish
from monitor.simulator.recording import Recording
from monitor.sources.embedded import EmbeddedBroker
from monitor.sources.files.source import FileColumns
from monitor.sources.memory import ListSource
from monitor.training.model_manager import Champions
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.champions import train_champion

ROWS, TRAIN = 700, 300
CONFIG = """
models = "{folder}/artefacts"
kafka.bootstrap_servers = "{servers}"
store.url = "sqlite:///{folder}/plant.db"
notify.console.kind = "log"

[families.pumps]
topic = "pumps"
interval = "10s"
recipe = "plain"
window.length = 12
threshold.history = "1h"
detector.options = {{ epochs = 10 }}
"""


def command(*arguments: object) -> str:
    """What the command prints; errors are raised."""
    out = StringIO()
    with redirect_stdout(out):
        build().main(args=[*map(str, arguments)], standalone_mode=False)
    return out.getvalue()


def replay(*arguments: object) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(command("replay", *arguments, "--json"))
    return summary


def configure(folder: Path, servers: str = "localhost:1") -> Path:
    path = folder / "plant.toml"
    path.write_text(CONFIG.format(folder=folder, servers=servers))
    return path


def readings() -> pd.DataFrame:
    """A pump's rhythm with a fault after 500 readings."""
    rng = np.random.default_rng(3)
    values = 50 + np.sin(np.arange(ROWS) / 5) + rng.normal(0, 0.05, ROWS)
    values[500:530] += 8 * rng.choice([-1, 1], 30)
    start = pd.Timestamp("2026-03-01", tz="UTC")
    times = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in pd.date_range(start, periods=ROWS, freq="10s")]
    return pd.DataFrame({"at": times, "value": np.round(values, 4)})


def train(settings: Settings) -> None:
    """Give the family a champion, trained on the first readings."""
    part = readings()[:TRAIN]
    time = pd.DatetimeIndex(part["at"]).as_unit("ns").asi8
    block = HistoryBlock(0, time, part["value"].to_numpy(np.float32)[:, None])
    store = bootstrap.store(settings)
    train_champion(settings, store, "pumps", [("p-1", block)])
    store.close()


def live(settings: Settings) -> None:
    """The live run, over the same messages as Kafka holds them."""
    pipelines = bootstrap.pipelines(settings)
    decoders = bootstrap.decoders(settings, {name: made.index for name, made in pipelines.items()})
    messages = [
        (b"p-1", json.dumps({"time": at, "value": value}).encode())
        for at, value in readings()[TRAIN:].itertuples(index=False)
    ]
    store = bootstrap.store(settings)
    connect = partial(ListSource, {("pumps", 0): messages}, decoders, batch=37, finite=True)
    champions = Champions(store, bootstrap.library(settings, store), LIVE, bootstrap.normal_scores())
    plan = WorkerOptions(commit_interval=0.01, live=False, announce=bootstrap.announce(settings))
    Runner(connect, store, pipelines, champions, plan).run()
    store.close()


def rows(folder: Path) -> dict[str, list[Any]]:
    """Every table, row by row."""
    engine = create_engine(f"sqlite:///{folder}/plant.db")
    with engine.connect() as connection:
        names = connection.execute(text("select name from sqlite_master where type = 'table'")).scalars().all()
        found = {name: [tuple(row) for row in connection.execute(text(f'select * from "{name}"'))] for name in names}
    engine.dispose()
    return found


def facts(settings: Settings, run: str, windows: int = ROWS - TRAIN - 11) -> tuple[list[Any], list[bytes]]:
    """Alerts but for what names the run, and scores as bits."""
    reader = bootstrap.reader(settings)
    try:
        alerts = [_plain(alert) for alert in reader.list_alerts(run)]
        scores = reader.scores_of(run, "pumps", "p-1")
    finally:
        reader.close()
    columns = (scores.start, scores.end, scores.score, scores.limit, scores.ratio, scores.imputed, scores.state)
    assert len(scores) == windows
    return alerts, [column.tobytes() for column in columns]


def _plain(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.opened_at, alert.started_at, alert.last_at, alert.resolved_at, alert.peak_ratio, alert.peak_at,
        alert.windows, alert.state, alert.severity,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command sends log lines to this test's stderr, which ends with it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, a model, a live run, and the readings in a file."""
    folder = tmp_path_factory.mktemp("watched")
    settings = load(configure(folder))
    train(settings)
    live(settings)
    readings().to_csv(folder / "p-1.csv", index=False)
    return folder


@pytest.fixture
def plant(watched: Path, tmp_path: Path) -> Path:
    """A copy of it; the model's folder stays where it is."""
    shutil.copytree(watched, tmp_path, dirs_exist_ok=True)
    configure(tmp_path)
    return tmp_path


def file_options(folder: Path) -> tuple[object, ...]:
    return ("--file", folder / "p-1.csv", "--time", "at", "--from", readings()["at"][TRAIN])


def test_a_replay_finds_what_the_live_run_found_and_touches_nothing(plant: Path) -> None:
    config = plant / "plant.toml"
    before = rows(plant)
    summary = replay(config, "--name", "again", *file_options(plant))
    after = rows(plant)

    settings = load(config)
    assert facts(settings, "again") == facts(settings, LIVE)
    assert summary["complete"]
    assert summary["readings"] == ROWS - TRAIN
    assert summary["opened"] == len(summary["alerts"]) == len(facts(settings, LIVE)[0]) > 0
    for name, live_rows in before.items():
        assert set(live_rows) <= set(after[name]), name
    assert after["outbox"] == before["outbox"] != []


@pytest.mark.parametrize(("every", "code"), [(50, 0), (10, NOT_ALL_JUDGED), (1, NOT_ALL_JUDGED)])
def test_rows_that_cannot_be_read_are_said(
    plant: Path, capsys: pytest.CaptureFixture[str], every: int, code: int
) -> None:
    table = readings().astype({"value": str})
    table.loc[::every, "value"] = "broken"
    table.to_csv(plant / "broken.csv", index=False)
    options = ("--file", plant / "broken.csv", "--time", "at", "--key", "p-1", "--json")
    with pytest.raises(SystemExit) as left:
        main(["replay", str(plant / "plant.toml"), "--name", "broken", *map(str, options)])
    said = capsys.readouterr()

    assert left.value.code == code
    bad = ROWS // every
    assert f"{bad} of {ROWS} rows of broken.csv could not be read:" in said.err
    assert f"{bad} bad-value, for example" in said.err
    summary = json.loads(said.out)
    assert (summary["records"], summary["readings"], summary["dead"]) == (ROWS, ROWS - bad, bad)
    families = [alert for alert in load_alerts(plant, "broken") if alert.kind == "unreadable"]
    assert [(alert.family, alert.stream, str(alert.state)) for alert in families] == (
        [("pumps", "", "open")] if every == 1 else []
    )


def load_alerts(plant: Path, run: str) -> list[Alert]:
    reader = bootstrap.reader(load(plant / "plant.toml"))
    try:
        return reader.list_alerts(run)
    finally:
        reader.close()


def test_a_folder_is_replayed_as_one_file_is(plant: Path) -> None:
    table = readings()
    (plant / "days").mkdir()
    table[:450].to_csv(plant / "days" / "9.csv.gz", index=False)
    table[450:].to_parquet(plant / "days" / "10.parquet")
    config, options = plant / "plant.toml", file_options(plant)[2:]
    replay(config, "--name", "folder", "--file", plant / "days", *options, "--key", "p-1")

    settings = load(config)
    assert facts(settings, "folder") == facts(settings, LIVE)


def test_a_file_in_another_notation_is_replayed_as_a_plain_one(plant: Path) -> None:
    """The notation comes from options or from the family; words above the range are out of range in both."""
    config, part = configure(plant), readings()[TRAIN:]
    plain = replay(config, "--name", "plain", "--file", plant / "p-1.csv", "--time", "at")
    texts = [str(value).replace(".", ",") for value in part["value"]]
    texts[100] = "OL"
    lines = ["Pumpe 1", "at;value", *(f"{at};{text}" for at, text in zip(part["at"], texts, strict=True))]
    (plant / "other").mkdir()
    other = plant / "other" / "p-1.csv"
    other.write_text("\n".join(lines), encoding="utf-16")
    where = ("--file", other, "--time", "at", "--skip-rows", "1")
    by_options = replay(config, "--name", "options", *where, "--decimal", ",", "--high", "OL")
    config.write_text(config.read_text() + 'format = { decimal = ",", high = ["OL"] }\n')
    by_family = replay(config, "--name", "family", *where)

    for found in (by_options, by_family):
        assert found["dead"] == 0
        opened = [alert["opened"] for alert in found["alerts"]]
        assert set(opened) - {alert["opened"] for alert in plain["alerts"]} == {
            part["at"].iloc[100].replace("T", " ").removesuffix("Z")
        }


def test_a_name_is_used_once_or_replaced(plant: Path) -> None:
    options = (plant / "plant.toml", "--name", "again", *file_options(plant))
    first = replay(*options)
    count = {name: len(found) for name, found in rows(plant).items()}
    with pytest.raises(StoreError, match="--replace"):
        replay(*options)
    assert replay(*options, "--replace") == first
    assert {name: len(found) for name, found in rows(plant).items()} == count


def damage_models(folder: Path) -> None:
    shutil.rmtree(folder / "artefacts", ignore_errors=True)
    engine = create_engine(f"sqlite:///{folder}/plant.db")
    with engine.begin() as connection:
        connection.execute(text("update model_bodies set body = x'00'"))
    engine.dispose()


@pytest.mark.parametrize("cause", ["model", "file", "column", "broker", "secret"])
def test_an_earlier_replay_is_kept_where_the_next_cannot_begin(
    plant: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """Whatever keeps it from reading its first record: `--replace` has deleted nothing yet."""
    config = plant / "plant.toml"
    replay(config, "--name", "again", *file_options(plant))
    monkeypatch.setattr("monitor.sources.kafka_range._WAIT", 0.5)  # seconds
    options: tuple[object, ...] = file_options(plant)
    error: type[MonitorError] = SourceError
    match cause:
        case "model":
            damage_models(plant)
            error = ModelError
        case "file":
            options = ("--file", plant / "gone.csv", "--time", "at")
        case "column":
            options = ("--file", plant / "p-1.csv", "--time", "when")
            error = SettingsError
        case "broker":
            options = ()
        case "secret":
            hook = '[notify.hook]\nkind = "webhook"\nurl = "https://example.org/"\nsecret_env = ["NO_SUCH_SECRET"]\n'
            config.write_text(config.read_text() + hook)
            options, error = (*options, "--notify"), SettingsError
    before = {name: found for name, found in rows(plant).items() if name != "model_changes"}

    with pytest.raises(error):
        replay(config, "--name", "again", *options, "--replace")

    assert {name: found for name, found in rows(plant).items() if name != "model_changes"} == before


def test_somebody_is_told_only_when_asked_for(plant: Path) -> None:
    before = len(rows(plant)["outbox"])
    replay(plant / "plant.toml", "--name", "loud", *file_options(plant), "--notify")
    assert len(rows(plant)["outbox"]) > before


def test_an_end_and_a_table_for_people(plant: Path) -> None:
    shown = command("replay", plant / "plant.toml", "--name", "short", *file_options(plant), "--to", "2026-03-01T01:00")
    assert "Replay short" in shown
    assert "60" in shown  # readings from 00:50 to 01:00
    assert "No alert opened." in shown


@pytest.mark.parametrize(
    ("name", "kind", "said"), [(LIVE, SettingsError, "--name"), ("", typer.BadParameter, "give a name")]
)
def test_the_live_run_is_refused(plant: Path, name: str, kind: type[Exception], said: str) -> None:
    before = rows(plant)
    with pytest.raises(kind, match=said):
        replay(plant / "plant.toml", "--name", name, *file_options(plant))
    assert rows(plant) == before


def test_mistakes_are_explained(tmp_path: Path) -> None:
    config = configure(tmp_path)
    readings().to_csv(tmp_path / "p-1.csv", index=False)
    with pytest.raises(ModelError) as caught:
        replay(config, "--name", "r", *file_options(tmp_path))
    said = str(caught.value)
    assert "family pumps has no model yet in store.url, and a replay, also that of a file, trains none" in said
    assert "`watchkeeper train CONFIG --family pumps`" in said
    assert "`watchkeeper score FILE`" in said
    with pytest.raises(typer.BadParameter, match="'yesterday' is not a time"):
        replay(config, "--name", "r", "--from", "yesterday")
    with pytest.raises(SettingsError, match=r"no family named 'pumpz' in .*; there are: pumps; did you mean pumps"):
        replay(config, "--name", "r", "--family", "pumpz")
    with pytest.raises(SettingsError, match="2 columns"):
        replay(config, "--name", "r", *file_options(tmp_path), "--values", "value,other")
    with pytest.raises(SettingsError, match="embedded"):
        replay(configure(tmp_path, "embedded"), "--name", "r")
    with pytest.raises(SettingsError, match=r'bootstrap_servers is "embedded", a broker in which no past is found'):
        command("train", configure(tmp_path, "embedded"), "--from", "2026-01-01")
    config = configure(tmp_path)
    train(load(config))
    with pytest.raises(SourceError, match="no such file"):
        replay(config, "--name", "r", "--file", tmp_path / "gone.csv", "--time", "at")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.mark.parametrize("policy", ["anomalies", "rollup"])
def test_each_way_to_run_keeps_the_scores_that_the_settings_ask_for(
    tmp_path: Path, broker: EmbeddedBroker, policy: str
) -> None:
    """`run`, and a replay of Kafka and of a file: the same rows, summaries and alerts."""
    config = configure(tmp_path, broker.bootstrap_servers)
    config.write_text(f'store.scores = "{policy}"\n' + config.read_text())
    settings = load(config)
    train(settings)
    readings()[TRAIN:].rename(columns={"at": "time"}).to_csv(tmp_path / "p-1.csv", index=False)
    recording = Recording(tmp_path / "p-1.csv", FileColumns(values=("value",), time="time", stream="p-1"), "pumps")
    broker.create_topic("pumps")
    publish(recording.batches(), {"bootstrap.servers": broker.bootstrap_servers})
    totals = json.loads(command("run", config, "--until-end", "--json"))
    replay(config, "--name", "kafka")
    replay(config, "--name", "file", "--file", tmp_path / "p-1.csv", "--time", "time")

    windows = ROWS - TRAIN - 11
    assert totals["windows"] == windows
    runs, reader = (LIVE, "kafka", "file"), bootstrap.reader(settings)
    found = {run: reader.scores_of(run, "pumps", "p-1") for run in runs}
    sums = [int(reader.rollups_of(run, "pumps", "p-1").windows.sum()) for run in runs]
    alerts = {run: [_plain(alert) for alert in reader.list_alerts(run)] for run in found}
    reader.close()
    assert sums == [windows if policy == "rollup" else 0] * 3
    assert set(found[LIVE].state) == {State.ANOMALY}
    assert 0 < len(found[LIVE]) < windows
    assert len({scores.score.tobytes() for scores in found.values()}) == 1
    assert alerts[LIVE] == alerts["kafka"] == alerts["file"] != []


def test_a_range_of_kafka(plant: Path, broker: EmbeddedBroker) -> None:
    readings()[TRAIN:].rename(columns={"at": "time"}).to_csv(plant / "part.csv", index=False)
    recording = Recording(plant / "part.csv", FileColumns(values=("value",), time="time", stream="p-1"), "pumps")
    broker.create_topic("pumps")
    publish(recording.batches(), {"bootstrap.servers": broker.bootstrap_servers})
    config = configure(plant, broker.bootstrap_servers)
    summary = replay(config, "--name", "kafka")
    settings = load(config)
    assert summary["readings"] == ROWS - TRAIN
    assert facts(settings, "kafka") == facts(settings, LIVE)


def test_from_and_to_are_event_times_on_kafka_and_in_files(plant: Path, broker: EmbeddedBroker) -> None:
    """What was sent today for the past is found by its own times; the summary counts the rest."""
    rows = readings()
    rows.rename(columns={"at": "time"}).to_csv(plant / "all.csv", index=False)
    recording = Recording(plant / "all.csv", FileColumns(values=("value",), time="time", stream="p-1"), "pumps")
    broker.create_topic("pumps")
    publish(recording.batches(), {"bootstrap.servers": broker.bootstrap_servers})
    config = configure(plant, broker.bootstrap_servers)
    span = ("--from", rows["at"][TRAIN], "--to", rows["at"][TRAIN + 200])
    kafka = replay(config, "--name", "kafka", *span)
    file = replay(config, "--name", "file", "--file", plant / "all.csv", "--time", "time", "--key", "p-1", *span)
    settings = load(config)

    assert (kafka["readings"], kafka["outside"]) == (file["readings"], file["outside"]) == (200, ROWS - 200)
    assert facts(settings, "kafka", 200 - 11) == facts(settings, "file", 200 - 11)
    shown = command("replay", config, "--name", "shown", *span)
    assert f"{ROWS - 200:,} readings outside of --from/--to" in shown

    trained = json.loads(command("train", config, "--json", "--from", rows["at"][0], "--to", rows["at"][TRAIN]))
    assert trained["outside"] == ROWS - TRAIN


def test_a_range_without_readings_says_where_there_are_some(plant: Path, broker: EmbeddedBroker) -> None:
    rows = readings()
    rows.rename(columns={"at": "time"}).to_csv(plant / "all.csv", index=False)
    recording = Recording(plant / "all.csv", FileColumns(values=("value",), time="time", stream="p-1"), "pumps")
    broker.create_topic("pumps")
    publish(recording.batches(), {"bootstrap.servers": broker.bootstrap_servers})
    config = configure(plant, broker.bootstrap_servers)
    first, last = (str(pd.Timestamp(at).tz_localize(None)) for at in (rows["at"].iloc[0], rows["at"].iloc[-1]))
    file = ("--file", plant / "all.csv", "--time", "time")
    for number, options in enumerate(((), file)):
        with pytest.raises(SettingsError, match=rf"--from 2036-01-01.*from {first}.* to {last}"):
            replay(config, "--name", f"later-{number}", "--from", "2036-01-01", *options)
    with pytest.raises(SettingsError, match=rf"--to 2020-01-01.*from {first}.* to {last}"):
        command("train", config, "--to", "2020-01-01")
    with pytest.raises(SettingsError, match="--from 2026-03-02 00:00:00 is not before --to 2026-03-01 00:00:00"):
        replay(config, "--name", "turned", "--from", "2026-03-02", "--to", "2026-03-01")


def counters(settings: Settings, run: str) -> dict[str, int]:
    engine = create_engine(settings.store.url)
    with engine.connect() as connection:
        names = ", ".join(READINGS)
        row = connection.execute(text(f"select {names} from streams where run = :run"), {"run": run}).one()
    engine.dispose()
    return dict(row._mapping)


def test_a_backlog_and_its_replay_set_the_same_readings_aside(tmp_path: Path, broker: EmbeddedBroker) -> None:
    """A logger that runs an hour ahead for a while, and two wrong times in records that carry the same wrong time."""
    broker.create_topic("pumps")
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    day, hour = 86_400_000, 3_600_000
    start = int(pd.Timestamp("2026-03-01", tz="UTC").timestamp() * 1000) + TRAIN * 10_000
    wrong = {100: 30 * day, 250: 400 * day}  # before its reading
    for row, value in enumerate(readings()["value"][TRAIN:]):
        written = start + row * 10_000
        at = written + hour * (150 <= row < 160)
        sent = [(at, written)] if row not in wrong else [(at + wrong[row], at + wrong[row]), (at, written)]
        for time, stamp in sent:
            producer.produce("pumps", json.dumps({"time": time, "value": value}), b"p-1", 0, timestamp=stamp)
    assert producer.flush(30) == 0
    config = configure(tmp_path, broker.bootstrap_servers)
    settings = load(config)
    train(settings)

    command("run", config, "--until-end", "--json")
    replay(config, "--name", "again")

    expected = {"accepted": ROWS - TRAIN - 10, "late": 0, "duplicate": 0, "future": 10 + len(wrong)}
    assert counters(settings, LIVE) == counters(settings, "again") == expected
