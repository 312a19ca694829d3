"""The seam to the database: what one commit holds, and what a store must do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from monitor.ports.models import ModelRegistry
from monitor.ports.trainings import Trainings
from monitor.records.alerts import Alert, Decision, Evidence, Fact, TimerRules, Transition
from monitor.records.counters import NONE, Counts
from monitor.records.incidents import BY_FAMILY, Grouping
from monitor.records.labels import Label
from monitor.records.late import LateBlock
from monitor.records.maintenance import Muting
from monitor.records.recorded_lives import RecordedLife, RecordedLives
from monitor.records.scalars import TopicPartition
from monitor.records.score_summaries import Rollup

if TYPE_CHECKING:  # numpy is slow to import, and commands that only read need none
    from monitor.ports.maintenance import Maintenances
    from monitor.records.batches import DeadLetter, Float32, Gap, Int64, Scores


@dataclass(frozen=True, slots=True)
class Position:
    """Ownership of a partition: the fence (`epoch`) and where to go on, or None where nothing was read yet.

    `unreadable` is what was saved about records that could not be read lately (JSON), "" = nothing.
    """

    epoch: int
    next_offset: int | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream as the store knows it: its row id, the state to resume from (None when it is new), and its counters.

    `version` is that of its row, which people's commands raise. Alerts that the state holds are over where they were
    `closed` by a command, but for the gateway alert of its family. `retired`: it is gone until it sends again.
    """

    id: int
    state: bytes | None
    counts: Counts = NONE
    version: int = 0
    closed: bool = False
    retired: bool = False


class StreamState(NamedTuple):
    """What is saved of a stream at a commit.

    `before` is how many readings the row had counted when this worker last read or wrote it; another number there means
    that another worker has written it since. None = not known. `training_readings` are kept to train on, 0 where
    it `has_model`. `rate` is in readings a second of event time. `version` is that of the row when it was loaded. `bar`
    is the ratio that would open an alert of it.
    """

    id: int
    partition: int
    last_time: int  # event time of the newest accepted reading, ns
    state: bytes
    before: int | None = None
    training_readings: int = 0
    has_model: bool = False
    rate: float = 0.0
    version: int = 0
    bar: float = 1.0
    counts: Counts = NONE


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of one family and the store's row id of each one's stream (int64, same length)."""

    scores: Scores
    stream_id: Int64
    model: str  # id of the artefact that scored, "" for the bootstrap detector
    family: str  # whose model it is: two families may have equal ones


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Gridded readings of a stream that has no model yet, kept to train on: time (n,), values (n, width)."""

    id: int  # the store's row id of the stream
    time: Int64
    values: Float32


# A change, its alert, the evidence and the store's identity, to (channel, JSON payload) pairs; the payload is None
# where a filter of the channel keeps the change back
Announce = Callable[[Transition, Alert, Evidence | None, UUID], Sequence[tuple[str, str | None]]]


def silent(_transition: Transition, _alert: Alert, _evidence: Evidence | None, _store: UUID) -> list[tuple[str, str]]:
    """Announce nothing."""
    return []


@dataclass(slots=True)
class Commit:
    """Everything that becomes visible together, or not at all.

    `facts` are merged with the stored alerts inside the transaction, in order of event time; `announce` renders the
    notifications of each transition from the merged row. Facts that are stored already change nothing.
    Facts that are more than `max_age` ns before the wall clock are not announced, unless their alert was announced
    before; the store counts them in `withheld`, by kind of alert. `grouping` says which alerts make one incident, and
    `rules` has the timers of alerts that open, by family. Changes that `muting` withholds are announced later, see
    `monitor.alerts.withholding`; they are counted in `muted`, by reason.
    `recorded` are the lives of the live run's alerts, in a replay: what people did to the same alerts is repeated
    behind the facts that came before it, and their timers where `rules` are what they were.
    `positions` holds (epoch, next offset), `unread` the epoch of partitions that have no offset and are to get none.
    `unreadable` replaces what is saved so of partitions in `positions`; of others it is kept.
    """

    run: str
    scores: list[ScoreBlock] = field(default_factory=list)
    rollup: Rollup | None = None  # added to the stored sums
    facts: list[Fact] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)  # of alerts that open
    announce: Announce = silent
    max_age: int | None = None
    grouping: Grouping = BY_FAMILY
    withheld: Counter[str] = field(default_factory=Counter)
    rules: Mapping[str, TimerRules] = field(default_factory=dict)
    muting: Muting | None = None  # maintenance that is on; None = there is none
    muted: Counter[str] = field(default_factory=Counter)
    recorded: RecordedLives | None = None
    history: list[HistoryBlock] = field(default_factory=list)
    streams: list[StreamState] = field(default_factory=list)
    late: list[LateBlock] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    positions: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    unread: dict[TopicPartition, int] = field(default_factory=dict)
    unreadable: dict[TopicPartition, str] = field(default_factory=dict)


