r"""What a notification says, as JSON. Field names are a promise to receivers: new ones may come, none changes.

```
type        "alert.opened" | "alert.updated" | "alert.acknowledged" | "alert.resolved"; "alert.updated" also where an
            acknowledgement is taken back or a note is added: `state` says what the alert is now
timestamp   event time of the change
data        store alert_id transition_id number run family stream kind channel cause accept state severity actor note
            store         the database's identity: two databases with one run name have the same alert ids
            kind          "anomaly"; "change": the level of a channel has just moved; or of the stream itself:
                          "unscored", "no-beat", "silent"; of a channel: "missing", "out-of-range", "frozen";
                          "unreadable": most records of a stream, or of a family, and
                          `windows` counts them; "gateway": all streams of the family are silent; `stream` is empty
                          where all of a family are meant
            ratio         score / limit of the window that caused the change, 1.0 = at the limit; null of a person's
            channel       which channel it is about; "" where that is none or all of them
            cause         what is wrong with the stream, or how it changed, as a sentence; of an anomaly "", or that
                          the level of its stream has not come back though the score is calm again
            accept        of an anomaly that is not over: the command that says that its level is the new normal
            peak_ratio peak_at windows
            opened_at started_at last_at resolved_at
            acknowledged_at (wall clock) acknowledged_by
            causes        of "alert.opened": at most 3 cells of the first window that explain most of its score:
                          channel, time, offset_s (after the window's start), share (0 to 1), value, expected
                          (null where the detector reconstructs nothing)
            facts         what else is known of that window, by name; of a heartbeat: rr_s, next_rr_s
                          (of an early one), rate_bpm, latency_s, noise
            components    share (0 to 1) of the detector and of each companion in its score; only with companions
```
Times are ISO-8601 in UTC with as many decimals as they have, to the nanosecond; null where there is none. Numbers that
are not finite are null. Long texts are cut and end in "…", so that a message is always below `MAX_BYTES`. Characters
that steer a terminal or are not seen are written as \uXXXX, which JSON reads as the same character.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from monitor.alerts.accepting import accepting
from monitor.notify.causes import Cause, causes
from monitor.records.alerts import Alert, CommandKind, Evidence, FactKind, Transition
from monitor.records.escapes import safe_json
from monitor.records.times import iso

MAX_BYTES = 20_000
_NAME = 200  # characters; a character takes at most 6 bytes in JSON
_NOTE = 800
_TYPES = {
    FactKind.OPENED: "opened", FactKind.CLEARED: "resolved",
    CommandKind.ACKNOWLEDGE: "acknowledged", CommandKind.CLOSE: "resolved", CommandKind.EXPECT: "resolved",
}  # fmt: skip


def payload(alert: Alert, transition: Transition, evidence: Evidence | None, store: UUID) -> str:
    """The message about `transition`; `alert` is the alert as it is after it, `store` the identity of its store."""
    message = {
        "type": _type(transition),
        "timestamp": iso(transition.at),
        "data": {
            "store": store,
            "alert_id": alert.id,
            "transition_id": transition.id,
            "number": transition.number,
            "run": _cut(alert.run),
            "family": _cut(alert.family),
            "stream": _cut(alert.stream),
            "kind": _cut(alert.kind),
            "channel": _cut(alert.channel),
            "cause": _cut(alert.cause),
            "accept": accepting(alert),
            "state": transition.state,
            "severity": transition.severity,
            "ratio": transition.ratio,
            "peak_ratio": alert.peak_ratio,
            "peak_at": iso(alert.peak_at),
            "windows": alert.windows,
            "opened_at": iso(alert.opened_at),
            "started_at": iso(alert.started_at),
            "last_at": iso(alert.last_at),
            "resolved_at": None if alert.resolved_at is None else iso(alert.resolved_at),
            "acknowledged_at": None if alert.acknowledged_at is None else iso(alert.acknowledged_at),
            "acknowledged_by": _cut(alert.acknowledged_by),
            "actor": _cut(transition.actor),
            "note": _cut(transition.note, _NOTE),
            "causes": [] if evidence is None else [_cause(cause) for cause in causes(evidence)],
            "facts": {} if evidence is None else dict(evidence.facts),
            **({"components": dict(evidence.components)} if evidence is not None and evidence.components else {}),
        },
    }
    return safe_json(msgspec.json.encode(message).decode())


def _type(transition: Transition) -> str:
    return f"alert.{_TYPES.get(transition.cause, 'updated')}"


def _cut(text: str, limit: int = _NAME) -> str:
    r"""At most `limit` characters that UTF-8 can hold; those that JSON may write as two \uXXXX count twice."""
    if not text.isascii():
        units = text.encode("utf-16-le", "replace")
        text = units[: 2 * limit].decode("utf-16-le", "ignore") + ("…" if len(units) > 2 * limit else "")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "channel": _cut(cause.channel), "time": iso(cause.time), "offset_s": cause.offset / 1e9, "share": cause.share,
        "value": cause.value, "expected": cause.expected,
    }  # fmt: skip
