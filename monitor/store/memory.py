"""The store without a database: dictionaries under a lock. Shipped with `monitor.testing`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from uuid import UUID, uuid4

import numpy as np

from monitor.alerts.learning import labels, unusual_times
from monitor.alerts.lifecycle import Merged, ends, say_ends
from monitor.alerts.notifications import notifications_of
from monitor.alerts.suppression import Suppression
from monitor.alerts.withholding import Change, Withholding
from monitor.config.changes import differences
from monitor.errors import StoreError
from monitor.ports.store import Announce, Commit, HistoryBlock, OpenedStream, Position, StreamState
from monitor.records.alerts import Alert, Command, Decision, Delivery, Evidence, Severity, Transition
from monitor.records.batches import LIVE, DeadLetter, Gap, Scores, TopicPartition
from monitor.records.incidents import BY_FAMILY, Grouping, Incident, Member
from monitor.records.labels import Label
from monitor.records.late import LATE_KEPT, LateReading
from monitor.records.recorded_lives import RecordedLife
from monitor.records.score_summaries import Rollup
from monitor.store import memory_facts
from monitor.store.history import merged, thinned
from monitor.store.memory_channels import ChannelState
from monitor.store.memory_checks import check
from monitor.store.memory_decisions import carried_out, delivery
from monitor.store.memory_incidents import regroup_rows
from monitor.store.memory_maintenance import MemoryMaintenances
from monitor.store.memory_outbox import Waiting
from monitor.store.memory_registry import MemoryModelRegistry
from monitor.store.memory_trainings import MemoryTrainings

StreamKey = tuple[str, str, str]  # run, family, name


class MemoryStore:
    """Keeps everything in public dictionaries, for tests to look at. Any number of workers may share one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.identity = uuid4()
        self.positions: dict[tuple[str, str, int], Position] = {}  # by run, topic, partition
        self.streams: dict[StreamKey, int] = {}
        self.rollups: dict[tuple[int, int], tuple[float, ...]] = {}  # by stream id and start: the numbers of a `Rollup`
        self.states: dict[int, StreamState] = {}  # by stream id, as are the scores' keys
        self.versions: Counter[int] = Counter()  # of the rows of streams, which commands raise
        self.scores: dict[tuple[int, int], Scores] = {}  # one window each, by stream id and end
        self.blocks: dict[int, list[HistoryBlock]] = {}
        self.alerts: dict[UUID, Alert] = {}
        self.transitions: dict[UUID, Transition] = {}
        self.evidence: dict[UUID, Evidence] = {}
        self.commands: dict[int, tuple[Command, str]] = {}  # by position; with why it was refused, "" = carried out
        self.suppressions: dict[str, list[Suppression]] = {}  # those that hold, by run
        self.outbox: dict[int, Waiting] = {}
        self.filtered: list[tuple[UUID, str]] = []  # transition and channel
        self.channels: dict[str, ChannelState] = {}
        self.incidents: dict[UUID, Incident] = {}
        self.members: dict[UUID, Member] = {}  # places in incidents, by alert
        self.dead: dict[tuple[str, str, int, int], DeadLetter] = {}  # by run, topic, partition, offset
        self.gaps: list[tuple[str, Gap]] = []  # with their run
        self.late: dict[tuple[str, str], list[LateReading]] = {}  # by run and family, in order of arrival
        self.settings: dict[tuple[str, str], list[str]] = {}  # JSON, oldest first, by run and family
        self.registry, self.trainings = MemoryModelRegistry(), MemoryTrainings()
        self.maintenance = MemoryMaintenances(self)
        self._last_id = 0

    def start_run(self, run: str, *, replace: bool = False) -> None:
        """Make sure that nothing is stored of a replay's name; see `Store`."""
        with self.lock:
            taken = any(key[0] == run for keys in (self.positions, self.streams, self.dead) for key in keys)
            if run == LIVE or (taken and not replace):
                raise StoreError(f"run {run} exists already; give another name, or replace it with --replace")
            self._forget(run)

    def _forget(self, run: str) -> None:
        ids = {id_ for key, id_ in self.streams.items() if key[0] == run}
        alerts = {id_ for id_, alert in self.alerts.items() if alert.run == run}
        self.scores = {key: row for key, row in self.scores.items() if key[0] not in ids}
        self.rollups = {key: row for key, row in self.rollups.items() if key[0] not in ids}
        self.states = {id_: row for id_, row in self.states.items() if id_ not in ids}
        self.blocks = {id_: rows for id_, rows in self.blocks.items() if id_ not in ids}
        self.outbox = {id_: row for id_, row in self.outbox.items() if row.delivery.alert not in alerts}
        self.transitions = {id_: row for id_, row in self.transitions.items() if row.alert not in alerts}
        self.filtered = [row for row in self.filtered if row[0] in self.transitions]
        self.evidence = {id_: row for id_, row in self.evidence.items() if id_ not in alerts}
        self.suppressions.pop(run, None)
        self.commands = {place: row for place, row in self.commands.items() if row[0].alert not in alerts}
        self.maintenance.keep(dict.fromkeys(alerts))
        self.alerts = {id_: row for id_, row in self.alerts.items() if id_ not in alerts}
        self.incidents = {id_: row for id_, row in self.incidents.items() if row.run != run}
        self.members = {id_: row for id_, row in self.members.items() if id_ not in alerts}
        self.positions = {key: row for key, row in self.positions.items() if key[0] != run}
        self.streams = {key: row for key, row in self.streams.items() if key[0] != run}
        self.dead = {key: row for key, row in self.dead.items() if key[0] != run}
        self.gaps = [row for row in self.gaps if row[0] != run]
        self.late = {key: rows for key, rows in self.late.items() if key[0] != run}
        self.settings = {key: row for key, row in self.settings.items() if key[0] != run}

    def take(self, run: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Position]:
        """Raise each partition's epoch; see `Store`."""
        with self.lock:
            for topic, partition in partitions:
                old = self.positions.get((run, topic, partition), Position(0, None))
                self.positions[run, topic, partition] = Position(old.epoch + 1, old.next_offset, old.unreadable)
            return {key: self.positions[run, *key] for key in partitions}

    def open_streams(self, run: str, family: str, names: Sequence[str]) -> list[OpenedStream]:
        """Rows of these streams in the order asked; see `Store`."""
        with self.lock:
            ids = [self.streams.setdefault((run, family, name), self.next_id()) for name in names]
            return [self.opened(id_) for id_ in ids]

    def count_streams(self, run: str, family: str) -> int:
        """How many rows the family has in this run; see `Store`."""
        with self.lock:
            return sum(key[:2] == (run, family) for key in self.streams)

    def known_streams(self, run: str, family: str, names: Sequence[str]) -> set[str]:
        """Which of these names have a row; see `Store`."""
        with self.lock:
            return {name for name in names if (run, family, name) in self.streams}

    def opened(self, id_: int) -> OpenedStream:
        """What is kept of a stream. The caller holds `lock`."""
        s = self.states.get(id_)
        return OpenedStream(id_, None) if s is None else OpenedStream(id_, s.state, s.counts, self.versions[id_])

    def next_id(self) -> int:
        """The id of a new row. The caller holds `lock`."""
        self._last_id += 1
        return self._last_id

    def stream_names(self, run: str, family: str, partition: int) -> list[str]:
        """Names of the family's streams of this partition; see `Store`."""
        with self.lock:
            ours = ((key, self.states.get(id_)) for key, id_ in self.streams.items() if key[:2] == (run, family))
            return [key[2] for key, state in ours if state is not None and state.partition == partition]

    def commit(self, commit: Commit) -> None:
        """Look for every reason to refuse first, then write; see `Store`."""
        with self.lock:
            check(self, commit)
            for key, (epoch, offset) in commit.positions.items():
                unreadable = commit.unreadable.get(key, self.positions[commit.run, *key].unreadable)
                self.positions[commit.run, *key] = Position(epoch, offset, unreadable)
            for block in commit.scores:
                for i, id_ in enumerate(block.stream_id.tolist()):
                    self.scores[id_, int(block.scores.end[i])] = block.scores.take(np.array([i]))
            self._roll_up(commit.rollup)
            self.states.update((stream.id, stream) for stream in commit.streams)
            for history in commit.history:
                self.blocks.setdefault(history.id, []).append(history)
            memory_facts.merge(self, commit)
            self.gaps += [(commit.run, gap) for gap in commit.gaps]
            for late in commit.late:
                kept = self.late.setdefault((commit.run, late.family), [])
                kept += late.rows()
                del kept[:-LATE_KEPT]
            for letter in commit.dead:
                self.dead.setdefault((commit.run, letter.topic, letter.partition, letter.offset), letter)

    def _roll_up(self, rollup: Rollup | None) -> None:
        columns = () if rollup is None else (getattr(rollup, name).tolist() for name in Rollup.__slots__)
        for id_, start, *numbers, highest in zip(*columns, strict=True):
            *kept, most = self.rollups.get((id_, start), (0, 0, 0, 0.0, np.nan))
            added = (one + other for one, other in zip(kept, numbers, strict=True))
            self.rollups[id_, start] = (*added, float(np.fmax(most, highest)))

    def recorded(self, alerts: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
        """Numbers of the transitions of these alerts by their ids, by alert. The caller holds `lock`."""
        found: dict[UUID, dict[UUID, int]] = {}
        for transition in self.transitions.values():
            if transition.alert in alerts:
                found.setdefault(transition.alert, {})[transition.id] = transition.number
        return found

    def save(
        self,
        merged: Sequence[Merged],
        announce: Announce,
        evidence: Sequence[Evidence] = (),
        grouping: Grouping = BY_FAMILY,
        withholding: Withholding | None = None,
    ) -> None:
        """Keep merged rows, their incidents, transitions and notifications. The caller holds `lock`."""
        say_ends(merged, set(ends(merged)) & self.followed())
        regroup_rows(self, merged, grouping)
        for item in evidence:
            self.evidence.setdefault(item.alert, item)
        self.alerts.update((each.alert.id, each.alert) for each in merged)
        changes = sorted((change for each in merged for change in each.changes), key=lambda change: change[0].at)
        self.transitions.update((transition.id, transition) for transition, _ in changes)
        if withholding is not None:
            changes = list(withholding.announcements(changes, self.maintenance.by_incident(withholding.released)))
            evidence = [self.evidence[each.alert.id] for each in merged if each.alert.id in self.evidence]
            self.maintenance.keep(withholding.kept)
        self.announce(changes, announce, evidence)

    def announce(self, rows: Sequence[Change], announce: Announce, evidence: Sequence[Evidence]) -> None:
        """Put notifications of these changes into the outbox. The caller holds `lock`."""
        made = list(notifications_of(rows, announce, evidence, self.identity))
        known = {(row.delivery.transition, row.delivery.channel) for row in self.outbox.values()} if made else set()
        for of in made:
            if of.payload is None:
                self.filtered.append((of.transition.id, of.channel))
            elif (of.transition.id, of.channel) not in known:  # an incident may have taken it
                known.add((of.transition.id, of.channel))
                self.put(delivery(of, self.next_id(), of.payload), of.transition.severity)

    def followed(self) -> set[UUID]:
        """Alerts of which something was announced. The caller holds `lock`."""
        return {row.delivery.alert for row in self.outbox.values()}

    def decisions(self, run: str, family: str, since: int = 0) -> list[Decision]:
        """Commands of people that were carried out; see `Store`."""
        with self.lock:
            return carried_out(self.commands, self.alerts, (run, family), since)

    def lives(self, run: str, family: str) -> list[RecordedLife]:
        """Alerts of a run and family as they are recorded; see `Store`."""
        with self.lock:
            return memory_facts.lives(self, run, family)

    def keep_command(self, command: Command, refused: str) -> None:
        """Keep a command behind all others. The caller holds `lock`."""
        self.commands[self.next_id()] = (command, refused)

    def put(self, delivery: Delivery, severity: Severity) -> None:
        """Keep an outbox row, due at once. The caller holds `lock`."""
        self.outbox[delivery.id] = Waiting(delivery, time.time_ns(), severity=severity.value)

    def note_settings(self, run: str, family: str, settings: str) -> list[str]:
        """Keep the settings in force; returns what changed; see `Store`."""
        with self.lock:
            kept = self.settings.setdefault((run, family), [])
            what = differences(kept[-1], settings) if kept else []
            if what or not kept:
                kept.append(settings)
            return what

    def history(
        self, run: str, family: str, stream_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[str, HistoryBlock]]:
        """Blocks kept for training, in order of stream name and time; see `Store`."""
        for key in sorted(key for key in self.streams if key[:2] == (run, family)):
            if stream_ids is not None and self.streams[key] not in stream_ids:
                continue
            for block in sorted(self.blocks.get(self.streams[key], []), key=lambda block: int(block.time[0])):
                yield key[2], block

    def unusual_times(self, run: str, family: str) -> dict[str, list[tuple[int, int]]]:
        """Stretches that no model is to learn from; see `Store`."""
        with self.lock:
            return unusual_times(*memory_facts.judged(self, run, family))

    def labels(self, run: str, family: str) -> list[Label]:
        """Stretches of the past that people judged; see `Store`."""
        with self.lock:
            return labels(*memory_facts.judged(self, run, family))

    def drop_history(self, stream_ids: Sequence[int]) -> None:
        """Forget the training blocks of these streams; see `Store`."""
        with self.lock:
            for id_ in stream_ids:
                self.blocks.pop(id_, None)

    def pack_history(self, stream_ids: Sequence[int], most: int) -> None:
        """Keep the oldest `most` readings of each of these streams, in one block; see `Store`."""
        with self.lock:
            for id_ in self.blocks.keys() & set(stream_ids):
                self.blocks[id_] = merged(sorted(self.blocks[id_], key=lambda block: int(block.time[0])), most)

    def thin_history(self, stream_ids: Sequence[int], newest: int) -> None:
        """Keep the newest readings of each of these streams, and half of the others; see `Store`."""
        with self.lock:
            for id_ in self.blocks.keys() & set(stream_ids):
                whole = merged(sorted(self.blocks[id_], key=lambda block: int(block.time[0])))
                self.blocks[id_] = thinned(whole, newest)

    def close(self) -> None:
        """Nothing to give back."""