class Store(Protocol):
    """Results, states, positions and models. Each worker has an instance, used by one thread at a time.

    Every method may block for the database, a minute or more while a server hangs. All raise StoreError: where it is
    `transient` nothing was written and the same call may be repeated. Each is one transaction, unless it says more.
    """

    @property
    def identity(self) -> UUID:
        """Made once for each store, at random, and never changed: the ids of its webhooks are made with it."""
        ...

    @property
    def registry(self) -> ModelRegistry:
        """The models recorded in it."""
        ...

    @property
    def trainings(self) -> Trainings:
        """The trainings of its families."""
        ...

    @property
    def maintenance(self) -> Maintenances:
        """The maintenance that people have entered."""
        ...

    def start_run(self, run: str, *, replace: bool = False) -> None:
        """Make sure that no row of a replay's name exists; called once, before its first `take`. `replace` deletes all.

        Raises StoreError when the name is taken, and for the live run, which is never replaced.
        """
        ...

    def take(self, run: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Position]:
        """Become the owner: raise each partition's epoch, so that older owners' commits are refused.

        Called when partitions are assigned, before their first record is read. The epochs go into every commit.
        """
        ...

    def open_streams(self, run: str, family: str, names: Sequence[str]) -> list[OpenedStream]:
        """Rows of these streams in the order asked, inserted where they are missing, with their saved state.

        Called when readings of streams arrive that are not loaded, after their partition was taken. Raises StoreError
        for a name with characters that SQL cannot keep.
        """
        ...

    def count_streams(self, run: str, family: str) -> int:
        """How many rows the family has in this run; called when partitions are assigned and streams were opened."""
        ...

    def known_streams(self, run: str, family: str, names: Sequence[str]) -> set[str]:
        """Which of these names have a row; called when the family may have no more streams than there are."""
        ...

    def stream_names(self, run: str, family: str, partition: int) -> list[str]:
        """Names of the family's streams whose newest readings came through this partition.

        Without those that are retired, unless a gateway alert of the family is open, which their state may hold.
        Called once per ownership, for the idle check to load the streams that sent nothing since.
        """
        ...

    def commit(self, commit: Commit) -> None:
        """Write everything in one transaction; done when it is durable, so that a crash loses nothing of it.

        Called on the committer's thread, while no other call is made. Raises FencedError when another worker has taken
        a partition or written a stream, StreamsChangedError when a command has changed one, and StoreError on any other
        failure. Nothing is written then, and the same object may be tried again: one whose success could not be
        confirmed is not written twice.
        """
        ...

    def note_settings(self, run: str, family: str, settings: str) -> list[str]:
        """Keep the settings (JSON text) that a family works with from now on; called once, when a worker starts.

        Where they differ from the newest ones kept, that is a new row; returns what changed, as "key: old -> new".
        """
        ...

    def decisions(self, run: str, family: str, since: int = 0) -> list[Decision]:
        """People's commands about alerts of a run and family that were carried out behind position `since`.

        In the order in which they took effect. Called between commits; may block on SQL. Raises StoreError.
        """
        ...

    def lives(self, run: str, family: str) -> list[RecordedLife]:
        """The alerts of a run and family as they are recorded, in order of their opening.

        Called before a replay. Raises StoreError.
        """
        ...

    def history(
        self, run: str, family: str, stream_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[str, HistoryBlock]]:
        """Blocks kept for training with their stream's name, in order of stream and time; of some streams, or all.

        Called before a training, and before streams are enrolled. Reads in several transactions, as it is consumed.
        """
        ...

    def unusual_times(self, run: str, family: str) -> Mapping[str, list[tuple[int, int]]]:
        """Stretches (first and last time, ns) of each stream of the family that no model is to learn from.

        Those of its alerts about what its readings are, and what people judged. Called before a training.
        """
        ...

    def labels(self, run: str, family: str) -> list[Label]:
        """Stretches of the past of which people said whether an alert was right. Called before a training."""
        ...

    def drop_history(self, stream_ids: Sequence[int]) -> None:
        """Forget the training blocks of these streams; called where they are no use, so that others are collected."""
        ...

    def pack_history(self, stream_ids: Sequence[int], most: int) -> None:
        """Keep of each of these streams the oldest `most` readings, in one block; called when a model has used them.

        Works in small transactions, beside workers that commit: blocks that arrive meanwhile stay as they are.
        """
        ...

    def thin_history(self, stream_ids: Sequence[int], newest: int) -> None:
        """As `pack_history`, but keep the `newest` readings, and every other stretch of those before them.

        Called when a model was trained again: what is kept stays bounded, and reaches back the less often the older.
        """
        ...

    def close(self) -> None:
        """Give connections back; no other call may follow. May be called twice. Raises nothing."""
        ...
