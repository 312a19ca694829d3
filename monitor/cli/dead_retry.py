"""`watchkeeper dead retry`: decode kept records again, and send those that can be read now to their topic once more.

A record that is sent again is a new record: the workers read and account for it like any other, so nothing is written
beside them. It is sent before its dead letter is marked: a retry that is killed in between may be repeated, and its
record then counts as a duplicate (where readings are put on a grid).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from monitor.cli.parameters import bounds
from monitor.cli.rendering.output import echo, echo_json
from monitor.config.settings import Settings, load
from monitor.errors import NOT_ALL_JUDGED, SettingsError
from monitor.records.batches import LIVE
from monitor.records.dead_counts import DeadCounts
from monitor.records.streams import StreamIndex

if TYPE_CHECKING:
    from monitor.sources.decode import Decoder
    from monitor.store.dead_letters import DeadRecord

CUT = "cut"  # why a record cannot be tried: not all of it was kept
NO_FAMILY = "no-family"


def _refuse(left: DeadCounts, letter: DeadRecord, reason: str, error: str) -> None:
    left.note(reason, f"{letter.topic}, partition {letter.partition}, offset {letter.offset}: {error}")


def retry(
    config: Annotated[Path, typer.Argument(parser=bounds.path, help="The TOML file, with the format as it should be.")],
    *,
    topic: Annotated[str | None, typer.Option(parser=bounds.name, help="Only those of this topic.")] = None,
    stream: Annotated[str | None, typer.Option(parser=bounds.text, help="Only those of this stream.")] = None,
    reason: Annotated[str | None, typer.Option(parser=bounds.name, help="Only those of this reason.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what could be read now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send kept records that can be read now to their topic again; restart the workers with this configuration first.

    Records behind their stream's clock count as late there: `watchkeeper late rescore` scores them after all.
    """
    from monitor.sources.kafka_resend import Resender
    from monitor.store.dead_letters import Chosen, open_dead_letters

    settings, left, readable = load(config), DeadCounts(), 0
    decoders = _decoders(settings)
    if settings.kafka.bootstrap_servers == "embedded" and not dry_run:
        raise SettingsError(
            "kafka.bootstrap_servers: give the address that the worker printed, or that of a real Kafka"
        )
    sender = None if dry_run else Resender(settings.kafka)
    letters = open_dead_letters(settings.store.url)
    try:
        for page in letters.waiting(Chosen(run=LIVE, topic=topic, stream=stream, reason=reason)):
            good = _readable(page, decoders, left)
            readable += len(good)
            if sender is not None and good:
                sender.send(good)
                letters.mark_retried(LIVE, good, time.time_ns())
    finally:
        letters.close()
    _report(readable, left, dry_run=dry_run, as_json=as_json)
    if left.total:
        raise typer.Exit(NOT_ALL_JUDGED)


def _decoders(settings: Settings) -> dict[str, tuple[str, Decoder]]:
    from monitor import bootstrap

    return bootstrap.decoders(settings, {name: StreamIndex() for name in settings.families})


def _readable(
    page: Sequence[DeadRecord], decoders: Mapping[str, tuple[str, Decoder]], left: DeadCounts
) -> list[DeadRecord]:
    """Those that can be read now; `left` counts the others."""
    good = []
    for topic in dict.fromkeys(letter.topic for letter in page):
        chosen = []
        for letter in (letter for letter in page if letter.topic == topic):
            if topic not in decoders:
                _refuse(left, letter, NO_FAMILY, "no family of the configuration reads this topic")
            elif letter.cut:
                _refuse(left, letter, CUT, f"only {len(letter.body or b''):,} of its {letter.size:,} bytes were kept")
            else:
                chosen.append(letter)
        if chosen:
            good += _decoded(chosen, decoders[topic][1], left)
    return good


def _decoded(letters: Sequence[DeadRecord], decoder: Decoder, left: DeadCounts) -> list[DeadRecord]:
    from monitor.sources.decode import Records
    from monitor.sources.unfinished import decode_all

    stamps = [-1 if letter.time is None else letter.time // 10**6 for letter in letters]
    records = Records(
        letters[0].topic, [letter.key for letter in letters], [letter.body for letter in letters],
        np.array([letter.partition for letter in letters], np.int32),
        np.array([letter.offset for letter in letters], np.int64), lambda: stamps,
    )  # fmt: skip
    _, dead = decode_all(decoder, records)
    still = {(fault.partition, fault.offset): fault for fault in dead}
    good = []
    for letter in letters:
        if (fault := still.get((letter.partition, letter.offset))) is None:
            good.append(letter)
        else:
            _refuse(left, letter, fault.reason, fault.error)
    return good


def _report(readable: int, left: DeadCounts, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        known = {"readable": readable, "sent": 0 if dry_run else readable, "unreadable": left.total}
        echo_json(known | {"reasons": dict(left.reasons), "examples": left.examples})
        return
    done = "can be read now" if dry_run else "can be read now and were sent to their topic again"
    echo(f"{readable:,} records {done}; {left.total:,} still cannot be read")
    for line in left.lines():
        echo(f"  {line}")
