"""Alerts and what belongs to them: facts of workers, commands of people, transitions, evidence and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid5

from monitor.records.scalars import NAMESPACE

if TYPE_CHECKING:
    from monitor.records.batches import Float32


class AlertState(StrEnum):
    """Life of an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    OUT_OF_SERVICE = "out-of-service"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How far beyond the limit an alert went; declared in rising order."""

    WARNING = "warning"
    CRITICAL = "critical"


class FactKind(StrEnum):
    """What a worker reports of an alert, in the order of facts of one moment. Each but CONTINUED is a transition."""

    OPENED = "opened"
    CONTINUED = "continued"  # newer numbers only: no transition
    WORSENED = "worsened"
    CLEARED = "cleared"


class CommandKind(StrEnum):
    """What a person asks for."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    NOTE = "note"
    CLOSE = "close"
    EXPECT = "expect"  # the level is the new normal: the alert is over, and the stream learns it
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out-of-service"  # of the alert's stream, as the next one
    IN_SERVICE = "in-service"
    VERDICT = "verdict"


class TimerKind(StrEnum):
    """What the passing of time does to an alert."""

    RETURNED = "returned"  # its shelving, or its flapping, is over
    ESCALATED = "escalated"  # it was not acknowledged in time
    REMINDED = "reminded"  # it is still not acknowledged


class Verdict(StrEnum):
    """What a person says an alert was."""

    TRUE = "true"
    FALSE = "false"
    EXPECTED = "expected"  # unusual, and known to be: a test, a change of product
    UNSURE = "unsure"


