"""What waits for a commit is bounded by its bytes: bodies are cut where they become dead letters."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.settings import parse
from monitor.ports.source import Assignments
from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter, Poll
from monitor.records.dead_letters import BODY_LIMIT
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker import commit_builder
from monitor.worker.commit_builder import MAX_BYTES, CommitBuilder
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

SETTINGS = parse({"families": {"f": {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}}}})


class Counting(MemoryStore):
    """Keeps the size of each commit, and of its dead letters only their true sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[int] = []
        self.sizes: list[int] = []

    def commit(self, commit: Commit) -> None:
        self.weights.append(sum(letter.weight for letter in commit.dead))
        self.sizes += [letter.size for letter in commit.dead]
        commit.dead.clear()
        super().commit(commit)


def letters(count: int, size: int) -> list[DeadLetter]:
    return [
        DeadLetter(
            topic="t", partition=0, offset=at, reason="json", error="e" * 10**6, key=b"k" * size, body=bytes(size)
        )
        for at in range(count)
    ]


def test_a_dead_letter_is_cut_where_it_is_made() -> None:
    (letter,) = letters(1, 10**6)

    assert (len(letter.body or b""), len(letter.key or b""), letter.size) == (BODY_LIMIT, BODY_LIMIT, 10**6)
    assert letter.weight < 150_000


def test_a_commit_is_full_with_so_many_bytes() -> None:
    builder = CommitBuilder("live", lambda *_: [], bootstrap.pipelines(SETTINGS))
    builder.assign(MemoryStore().take("live", [("t", 0)]))
    poll = letters(10, 10**6)
    polls = 0
    with capture_logs():
        while not builder.full:
            builder.process(Poll({}, poll, {("t", 0): 10}, records=10), None)
            polls += 1

    assert 10 * polls * 150_000 >= MAX_BYTES
    assert 10 * (polls - 1) * 2 * BODY_LIMIT < MAX_BYTES
    builder.reset()
    assert not builder.full


def test_records_of_a_megabyte_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 MB of bodies, in a worker that commits once a minute, or with 4 MiB."""
    most = 2**22
    monkeypatch.setattr(commit_builder, "MAX_BYTES", most)
    bodies: Sequence[Record] = [(b"m", b"{" + bytes(10**6))] * 200
    store, pipelines = Counting(), bootstrap.pipelines(SETTINGS)
    decoders = bootstrap.decoders(SETTINGS, {"f": pipelines["f"].index})
    logs: dict[Any, Sequence[Record]] = {("t", 0): bodies}

    def connect(listener: Assignments) -> ListSource:
        return ListSource(logs, decoders, listener, batch=8)

    tracemalloc.start()
    try:
        with capture_logs():
            totals = Runner(
                connect, store, pipelines, NoModels(), WorkerOptions(commit_interval=60.0, until_end=True)
            ).run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert totals.dead == len(bodies) == len(store.sizes)
    assert set(store.sizes) == {10**6 + 1}
    assert max(store.weights) < most + 10**6
    assert peak < 60_000_000  # less than a third of the bodies
