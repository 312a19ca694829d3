"""The whole product on a backlog in a real Apache Kafka, against reading and decoding the same topic and nothing else.

Windows of 140 steps, hop 10, dense autoencoder, full guarantee, all scores to SQLite, unless said.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import Rig
from tests.benchmarks.scale import scaled
from tests.integration.broker import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1800)]
ROUNDS = scaled(3)
STEPS = scaled(250_000, 500)  # of 16 streams
MANY = {scaled(10_000, 200): scaled(400, 20), scaled(100_000, 2000): scaled(150, 5)}  # streams: steps
BATCHED = scaled(1_000_000, 2000)  # steps


def interleaved(rigs: list[Rig], rounds: int = ROUNDS) -> list[list[dict[str, float]]]:
    """The product on each of the rigs, in turn, round by round."""
    return [[rig.product() for rig in rigs] for _ in range(rounds)]


def test_against_bare_decoding(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    """16 streams: every window stored; and one window per 140 readings, only anomalies stored."""
    every = Rig(tmp_path, kafka.bootstrap_servers, 16)
    every.fill(STEPS)
    few = Rig(tmp_path, kafka.bootstrap_servers, 16, hop=140, store='scores = "anomalies"')
    few.topic, few.messages = every.topic, every.messages
    rounds = [(every.decode(), every.product(), few.product()) for _ in range(ROUNDS)]
    for i, measure, goals in ((1, "end to end / bare decode", (0.35, 0.45, 0.55)),
                              (2, "the same, hop 140, scores not stored", (0.55, 0.7, 0.8))):  # fmt: skip
        value = median(row[i]["rate"] / row[0]["rate"] for row in rounds)
        detail = {"messages_per_s": median(row[i]["rate"] for row in rounds), "peak_mb": rounds[-1][i]["peak_mb"]}
        report.add(Figure(measure, round(value, 3), goals, detail=detail))


def test_every_reading_judged(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    """The recipe `default`: each reading is scored by detector and companions; only anomalies are stored."""
    for streams, steps, goals in ((16, STEPS, (0.3, 0.35, 0.4)), (*next(iter(MANY.items())), (0.25, 0.3, 0.35))):
        rig = Rig(tmp_path, kafka.bootstrap_servers, streams, recipe="default", store='scores = "anomalies"')
        rig.fill(steps)
        rounds = [(rig.decode(), rig.product()) for _ in range(ROUNDS)]
        value = median(product["rate"] / bare["rate"] for bare, product in rounds)
        detail = {"messages_per_s": median(product["rate"] for _, product in rounds)}
        report.add(Figure(f"default, {streams:,} streams / bare decode", round(value, 3), goals, detail=detail))


def test_many_streams(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    sizes = {16: STEPS} | MANY
    rigs = [Rig(tmp_path, kafka.bootstrap_servers, streams) for streams in sizes]
    for rig, steps in zip(rigs, sizes.values(), strict=True):
        rig.fill(steps)
    rounds = interleaved(rigs)
    for i, goals, most in ((1, (0.7, 0.8, 0.9), (700, 500, 300)), (2, (0.5, 0.6, 0.7), (2000, 1200, 800))):
        streams = rigs[i].streams
        value = median(row[i]["rate"] / row[0]["rate"] for row in rounds)
        report.add(Figure(f"{streams:,} streams / 16 streams", round(value, 3), goals))
        peak = max(row[i]["peak_mb"] for row in rounds)
        report.add(Figure(f"process at {streams:,} streams", peak, most, unit="MB", most=True))


def test_batched_messages(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    """100 samples in a message against one, in samples per second."""
    one = Rig(tmp_path, kafka.bootstrap_servers, 16)
    one.fill(STEPS)
    many = Rig(tmp_path, kafka.bootstrap_servers, 16, samples=100)
    many.fill(BATCHED)
    rounds = interleaved([one, many])
    value = median(100 * row[1]["rate"] / row[0]["rate"] for row in rounds)
    report.add(Figure("100 samples per message / 1", round(value, 3), (2.5, 3.0, 4.0)))
