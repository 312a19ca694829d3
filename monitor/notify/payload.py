r"""What a notification says, as JSON. Field names are a promise to receivers: new ones may come, none changes.

```
type        "alert.opened" | "alert.updated" | "alert.acknowledged" | "alert.resolved"; "alert.updated" also where an
            acknowledgement is taken back, a note is added, or one that is over was seen: `state` says what the alert
            is now; "alert.opened" also where one that was not sent comes back open: from the shelf, out of service
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
            shelved_until verdict
            flapping      true: its stream opened too many alerts, and the next ones are not sent until it is calm
            causes        of "alert.opened": at most 3 cells of the first window that explain most of its score:
                          channel, time, offset_s (after the window's start), share (0 to 1), value, expected
                          (null where the detector reconstructs nothing)
            facts         what else is known of that window, by name; of a heartbeat: rr_s, next_rr_s
                          (of an early one), rate_bpm, latency_s, noise, noise_share, beside, alike
            components    share (0 to 1) of the detector and of each companion in its score; only with companions
            summary       the change as one sentence; contributions: `causes` as sentences
            score limit   of the first window, of "alert.opened"; null where they are not known
            value expected   of the first of `causes`
            link          where people find the alert; "" where the settings name no such place
```
`alert-message.v1.schema.json` beside this file says the same to programs.
Times are ISO-8601 in UTC with as many decimals as they have, to the nanosecond; null where there is none. Numbers that
are not finite are null. Long texts are cut and end in "…", so that a message is always below `MAX_BYTES`. Characters
that steer a terminal or are not seen are written as \uXXXX, which JSON reads as the same character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from monitor.alerts.accepting import accepting
from monitor.notify.causes import Cause, causes
from monitor.notify.cut import cut as _cut
from monitor.notify.sentence import contributions, summary
from monitor.records.alerts import Alert, AlertState, CommandKind, Evidence, FactKind, TimerKind, Transition
from monitor.records.escapes import safe_json
from monitor.records.times import iso

MAX_BYTES = 24_000
_SUMMARY = 380  # characters; a character takes at most 6 bytes in JSON
_NOTE = 800
_TYPES = {
    FactKind.OPENED: "opened", FactKind.CLEARED: "resolved",
    CommandKind.ACKNOWLEDGE: "acknowledged", CommandKind.CLOSE: "resolved", CommandKind.EXPECT: "resolved",
}  # fmt: skip
_BACK = {TimerKind.RETURNED, CommandKind.UNSHELVE, CommandKind.IN_SERVICE}  # what may be said for the first time


def payload(alert: Alert, transition: Transition, evidence: Evidence | None, store: UUID, link: str = "") -> str:
    """The message about `transition`; `alert` is the alert as it is after it, `store` the identity of its store.

    `link` is where people find an alert, with {alert_id} in place of its id; "" = nowhere.
    """
    found = [] if evidence is None else causes(evidence)
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
            **_of_people(alert),
            "actor": _cut(transition.actor),
            "note": _cut(transition.note, _NOTE),
            "causes": [_cause(cause) for cause in found],
            "facts": {} if evidence is None else dict(evidence.facts),
            **({"components": dict(evidence.components)} if evidence is not None and evidence.components else {}),
            **_words(alert, transition, evidence, found),
            "link": link.replace("{alert_id}", str(alert.id)),
        },
    }
    return safe_json(msgspec.json.encode(message).decode())


def _of_people(alert: Alert) -> dict[str, Any]:
    """What people made of it, and what keeps it quiet."""
    return {
        "acknowledged_at": None if alert.acknowledged_at is None else iso(alert.acknowledged_at),
        "acknowledged_by": _cut(alert.acknowledged_by),
        "shelved_until": None if alert.shelved_until is None else iso(alert.shelved_until),
        "flapping": alert.flapping_until is not None,
        "verdict": alert.verdict,
    }


def _words(alert: Alert, transition: Transition, evidence: Evidence | None, found: Sequence[Cause]) -> dict[str, Any]:
    """The message for people: a sentence, what explains the score, and the numbers that they ask for first."""
    known = {} if evidence is None else evidence.facts
    return {
        "summary": _cut(summary(alert, transition, found), _SUMMARY),
        "contributions": [_cut(text) for text in contributions(found)],
        "score": known.get("score"),
        "limit": known.get("limit"),
        "value": found[0].value if found else None,
        "expected": found[0].expected if found else None,
    }


def _type(transition: Transition) -> str:
    if transition.cause in _BACK and transition.state is AlertState.OPEN:
        return "alert.opened"
    if transition.cause is CommandKind.ACKNOWLEDGE and transition.state is AlertState.RESOLVED:
        return "alert.updated"
    return f"alert.{_TYPES.get(transition.cause, 'updated')}"


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "channel": _cut(cause.channel), "time": iso(cause.time), "offset_s": cause.offset / 1e9, "share": cause.share,
        "value": cause.value, "expected": cause.expected,
    }  # fmt: skip
