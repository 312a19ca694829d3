"""How many more streams each family may have: names come from outside, and each takes memory and a row for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from monitor.ports.store import Store
from monitor.worker.committer import Committer
from monitor.worker.options import WorkerOptions
from monitor.worker.streams import Streams
from monitor.worker.waits import at_most

T = TypeVar("T")


class StreamLimit:
    """Tells the index of each family how many rows it has, of all workers, and asks the store where it is full.

    Both happen inside `Source.poll`, so the store is waited for as in a rebalance; after that the worker steps down.
    """

    def __init__(
        self, committer: Committer, store: Store, options: WorkerOptions, streams: Mapping[str, Streams]
    ) -> None:
        self._committer, self._store, self._streams = committer, store, streams
        self._run, self._patience = options.run, options.rebalance_timeout
        for name, each in streams.items():
            each.pipeline.index.stored = partial(self._stored, name)

    def refresh(self) -> None:
        """Count the streams of every family; called when partitions are assigned."""
        for name in self._streams:
            self._count(name)

    def _count(self, family: str) -> None:
        count = self._ask(partial(self._store.count_streams, self._run, family))
        if count is not None:
            self._streams[family].note_room(count)

    def _stored(self, family: str, names: Sequence[str]) -> set[str]:
        """Which of these names have a row. Corrects the room first: streams may have been forgotten meanwhile.

        Names that were decoded just before may have rows too: these count once.
        """
        self._count(family)
        streams = self._streams[family]
        unloaded = streams.unloaded
        known = self._ask(partial(self._store.known_streams, self._run, family, [*names, *unloaded])) or set()
        streams.pipeline.index.room += len(known.intersection(unloaded))
        return known.intersection(names)

    def _ask(self, action: Callable[[], T]) -> T | None:
        return self._committer.call(action, at_most(self._patience))
