"""What `watchkeeper streams list` says of records that could not be read: a line for each topic, and JSON fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli.parameters.database import utc
from monitor.records.escapes import visible
from monitor.records.times import iso
from monitor.store.dead_letters import Chosen, DeadSummary, open_dead_letters

_STREAMS = 5  # that a line names, those with the most dead letters
_KINDS = 1_000  # topic, stream and reason


class Unreadable:
    """Dead letters of a run that were not sent again, by family (`None` = all of them)."""

    def __init__(self, url: str, run: str, family: str | None) -> None:
        letters = open_dead_letters(url)
        try:
            found = letters.summaries(Chosen(run=run), _KINDS)
            families = letters.families(run)
        finally:
            letters.close()
        (only,) = families.values() if len(families) == 1 else ("",)  # a file is called otherwise than a topic
        self._families = {each.topic: families.get(each.topic, only) for each in found}
        wanted = [each for each in found if each.count > each.retried]
        self._found = [each for each in wanted if family in (None, self._families[each.topic])]

    def lines(self) -> list[str]:
        """A line for each topic; none where everything was read."""
        return [_line(topic, self._of(topic)) for topic in dict.fromkeys(each.topic for each in self._found)]

    def add_to(self, streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Streams for JSON with `unreadable`, a number of records; those of which no record was read come last."""
        counts: dict[tuple[str, str], int] = {}
        newest: dict[tuple[str, str], DeadSummary] = {}
        for each in sorted(self._found, key=lambda summary: summary.last):
            stream = (self._families[each.topic], each.stream)
            counts[stream] = counts.get(stream, 0) + each.count - each.retried
            newest[stream] = each
        known = [row | {"unreadable": counts.pop((row["family"], row["name"]), 0)} for row in streams]
        return known + [_row(stream, count, newest[stream]) for stream, count in counts.items()]

    def _of(self, topic: str) -> list[DeadSummary]:
        return [each for each in self._found if each.topic == topic]


def _line(topic: str, found: Sequence[DeadSummary]) -> str:
    streams: dict[str, int] = {}
    for each in found:
        streams[each.stream] = streams.get(each.stream, 0) + each.count - each.retried
    most = sorted(streams.items(), key=lambda item: (not item[0], -item[1]))
    named = [f"{visible(name) or 'without a known stream'} {count:,}" for name, count in most[:_STREAMS]]
    more = f" and {len(most) - _STREAMS:,} more" if len(most) > _STREAMS else ""
    newest = max(found, key=lambda summary: summary.last)
    return (
        f"topic {visible(topic)}: {sum(streams.values()):,} records could not be read ({', '.join(named)}{more}), the "
        f"newest at {utc(newest.last)} UTC: {visible(newest.example)}; `watchkeeper dead list` shows all"
    )


def _row(stream: tuple[str, str], count: int, newest: DeadSummary) -> dict[str, Any]:
    family, name = stream
    facts = {"reason": newest.reason, "error": newest.example, "topic": newest.topic, "updated": iso(newest.last)}
    return {"family": family or None, "name": name or None, "state": "unreadable", "unreadable": count} | facts
