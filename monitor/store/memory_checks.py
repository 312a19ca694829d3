"""What a `MemoryStore` refuses of a commit, before anything of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.errors import FencedError, StoreError, StreamsChangedError
from monitor.ports.store import Commit
from monitor.records.counters import readings

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


def check(store: MemoryStore, commit: Commit) -> None:
    """Raise FencedError where the writer owns it no longer, StoreError where its scores cannot be kept."""
    epochs = commit.unread | {key: epoch for key, (epoch, _) in commit.positions.items()}
    for (topic, partition), epoch in epochs.items():
        position = store.positions.get((commit.run, topic, partition))
        if position is None or position.epoch != epoch:
            raise FencedError(f"{topic} [{partition}] of run {commit.run} has a newer owner than epoch {epoch}")
    for stream in commit.streams:
        if stream.version != store.versions[stream.id]:
            raise StreamsChangedError(f"stream {stream.id} of run {commit.run} was changed by a command")
        if stream.before not in (None, readings(store.opened(stream.id).counts)):
            raise FencedError(f"stream {stream.id} of run {commit.run} was written by another worker")
    for block in commit.scores:
        if block.model and (block.family, block.model) not in store.registry.rows:
            raise StoreError(f"model {block.model[:12]} scored windows but is not in the registry; add it first")
        keys = zip(block.stream_id.tolist(), block.scores.end.tolist(), strict=True)
        if any(key in store.scores for key in keys):
            raise StoreError("a window is scored already")
