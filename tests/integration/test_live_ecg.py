"""A real ECG through Kafka: every beat is scored live as `score` scores it, and ectopic ones raise alerts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confluent_kafka import Producer

from monitor.records.alerts import Evidence
from monitor.records.batches import LIVE, Float32, Int64, Scores
from monitor.store.queries import open_reader
from tests.ecg import matched
from tests.integration.broker import KafkaBroker

ROOT = Path(__file__).parents[2]
RECORD = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data")) / "mitbih" / "106.npz"
RATE, START = 360, 1_700_000_000
LEARNED = 300 * RATE  # samples
CONFIG = """
kafka = { bootstrap_servers = "SERVERS", group = "TOPIC" }
[families.ecg]
topic = "TOPIC"
channels = ["mv"]
interval = "none"
format.kind = "json-batch"
window = { kind = "beat", length = 128, rate = 360 }
train = { after = 108_000, wait = true }
alerts = { open_count = 1, open_of = 1, resolve_after = 1 }
"""

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not RECORD.is_file(), reason=f"no MIT-BIH record {RECORD}; set WATCHKEEPER_DATA"),
]


def watchkeeper(*arguments: object, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def publish(kafka: KafkaBroker, topic: str, signal: Float32) -> None:
    """A message for each second, as fast as they are taken."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 5})
    for second, first in enumerate(range(0, len(signal), RATE)):
        body = {"start": START + second, "interval": "360/s", "values": signal[first : first + RATE].tolist()}
        producer.produce(topic, json.dumps(body), b"106")
        producer.poll(0)
    assert producer.flush(60) == 0


def samples(time: Int64) -> Int64:
    """Number of the sample at each time."""
    return np.asarray(np.rint((time - START * 10**9) * RATE / 1e9), np.int64)


def run(kafka: KafkaBroker, signal: Float32, folder: Path) -> tuple[Scores, list[Evidence]]:
    """Watch the signal; its scores, and the evidence of its alerts in order of time."""
    topic = kafka.topic()
    (folder / "ecg.toml").write_text(CONFIG.replace("SERVERS", kafka.bootstrap_servers).replace("TOPIC", topic))
    publish(kafka, topic, signal)
    totals = json.loads(watchkeeper("run", "ecg.toml", "--until-end", "--json", folder=folder).splitlines()[-1])
    assert (totals["dead"], totals["readings"]) == (0, len(signal))
    reader = open_reader(f"sqlite:///{folder}/watchkeeper.db")
    try:
        evidence = [reader.get_alert(str(alert.id)).evidence for alert in reader.list_alerts(run=LIVE, limit=10_000)]
        found = [one for one in evidence if one is not None]
        assert len(found) == len(evidence) == totals["opened"]
        return reader.scores_of(LIVE, "ecg", "106"), sorted(found, key=lambda one: one.end)
    finally:
        reader.close()


def test_live_beats_are_those_of_score_and_ectopic_ones_raise_alerts(kafka: KafkaBroker, tmp_path: Path) -> None:
    record = np.load(RECORD)
    signal = record["ecg_mv"].astype(np.float32)
    pd.DataFrame({"ecg": signal.astype(np.float64)}).to_csv(tmp_path / "106.csv", index=False)
    options = ["--rate", RATE, "--values", "ecg", "--window", "beat", "--train-rows", LEARNED, "--quiet"]
    watchkeeper("score", "106.csv", *options, "--output", "beats.csv", folder=tmp_path)
    beats = pd.read_csv(tmp_path / "beats.csv")

    live, evidence = run(kafka, signal, tmp_path)

    here = len(live)  # a file ends, and then gives its last beats; a topic does not
    assert (beats["sample"][here:] > len(signal) - 0.5 * RATE).all()
    assert samples(live.end).tolist() == beats["sample"][:here].tolist()
    for name in ("score", "limit", "ratio"):
        assert getattr(live, name).tobytes() == beats[name][:here].to_numpy(np.float32).tobytes()

    opened = samples(np.array([one.end for one in evidence]))
    by_sample = beats.set_index("sample")
    for at, one in zip(opened.tolist(), evidence, strict=True):
        rr = by_sample["rr"][at]
        said = {"rr_s": rr, "rate_bpm": 60 / rr, "latency_s": by_sample["latency"][at]}
        assert {name: one.facts[name] for name in said} == pytest.approx(said, rel=1e-9)
        assert one.facts.get("noise", 0.0) >= 0
    assert np.percentile(by_sample["latency"], 95) < 0.4

    anomalous = live.end[(live.ratio > 1) & (live.end >= (START + 300) * 10**9)]
    judged = opened[opened >= LEARNED] / RATE
    ectopic = record["pvc"][record["pvc"] >= LEARNED] / RATE
    near, caught = (matched(judged, ectopic) >= 0).mean(), (matched(ectopic, judged) >= 0).mean()
    print(
        f"{len(judged)} alerts for {len(ectopic)} ectopic beats: {near:.1%} open at one, {caught:.1%} open one; "
        f"{(matched(ectopic, samples(anomalous) / RATE) >= 0).mean():.1%} of these beats are anomalies"
    )
    assert near > 0.98
    assert caught > 0.7  # the others: within an open alert, or below the limit
