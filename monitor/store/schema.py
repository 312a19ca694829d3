"""The tables, as SQLAlchemy Core sees them. `migrations/` creates them; a test keeps the two equal.

Columns ending in `_ns`, and every column that says it is a time, hold int64 nanoseconds since 1970 (UTC).
NULL in a score, limit or ratio is NaN: not known, for example while warming up.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from monitor.records.counters import COUNTERS, GRID
from monitor.store.text import StorableText

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only where the key's type is spelt INTEGER.
Serial = BigInteger().with_variant(Integer(), "sqlite")

# One row, made with the tables: what distinguishes this database from others with the same run names.
identity = Table(
    "identity",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("created", BigInteger, nullable=False),  # wall clock
)

streams = Table(
    "streams",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("family", StorableText, nullable=False),
    Column("name", StorableText, nullable=False),
    Column("partition", Integer),
    Column("last_time", BigInteger),  # newest accepted reading; NULL before the first commit
    *(  # the first migration made those of the grid, without a default; the others were added later
        Column(name, BigInteger, nullable=False, server_default=None if name in GRID else text("0"))
        for name in COUNTERS
    ),
    Column("seen", BigInteger, nullable=False, server_default=text("0")),  # kept to train on; -1: a model scores it
    Column("rate", REAL, nullable=False, server_default=text("0")),  # readings a second of event time, at the end
    Column("bar", REAL, nullable=False, server_default=text("1")),  # ratio that would open an alert, at the end
    Column("state", LargeBinary),
    Column("updated", BigInteger),  # wall clock
    Column("version", Integer, nullable=False, server_default=text("0")),  # rises with each command about the stream
    Column("closed", BigInteger),  # wall clock, when a command closed alerts that `state` holds still
    Column("retired", BigInteger),  # wall clock; NULL from its next reading on
    UniqueConstraint("run", "family", "name"),
)

models = Table(
    "models",
    metadata,
    Column("ref", Integer, primary_key=True),  # what a score row carries instead of 64 characters
    Column("id", StorableText, nullable=False),  # sha256 of the packed artefact; of the weights where `path` is not ""
    Column("family", StorableText, nullable=False),
    Column("path", StorableText, nullable=False),  # "", or an absolute path that an earlier version recorded
    Column("manifest", StorableText, nullable=False),
    Column("state", StorableText, nullable=False),  # candidate, champion, retired
    Column("created", BigInteger, nullable=False),  # wall clock
    UniqueConstraint("family", "id"),
)

# Packed artefacts that are small enough for SQL; others are only in the shared folder `models` of the settings.
model_bodies = Table(
    "model_bodies",
    metadata,
    Column("model", Integer, ForeignKey("models.ref", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# Append-only: what became of each model, when and why.
model_changes = Table(
    "model_changes",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("model", Integer, ForeignKey("models.ref", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),  # wall clock
    Column("state", StorableText, nullable=False),
    Column("reason", StorableText, nullable=False),
    Column("by", StorableText, nullable=False, server_default=text("'monitor'")),  # who did it
    Index(None, "model"),
)

# Trainings that were asked for, by the schedule, a drift or a person, and what became of each.
trainings = Table(
    "trainings",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("family", StorableText, nullable=False),
    Column("cause", StorableText, nullable=False),  # doubled, every, drift, request
    Column("by", StorableText, nullable=False),
    Column("note", StorableText, nullable=False),  # why, in words
    Column("at", BigInteger, nullable=False),  # wall clock, as are the next two
    Column("state", StorableText, nullable=False),  # waiting, running, promoted, refused, failed
    Column("readings", BigInteger),  # of a stream until then; NULL: asked for by a person, and not seen by a worker yet
    Column("alive", BigInteger),  # when the worker that runs it was last seen to; NULL while it waits
    Column("ended", BigInteger),
    Column("model", StorableText, nullable=False, server_default=text("''")),  # its id, "" where there is none
    Column("outcome", StorableText, nullable=False, server_default=text("''")),  # why refused or failed, in words
    Index(None, "family", "id"),
)

# No foreign keys here: the fence already says who may write, and a check per row costs a fifth of the insert.
scores = Table(
    "scores",
    metadata,
    Column("stream_id", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("score", REAL),
    Column("limit", REAL),
    Column("ratio", REAL),
    Column("imputed", REAL, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("model", Integer().with_variant(SmallInteger(), "sqlite")),  # models.ref, NULL for the bootstrap detector
    PrimaryKeyConstraint("stream_id", "end_ns"),
    sqlite_with_rowid=False,  # one B-tree instead of a table and an index that repeats its key
)

# Of `store.scores` = "rollup": all scores of ten minutes, also those that have no row in `scores`.
rollups = Table(
    "rollups",
    metadata,
    Column("stream_id", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("windows", BigInteger, nullable=False),
    Column("judged", BigInteger, nullable=False),  # had a ratio
    Column("anomalies", BigInteger, nullable=False),
    Column("ratio_sum", Double, nullable=False),
    Column("ratio_max", Double),
    PrimaryKeyConstraint("stream_id", "start_ns"),
    sqlite_with_rowid=False,
)

history = Table(
    "history",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("stream_id", BigInteger, ForeignKey("streams.id", ondelete="CASCADE"), nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("times", LargeBinary, nullable=False),  # int64 little-endian, (n,); on a grid: the first one and the step
    Column("readings", LargeBinary, nullable=False),  # float32 little-endian, (n, width)
    Index(None, "stream_id", "first_ns"),
)

positions = Table(
    "positions",
    metadata,
    Column("run", StorableText, nullable=False),
    Column("topic", StorableText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("next_offset", BigInteger),
    Column("updated", BigInteger, nullable=False),  # wall clock
    Column(
        "unreadable", StorableText
    ),  # JSON: which of the newest records could not be read, and the alerts about them
    PrimaryKeyConstraint("run", "topic", "partition"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("family", StorableText, nullable=False),
    Column("stream", StorableText, nullable=False),
    Column("kind", StorableText, nullable=False),
    Column("state", StorableText, nullable=False),
    Column("severity", StorableText, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("peak_ratio", Double),
    Column("peak_at", BigInteger, nullable=False),
    Column("windows", Integer, nullable=False),
    Column("cause", StorableText, nullable=False, server_default=text("''")),  # a sentence; of what is not an anomaly
    Column("channel", StorableText, nullable=False, server_default=text("''")),  # "" where it is about none, or all
    Column("acknowledged_at", BigInteger),  # wall clock; NULL in a resolved alert: it was never acknowledged
    Column("acknowledged_by", StorableText),
    Column("note", StorableText),  # the newest one
    Column("shelved_until", BigInteger),  # event time; stays in a resolved alert
    Column("shelved_by", StorableText),
    Column("out_of_service", BigInteger),  # wall clock, since when its stream is
    Column("verdict", StorableText),  # the newest one: true, false, expected, unsure
    Column("flapping_until", BigInteger),  # event time
    Column("escalate_after", BigInteger, nullable=False, server_default=text("0")),  # ns; 0: never
    Column("escalate_at", BigInteger),  # event time, as is `repeat_at`; NULL: it does not wait for that
    Column("repeat_every", BigInteger, nullable=False, server_default=text("0")),  # ns; 0: never
    Column("repeat_at", BigInteger),
    Column("due_at", BigInteger),  # event time of its next timer; NULL: it has none
    Index(None, "run", "opened_at"),
    Index(None, "run", "family", "stream", "opened_at"),
)

# Append-only: rows are inserted with the change they describe, and never updated.
transitions = Table(
    "transitions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("cause", StorableText, nullable=False, server_default=text("'note'")),  # of rows made by hand
    Column("at", BigInteger, nullable=False),
    Column("state", StorableText, nullable=False),
    Column("severity", StorableText, nullable=False),
    Column("ratio", Double),
    Column("actor", StorableText, nullable=False),
    Column("note", StorableText, nullable=False),
    Column("withheld", StorableText),  # why no notification was made although there are channels; NULL: that is not so
    Column("acted_at", BigInteger),  # wall clock, when a person acted; NULL of other changes, and of earlier versions
    UniqueConstraint("alert", "number"),
)

# What people asked for, carried out or not. A command that was carried out has a transition of its id.
commands = Table(
    "commands",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # rises in the order in which they committed
    Column("id", Uuid, nullable=False, unique=True),
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("kind", StorableText, nullable=False),
    Column("by", StorableText, nullable=False),
    Column("at", BigInteger, nullable=False),  # wall clock
    Column("effective", BigInteger, nullable=False),  # event time
    Column("note", StorableText, nullable=False),
    Column("refused", StorableText),  # why; NULL: it was carried out
    Column("span", BigInteger),  # ns that an alert is shelved for; NULL: until it is resolved
    Column("verdict", StorableText),
    Column("start", BigInteger),  # event time; what the verdict is about, NULL: as the alert says
    Column("end", BigInteger),
    Index(None, "alert"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("channels", StorableText, nullable=False),  # JSON array of names
    Column("readings", LargeBinary, nullable=False),  # float32 little-endian, (length, channels); so are the next two
    Column("reconstruction", LargeBinary),  # NULL of a detector that reconstructs nothing
    Column("contribution", LargeBinary, nullable=False),
    Column("facts", StorableText),  # JSON, see evidence_facts; NULL where there are none
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("transition", Uuid, ForeignKey("transitions.id", ondelete="CASCADE")),  # NULL: the row is a digest
    Column("alert", Uuid, nullable=False),  # of a digest: its message
    Column("channel", StorableText, nullable=False),
    Column("payload", StorableText, nullable=False),
    Column("created", BigInteger, nullable=False),  # wall clock, as are the times below
    Column("next_at", BigInteger, nullable=False),  # not before; also the lease of the dispatcher that took it
    Column("attempts", Integer, nullable=False),
    Column("delivered_at", BigInteger),
    Column("gave_up_at", BigInteger),
    Column("message", Uuid),  # the webhook's id; NULL in rows of an earlier version: it is that of the transition
    Column("severity", StorableText),  # of the change; NULL in rows of an earlier version
    Column("digest", BigInteger),  # the row of the digest that the message was joined into
    Column("origin", BigInteger),  # the row of another channel which this one is a copy of, as that channel failed
    Column("diverted", BigInteger),  # when it was copied to the fallback channel
    Column("redriven", BigInteger),  # when a person made it due again
    UniqueConstraint("transition", "channel"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("outbox", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("error", StorableText),  # NULL: accepted
    Index(None, "outbox"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("run", StorableText, nullable=False),
    Column("topic", StorableText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("reason", StorableText, nullable=False),
    Column("error", StorableText, nullable=False),
    Column("key", LargeBinary),
    Column("body", LargeBinary),  # cut at 64 KiB
    Column("size", BigInteger, nullable=False),  # of the whole body, bytes
    Column("recorded", BigInteger, nullable=False),  # wall clock
    Column("stream", StorableText, nullable=False, server_default=text("''")),  # "" where it is not known
    Column("time", BigInteger),  # when the record was sent, or what it says; NULL where neither is known
    Column("retried", BigInteger),  # wall clock; when it was sent again, to be read once more
    PrimaryKeyConstraint("run", "topic", "partition", "offset"),
    Index(None, "run", "topic", "reason", "stream"),
)

# The newest `LATE_KEPT` of each run and family; older ones are deleted.
late_readings = Table(
    "late_readings",
    metadata,
    Column("id", Serial, primary_key=True),  # rises with arrival
    Column("run", StorableText, nullable=False),
    Column("family", StorableText, nullable=False),
    Column("stream", StorableText, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("behind", BigInteger, nullable=False),  # ns behind the stream's clock
    Column("reading", StorableText, nullable=False),  # JSON array of its numbers, null where missing
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),  # wall clock
    Index(None, "run", "family", "id"),
)

gaps = Table(
    "gaps",
    metadata,
    Column("run", StorableText, nullable=False),
    Column("topic", StorableText, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),  # records [start, end) were gone before they were read
    Column("end", BigInteger, nullable=False),  # before `start` where the topic was recreated
    Column("reason", StorableText, nullable=False),
    Column("recorded", BigInteger, nullable=False),  # wall clock
    PrimaryKeyConstraint("run", "topic", "partition", "start", "recorded"),
)

changes = Table(
    "changes",
    metadata,
    Column("run", StorableText, nullable=False),
    Column("family", StorableText, nullable=False),
    Column("number", Integer, nullable=False),  # 0 = the settings that the run began with
    Column("what", StorableText, nullable=False),  # lines of "key: old -> new"
    Column("settings", StorableText, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False),  # wall clock
    PrimaryKeyConstraint("run", "family", "number"),
)

# One row for each worker process, rewritten every ten seconds; deleted a day after it ended or was heard last.
workers = Table(
    "workers",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("host", StorableText, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", StorableText, nullable=False),
    Column("started", BigInteger, nullable=False),  # wall clock of the worker
    Column("beat", BigInteger, nullable=False),  # wall clock of the database server, on SQLite of the worker
    Column("committed", BigInteger),  # wall clock of the worker, of its newest commit
    Column("ended", BigInteger),  # as `beat`; NULL: it has not said that it stops
    Column("error", StorableText, nullable=False),  # why it ended; "": it was asked to
    Column("report", StorableText, nullable=False),  # JSON, see monitor/records/workers.py
)

# What is not announced of the alerts of a stream: of one kind while it is shelved, of all while it is out of service.
suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("family", StorableText, nullable=False),
    Column("stream", StorableText, nullable=False),
    Column("kind", StorableText, nullable=False),  # of the shelved alerts; "": out of service
    Column("channel", StorableText, nullable=False),
    Column("until", BigInteger),  # event time; NULL: until a person ends it
    Column("by", StorableText, nullable=False),
    Column("note", StorableText, nullable=False),
    Column("since", BigInteger, nullable=False),  # wall clock
    Column("ended", BigInteger),  # wall clock, when a person ended it, or another one took its place
)

# Changes of which a channel's filter kept the message back.
filtered = Table(
    "filtered",
    metadata,
    Column("transition", Uuid, ForeignKey("transitions.id", ondelete="CASCADE"), nullable=False),
    Column("channel", StorableText, nullable=False),
    PrimaryKeyConstraint("transition", "channel"),
)

# What the dispatchers of a channel share: one row for each channel that has failed, has a rate limit or a heartbeat.
channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", StorableText, primary_key=True),
    Column("failing_since", BigInteger),  # wall clock; NULL: its newest message was taken
    Column("beat_at", BigInteger),  # wall clock of the database server: its newest heartbeat
    Column("sent", StorableText, nullable=False, server_default=text("'[]'")),  # JSON: tries of the last minute, ns
)

# Alerts of one group that overlap in time.
incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("group_name", StorableText, nullable=False),  # a family, or a group of the settings
    Column("opened_at", BigInteger, nullable=False),
    Column("newest_at", BigInteger, nullable=False),  # the newest opening of a member
    Column("ended_at", BigInteger),  # the newest resolution of a member
    Column("members", Integer, nullable=False),
    Column("open", Integer, nullable=False),  # members that are not resolved
    Column("acknowledged", Integer, nullable=False),  # of these, how many
    Column("severity", StorableText, nullable=False),  # the worst
    Column("due_at", BigInteger),  # wall clock, when a message about it is made; NULL: there is nothing to say
    Column("messages", Integer, nullable=False),  # how many were made
    Column("wait", BigInteger),  # ns, of the settings: how long a message waits for further alerts
    Column("said_at", BigInteger),  # wall clock of the newest one, and what it said; NULL before the first
    Column("said_state", StorableText),
    Column("said_severity", StorableText),
    Column("said_members", Integer),
    Index(None, "run", "group_name", "opened_at"),
    Index(None, "due_at"),
)

incident_members = Table(
    "incident_members",
    metadata,
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("incident", Uuid, ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False),
    Column("grouped", Boolean, nullable=False),  # its changes are announced by the incident, not by themselves
    Index(None, "incident"),
)

# Maintenance that people have entered. Append-only: a row is never changed, but where it is removed.
maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("name", StorableText, nullable=False),
    Column("families", StorableText, nullable=False),  # JSON array; empty: all
    Column("streams", StorableText, nullable=False),  # a pattern, as shells match names
    Column("start", StorableText, nullable=False),  # ISO 8601 without an offset: by the wall clock of `zone`
    Column("end", StorableText, nullable=False),
    Column("zone", StorableText, nullable=False),  # IANA
    Column("rrule", StorableText, nullable=False),  # RFC 5545; "": once
    Column("exdates", StorableText, nullable=False),  # JSON array of times like `start`
    Column("rdates", StorableText, nullable=False),
    Column("notify", SmallInteger, nullable=False),  # 0 = off meanwhile, as are the next two
    Column("score", SmallInteger, nullable=False),
    Column("learn", SmallInteger, nullable=False),
    Column("by", StorableText, nullable=False),
    Column("why", StorableText, nullable=False),
    Column("created", BigInteger, nullable=False),  # wall clock
    Column("removed_at", BigInteger),  # wall clock; nothing of it counts from then on
    Column("removed_by", StorableText),
    Column("removed_why", StorableText),
    Column("void", SmallInteger, nullable=False, server_default=text("0")),  # 1: removed as if it had never been
)

# Alerts of which maintenance withholds something, and what is announced when it is over.
withheld = Table(
    "withheld",
    metadata,
    Column("alert", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("run", StorableText, nullable=False),
    Column("transition", Uuid, nullable=False),
    Column("until", BigInteger, nullable=False),  # event time; not before that
    Column("reason", StorableText, nullable=False),
    Column("announced", SmallInteger, nullable=False),  # 1: something of the alert was announced before
    Index(None, "run", "until"),
)
