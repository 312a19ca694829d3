"""What the benchmarks measure on: topics full of readings, a model of every stream, stores that know their states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.ports.store import Commit, HistoryBlock, Store, StreamState
from monitor.records.batches import Float32, Float64, Int32, Int64, Readings, TopicPartition
from monitor.records.counters import COUNTERS
from monitor.training import fit, model_folder
from monitor.training.profile_files import load_profiles
from tests.champions import install_champion

FAMILY = "plant"
START_S = 1_700_000_000
LENGTH = 140
RATE = 9.0  # readings of the sine in a radian
NOISE = 0.1
EPOCHS = {"epochs": 2}  # its size makes a model slow or fast, not what it has learned


def family(**changes: Any) -> Family:
    """Windows of 140 readings, hop 10, dense autoencoder."""
    given = {"topic": "plant", "interval": "1s", "recipe": "plain", "window": {"length": LENGTH, "hop": 10}}
    return Family.model_validate(given | {"detector": {"options": EPOCHS}} | changes)


def names(streams: int) -> list[str]:
    """Names of that many streams."""
    return [f"machine-{i}" for i in range(streams)]


def readings(streams: int, steps: int, seed: int = 1) -> Iterator[Float64]:
    """Values of all streams, step by step, (streams,) each: the noisy sine of the model."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        yield np.round(np.sin((LENGTH + step) / RATE) + rng.normal(0, NOISE, streams), 4)


def bodies(values: Float64, step: int) -> list[bytes]:
    """One JSON message for each value of a step."""
    time = START_S + LENGTH + step
    return [b'{"time":%d,"value":%.4f}' % (time, value) for value in values.tolist()]


def producer(servers: str, **options: str | int) -> Producer:
    """One that is made for filling topics."""
    return Producer({"bootstrap.servers": servers, "linger.ms": 50, "batch.size": 1_000_000, "enable.idempotence": True,
                     "queue.buffering.max.messages": 2_000_000, "queue.buffering.max.kbytes": 1_000_000,
                     **options})  # fmt: skip


def fill(sender: Producer, topic: str, partitions: int, streams: int, steps: int) -> int:
    """One JSON message per stream and step; returns how many."""
    keys = [(name.encode(), i % partitions) for i, name in enumerate(names(streams))]
    for step, values in enumerate(readings(streams, steps)):
        for (key, partition), body in zip(keys, bodies(values, step), strict=True):
            sender.produce(topic, body, key, partition=partition)
        sender.poll(0)
    assert sender.flush(120) == 0
    return streams * steps


def fill_batches(sender: Producer, topic: str, partitions: int, streams: int, steps: int, samples: int) -> int:
    """JSON messages of `samples` readings each; returns how many messages."""
    block = np.array(list(readings(streams, steps)))
    for begin in range(0, steps, samples):
        for i, name in enumerate(names(streams)):
            values = ",".join(f"{value:.4f}" for value in block[begin : begin + samples, i].tolist())
            body = f'{{"start":{START_S + LENGTH + begin},"interval":1,"values":[{values}]}}'
            sender.produce(topic, body.encode(), name.encode(), partition=i % partitions)
        sender.poll(0)
    assert sender.flush(120) == 0
    return streams * -(-steps // samples)


def trained(folder: Path, chosen: Family, streams: int) -> Path:
    """The folder of a model of the noisy sine, saved with the same profile for every stream."""
    rng = np.random.default_rng(0)
    at = np.arange(3000)
    values = (np.sin(at / RATE) + rng.normal(0, NOISE, len(at))).astype(np.float32)[:, None]
    history = [("machine-0", HistoryBlock(0, times(chosen, at) - 10**15, values))]
    detector, profiles = fit.train(chosen, history, lambda: bootstrap.detector(chosen), bootstrap.normal_scores())
    every = dict.fromkeys(names(streams), profiles["machine-0"])
    return model_folder.write(folder, chosen, detector, every)


def times(chosen: Family, steps: Int64) -> Int64:
    """Time of each step, ns; the first `LENGTH` of them come before the readings."""
    assert chosen.interval is not None
    return np.asarray(START_S * 10**9 + steps * chosen.interval)


def pipeline(chosen: Family, model: Path) -> Pipeline:
    """The family's stages with the model."""
    made = bootstrap.pipeline(FAMILY, chosen)
    made.adopt(model.name, bootstrap.load_detector(model / "detector"), load_profiles(model))
    return made


def step_of(streams: Int32, at: int, values: Float64 | Float32, chosen: Family) -> Readings:
    """One reading of each of these streams (codes), at one step."""
    count = len(streams)
    time, partition = times(chosen, np.full(count, at)), np.zeros(count, np.int32)
    return Readings(streams, time, values.astype(np.float32)[:, None], partition, np.arange(count))


def warm(store: Store, model: Path, chosen: Family, streams: int, places: Sequence[TopicPartition]) -> None:
    """Every stream has been seen for a whole window, the model is the champion, every partition begins at 0."""
    install_champion(store, FAMILY, model)
    one = pipeline(chosen, model)
    code = one.index.intern(["machine-0"])
    one.load(code, [None])
    at, none = np.arange(LENGTH), np.zeros(LENGTH, np.int32)
    values = np.sin(at / RATE).astype(np.float32)[:, None]
    one.process(Readings(none, times(chosen, at), values, none, at))
    state, last = one.dump(code)[0], int(times(chosen, at)[-1])
    taken = store.take("live", places)
    counted = tuple(LENGTH if name == "accepted" else 0 for name in COUNTERS)
    for begin in range(0, streams, 10_000):
        opened = store.open_streams("live", FAMILY, names(streams)[begin : begin + 10_000])
        rows = [
            StreamState(id=stream.id, partition=(begin + i) % len(places), last_time=last, state=state,
                        counts=counted)
            for i, stream in enumerate(opened)
        ]  # fmt: skip
        store.commit(Commit("live", streams=rows, positions={p: (at.epoch, 0) for p, at in taken.items()}))
