"""`watchkeeper dead retry`: decode kept records again, and send those that can be read now to their topic once more.

A record that is sent again is a new record: the workers read and account for it like any other, so nothing is written
beside them. It is sent before its dead letter is marked: a retry that is killed in between may be repeated, and its
record then counts as a duplicate (where readings are put on a grid).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from monitor.config.settings import Settings, load
from monitor.errors import NOT_ALL_JUDGED, SettingsError
from monitor.records.batches import LIVE
from monitor.records.streams import StreamIndex

if TYPE_CHECKING:
    from monitor.sources.decode import Decoder
    from monitor.store.dead_letters import DeadRecord

CUT = "cut"  # why a record cannot be tried: not all of it was kept
NO_FAMILY = "no-family"


@dataclass(slots=True)
class Tried:
    """What came of a retry: how many can be read now, and how many not, by reason, with an example of each."""

    readable: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def refuse(self, letter: DeadRecord, reason: str, error: str) -> None:
        """One that still cannot be read."""
        self.unreadable[reason] += 1
        place = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
        self.examples.setdefault(reason, f"{place}: {error}")


def retry(
    config: Annotated[Path, typer.Argument(help="The TOML file, with the format as it should be.")],
    *,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic.")] = None,
    stream: Annotated[str | None, typer.Option(help="Only those of this stream.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those of this reason.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what could be read now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send kept records that can be read now to their topic again; restart the workers with this configuration first.

    Records behind their stream's clock count as late there: `watchkeeper late rescore` scores them after all.
    """
    from monitor.sources.kafka_resend import Resender
    from monitor.store.dead_letters import Chosen, open_dead_letters

    settings, tried = load(config), Tried()
    decoders = _decoders(settings)
    if settings.kafka.bootstrap_servers == "embedded" and not dry_run:
        raise SettingsError(
            "kafka.bootstrap_servers: give the address that the worker printed, or that of a real Kafka"
        )
    sender = None if dry_run else Resender(settings.kafka)
    letters = open_dead_letters(settings.store.url)
    try:
        for page in letters.waiting(Chosen(run=LIVE, topic=topic, stream=stream, reason=reason)):
            good = _readable(page, decoders, tried)
            tried.readable += len(good)
            if sender is not None and good:
                sender.send(good)
                letters.mark_retried(LIVE, good, time.time_ns())
    finally:
        letters.close()
    _report(tried, dry_run=dry_run, as_json=as_json)
    if tried.unreadable:
        raise typer.Exit(NOT_ALL_JUDGED)


def _decoders(settings: Settings) -> dict[str, tuple[str, Decoder]]:
    from monitor import bootstrap

    return bootstrap.decoders(settings, {name: StreamIndex() for name in settings.families})


def _readable(
    page: Sequence[DeadRecord], decoders: Mapping[str, tuple[str, Decoder]], tried: Tried
) -> list[DeadRecord]:
    """Those that can be read now; `tried` counts the others."""
    good = []
    for topic in dict.fromkeys(letter.topic for letter in page):
        chosen = []
        for letter in (letter for letter in page if letter.topic == topic):
            if topic not in decoders:
                tried.refuse(letter, NO_FAMILY, "no family of the configuration reads this topic")
            elif letter.cut:
                tried.refuse(letter, CUT, f"only {len(letter.body or b''):,} of its {letter.size:,} bytes were kept")
            else:
                chosen.append(letter)
        if chosen:
            good += _decoded(chosen, decoders[topic][1], tried)
    return good


def _decoded(letters: Sequence[DeadRecord], decoder: Decoder, tried: Tried) -> list[DeadRecord]:
    from monitor.sources.decode import Records

    stamps = [-1 if letter.time is None else letter.time // 10**6 for letter in letters]
    records = Records(
        letters[0].topic, [letter.key for letter in letters], [letter.body for letter in letters],
        np.array([letter.partition for letter in letters], np.int32),
        np.array([letter.offset for letter in letters], np.int64), lambda: stamps,
    )  # fmt: skip
    _, dead = decoder.decode(records)
    still = {(fault.partition, fault.offset): fault for fault in dead}
    good = []
    for letter in letters:
        if (fault := still.get((letter.partition, letter.offset))) is None:
            good.append(letter)
        else:
            tried.refuse(letter, fault.reason, fault.error)
    return good


def _report(tried: Tried, *, dry_run: bool, as_json: bool) -> None:
    from monitor.cli.rendering.escape import visible

    left = tried.unreadable.total()
    if as_json:
        known = {"readable": tried.readable, "sent": 0 if dry_run else tried.readable, "unreadable": left}
        typer.echo(json.dumps(known | {"reasons": dict(tried.unreadable), "examples": tried.examples}))
        return
    done = "can be read now" if dry_run else "can be read now and were sent to their topic again"
    typer.echo(f"{tried.readable:,} records {done}; {left:,} still cannot be read")
    for reason, count in tried.unreadable.most_common():
        typer.echo(f"  {count:,} {reason}, for example {visible(tried.examples[reason])}")