Cause = FactKind | CommandKind | TimerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A run of anomalies of one stream, as a person sees it. Times are event times in ns, except `acknowledged_at`.

    Workers own severity, times, peak, windows, cause and `flapping_until`, people what stands from `acknowledged_at`
    to `verdict`; the state follows from both (`monitor.alerts.states`). The last four are its timers. A resolved alert
    without `acknowledged_at` was never acknowledged.
    """

    id: UUID
    run: str
    family: str
    stream: str
    kind: str = "anomaly"
    channel: str = ""  # what it is about, where that is one channel of the stream
    state: AlertState = AlertState.OPEN
    severity: Severity = Severity.WARNING
    opened_at: int  # end of the window on which it opened
    started_at: int  # start of the first window that took part
    last_at: int  # end of the newest anomalous window
    resolved_at: int | None = None
    peak_ratio: float
    peak_at: int
    windows: int = 1  # anomalous windows so far; bad readings or records of an alert about the stream itself
    cause: str = ""  # of an alert about the stream itself: what is wrong, as a sentence
    acknowledged_at: int | None = None  # wall clock, ns
    acknowledged_by: str = ""
    note: str = ""  # the newest one
    shelved_until: int | None = None
    shelved_by: str = ""
    out_of_service: int | None = None  # since when its stream is, wall clock, ns
    verdict: Verdict | None = None  # the newest one
    flapping_until: int | None = None  # when its stream is calm, unless another alert of it opens before
    escalate_after: int = 0  # ns without an acknowledgement, 0 = never
    escalate_at: int | None = None
    repeat_every: int = 0  # ns, 0 = never
    repeat_at: int | None = None


class TimerRules(NamedTuple):
    """The timers that alerts of a family get when they open, ns; 0 = none."""

    escalate_after: int = 0
    repeat_every: int = 0


def alert_id(run: str, family: str, stream: str, opened_at: int, *kind: str) -> UUID:
    """The id of the alert that opened there, in every process alike.

    `kind` is that of those that are no anomalies, followed by the channel of those that are about one.
    """
    return uuid5(NAMESPACE, "\x1f".join((run, family, stream, str(opened_at), *kind)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a worker found out about an alert, in the past tense. Times are event times, ns.

    The numbers are those of the whole alert up to this fact: severity, newest anomaly, peak and windows only rise.
    `cause` is a sentence for a person, as it was known at `last_at`; every fact of an alert that has one carries it.
    `reason` says why it was cleared where no reading did that, or that its stream began to flap, and becomes the note
    of the transition. `flapping_until` is that of the alert.
    """

    kind: FactKind
    alert: UUID
    run: str
    family: str
    stream: str
    alert_kind: str = "anomaly"
    channel: str = ""
    at: int  # end of the window that caused it
    ratio: float  # of that window
    severity: Severity = Severity.WARNING
    opened_at: int
    started_at: int
    last_at: int
    peak_ratio: float
    peak_at: int
    windows: int
    cause: str = ""
    reason: str = ""
    flapping_until: int | None = None

    @property
    def id(self) -> UUID:
        """The same for the same cause in every process; also the id of the transition that it leads to."""
        return uuid5(self.alert, f"{self.kind}\x1f{self.at}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person wants of an alert. A repeat carries the same `id`, which is also that of its transition.

    `span` is how long to shelve it, ns; None = until it is resolved. `start` and `end` are the range (event time, ns)
    that a `verdict` is about; None = as the alert says. `repeated`: it was given to the same alert of the live run, and
    is carried out in a replay.
    """

    id: UUID
    alert: UUID
    kind: CommandKind
    by: str
    at: int  # wall clock, ns
    effective: int | None = None  # event time, ns; None = the newest event time that the alert's row knows
    note: str = ""
    span: int | None = None
    verdict: Verdict | None = None
    start: int | None = None
    end: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A command that was carried out, and which alert it was about: enough to meet it again under another run name.

    `position` rises with every command of the database, in the order in which they took effect.
    """

    position: int
    command: Command
    family: str
    stream: str
    alert_kind: str
    channel: str
    opened_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change in an alert's life; rows of it are never changed. `number` counts from 0 within the alert.

    `id` is that of the fact or command that caused it; with the store's identity it makes the webhook's id. `ratio` is
    NaN for a command. `acted_at` is the wall clock, ns, when a person gave the command; None of other changes and of
    those of earlier versions. `withheld` says why no notification was made although there are channels, "" = that is
    not so.
    """

    id: UUID
    alert: UUID
    number: int
    cause: Cause
    at: int  # event time, ns
    state: AlertState
    severity: Severity
    ratio: float  # of the window that caused it
    actor: str = "monitor"
    note: str = ""
    withheld: str = ""
    acted_at: int | None = None


def message_id(store: UUID, transition: UUID) -> UUID:
    """The webhook's id of a transition: equal in every repeat, another one in every other store."""
    return uuid5(store, transition.hex)


class Band(NamedTuple):
    """Where each reading of a window usually lies, (length, channels) each, in their units; NaN = not known."""

    low: Float32
    high: Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why an alert opened: the window, its reconstruction and each cell's share of the score, all (length, channels).

    `values` and `reconstruction` are in the units of the readings; `contribution` sums to 1. A detector that
    reconstructs nothing leaves `reconstruction` None. `facts` is what else is
    known of the window, each name with its unit; of a heartbeat: rr_s (unknown after a gap), next_rr_s (of an early
    one), rate_bpm, latency_s, noise (in the unit of the signal), noise_share (of a beat's height), beside (spread
    beside the QRS complex, in the unit of the signal), alike (correlation of the complexes around an early one).
    `components` are the shares of the detector and of each companion in the score; empty where there are no companions.
    `band` is None where nothing is known of what is usual.
    """

    alert: UUID
    start: int
    end: int
    channels: tuple[str, ...]
    values: Float32
    reconstruction: Float32 | None
    contribution: Float32
    facts: Mapping[str, float] = field(default_factory=dict)
    components: Mapping[str, float] = field(default_factory=dict)
    band: Band | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification that is due: an outbox row."""

    id: int
    message: UUID  # the webhook's id, equal in every repeat
    transition: UUID
    alert: UUID
    channel: str
    payload: str  # JSON, as it is posted
    attempts: int
