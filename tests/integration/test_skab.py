"""Real eight-channel streams with missing and irregular seconds (SKAB), through Kafka and through `score`."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.records.batches import LIVE, State
from monitor.records.counters import READINGS
from monitor.store.queries import Reader, open_reader
from tests.integration.broker import KafkaBroker

ROOT = Path(__file__).parents[2]
SKAB = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data")) / "skab"
CHANNELS = (
    "Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure", "Temperature", "Thermocouple", "Voltage",
    "Volume Flow RateRMS",
)  # fmt: skip
LENGTH, MAX_GAP, TRAIN = 12, 3, 400
FIRST = "valve1/2"  # 50 missing seconds, and a break of 76 s
CONFIG = f"""
kafka.bootstrap_servers = "SERVERS"
kafka.group = "skab"
[families.pumps]
topic = "TOPIC"
channels = {json.dumps(CHANNELS)}
interval = "1s"
recipe = "plain"
window.length = {LENGTH}
align.max_gap = {MAX_GAP}
train = {{ after = AFTER, wait = true }}
detector.options = {{ epochs = 10 }}
"""

pytestmark = pytest.mark.skipif(
    not SKAB.is_dir(), reason=f"no SKAB data in {SKAB}; set WATCHKEEPER_DATA to the folder that holds skab/"
)


def watchkeeper(*arguments: object, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def seconds(name: str, rows: int | None = None) -> list[int]:
    """The time of each row in whole seconds; these files have no fractions."""
    table = pd.read_csv(SKAB / f"{name}.csv", sep=";", usecols=["datetime"], nrows=rows)
    return [int(at.timestamp()) for at in pd.to_datetime(table["datetime"], utc=True)]


def segments(times: Sequence[int]) -> list[list[tuple[int, bool]]]:
    """The slots of a stream as (second, filled), cut where a gap is too long to be filled."""
    found = [[(times[0], False)]]
    for before, after in itertools.pairwise(times):
        if after - before - 1 > MAX_GAP:
            found.append([])
        else:
            found[-1] += [(at, True) for at in range(before + 1, after)]
        found[-1].append((after, False))
    return found


def windows(times: Sequence[int]) -> list[tuple[int, float]]:
    """End and filled share of every window that must come out."""
    return [
        (part[last][0], sum(filled for _, filled in part[last - LENGTH + 1 : last + 1]) / LENGTH)
        for part in segments(times)
        for last in range(LENGTH - 1, len(part))
    ]


def check_stream(reader: Reader, name: str) -> None:
    """Every reading is accounted for, and every window is there once, with its filled share."""
    (row,) = (row for row in reader.stream_reports(LIVE) if row.name == name)
    times = seconds(name)
    slots = [slot for part in segments(times) for slot in part]
    assert [row.counts[name] for name in READINGS] == [len(times), 0, 0, 0]
    assert row.counts["imputed"] == sum(filled for _, filled in slots) > 0
    scores = reader.scores_of(LIVE, "pumps", name)
    expected = windows(times)
    assert (scores.end // 10**9).tolist() == [end for end, _ in expected]
    assert np.array_equal(scores.imputed, np.array([share for _, share in expected], np.float32))
    poor = scores.imputed > 0.2
    assert ((scores.state == State.INSUFFICIENT) == poor).all()


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_every_file_through_kafka_is_accounted_for_and_scored_as_score_does(kafka: KafkaBroker, tmp_path: Path) -> None:
    names = [FIRST, *(f"valve1/{number}" for number in (4, 7)), "anomaly-free/anomaly-free"]
    topic = kafka.topic()
    after = len([slot for part in segments(seconds(FIRST, TRAIN)) for slot in part])
    config = CONFIG.replace("SERVERS", kafka.bootstrap_servers).replace("TOPIC", topic).replace("AFTER", str(after))
    (tmp_path / "skab.toml").write_text(config)
    for name in names:
        watchkeeper(
            "publish", SKAB / f"{name}.csv", "--topic", topic, "--time", "datetime", "--values", ",".join(CHANNELS),
            "--key", name, "--bootstrap-servers", kafka.bootstrap_servers, folder=tmp_path,
        )  # fmt: skip
    totals = json.loads(watchkeeper("run", "skab.toml", "--until-end", "--json", folder=tmp_path).splitlines()[-1])

    assert totals["dead"] == 0
    assert totals["records"] == totals["readings"] == sum(len(seconds(name)) for name in names)
    assert totals["windows"] == sum(len(windows(seconds(name))) for name in names)
    reader = open_reader(f"sqlite:///{tmp_path}/watchkeeper.db")
    for name in names:
        check_stream(reader, name)
    live = reader.scores_of(LIVE, "pumps", FIRST)
    reader.close()

    summary = json.loads(
        watchkeeper(
            "score", SKAB / f"{FIRST}.csv", "--time", "datetime", "--config", "skab.toml", "--train-rows", TRAIN,
            "--output", "out.csv", "--json", folder=tmp_path,
        )
    )  # fmt: skip
    out = pd.read_csv(tmp_path / "out.csv")
    assert summary["rows"] == len(out) == len(seconds(FIRST))
    assert sum(summary["states"].values()) == len(out)
    ends = np.array(seconds(FIRST), np.int64) * 10**9
    judged = np.isin(live.state, (State.OK, State.ANOMALY))
    by_end = dict(zip(live.end[judged].tolist(), live.score[judged].view(np.uint32).tolist(), strict=True))
    found = out["score"].to_numpy(np.float32).view(np.uint32).tolist()
    both = [(by_end[end], found[row]) for row, end in enumerate(ends.tolist()) if row >= TRAIN and end in by_end]
    assert len(both) > 400
    assert all(kafka_bits == file_bits for kafka_bits, file_bits in both)


@pytest.mark.parametrize("name", ["valve1/1", "valve1/7"])
def test_score_says_something_of_every_row(name: str, tmp_path: Path) -> None:
    config = CONFIG.replace("AFTER", str(TRAIN))
    (tmp_path / "skab.toml").write_text(config)
    watchkeeper(
        "score", SKAB / f"{name}.csv", "--time", "datetime", "--config", "skab.toml", "--train-rows", TRAIN,
        "--output", "out.csv", folder=tmp_path,
    )  # fmt: skip
    out = pd.read_csv(tmp_path / "out.csv")
    times = seconds(name)
    share = dict(windows(times))
    assert len(out) == len(times)
    assert set(out["state"][:TRAIN]) == {"bootstrap"}
    for row in range(TRAIN, len(out)):
        filled = share.get(times[row])
        if filled is None:  # the window begins anew behind a break
            assert np.isnan(out["score"][row])
        else:
            assert np.isfinite(out["score"][row])
        assert (out["state"][row] == "insufficient") == (filled is None or np.float32(filled) > 0.2)
