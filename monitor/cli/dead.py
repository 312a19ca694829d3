"""`watchkeeper dead`: records that could not be read, and reading them again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.dead_retry import retry
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import Limit, RunName
from monitor.cli.parameters.database import Config, Url, store_url, utc
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.errors import SettingsError
from monitor.records.batches import LIVE
from monitor.records.escapes import visible
from monitor.records.excerpts import excerpt, hex_excerpt
from monitor.records.times import iso

if TYPE_CHECKING:
    from monitor.store.dead_letters import DeadRecord, DeadSummary

SHOWN = 4_000  # characters of a body, or half as many bytes

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command()(retry)


@app.callback()
def dead() -> None:
    """List records that could not be read, show one, and read them again under the present configuration."""


@app.command("list")
def list_(  # noqa: PLR0913 (one argument per option)
    config: Config = None,
    url: Url = None,
    *,
    run: RunName = LIVE,
    topic: Annotated[str | None, typer.Option(parser=bounds.name, help="Only those of this topic.")] = None,
    stream: Annotated[
        str | None, typer.Option(parser=bounds.text, help='Only those of this stream; "" = where it is not known.')
    ] = None,
    reason: Annotated[str | None, typer.Option(parser=bounds.name, help="Only those of this reason.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """How many records of which topic, stream and reason could not be read, and an example of each."""
    from monitor.store.dead_letters import Chosen, open_dead_letters

    letters = open_dead_letters(store_url(config, url))
    try:
        found = letters.summaries(Chosen(run=run, topic=topic, stream=stream, reason=reason), limit + 1)
    finally:
        letters.close()
    if not found:
        refuse_unknown(config, url, Narrowed(run))
    if len(found) > limit:
        found.pop()
        echo(f"There are more than these {limit} kinds; --limit N shows more.", err=True)
    if as_json:
        echo_json([_fields(summary) for summary in found], indent=2)
    elif found:
        _print(found)
    else:
        echo(f"No record of run {run} is kept that could not be read" + (", of these." if topic else "."))


@app.command()
def show(
    topic: Annotated[
        str, typer.Argument(parser=bounds.text, help="The topic; of a replay of a file, the file's name.")
    ],
    partition: Annotated[int, typer.Argument(parser=bounds.PARTITION, help="The partition.")],
    offset: Annotated[
        int, typer.Argument(parser=bounds.OFFSET, help="The record's offset; of a file, the row, counted from 0.")
    ],
    config: Config = None,
    url: Url = None,
    *,
    run: RunName = LIVE,
    as_json: Json = False,
) -> None:
    """One record that could not be read: why, its key, and its body as far as it was kept."""
    from monitor.store.dead_letters import open_dead_letters

    letters = open_dead_letters(store_url(config, url))
    try:
        found = letters.find(run, topic, partition, offset)
    finally:
        letters.close()
    if found is None:
        raise SettingsError(
            f"run {run} has no dead letter of topic {topic}, partition {partition}, offset {offset}; "
            "`watchkeeper dead list` shows which topics have any"
        )
    facts = _detail(found)
    if as_json:
        echo_json(facts, indent=2)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        echo(f"{name:<{width}}  {'' if value is None else value}")


def _fields(summary: DeadSummary) -> dict[str, Any]:
    return asdict(summary) | {"first": iso(summary.first), "last": iso(summary.last)}


def _print(found: list[DeadSummary]) -> None:
    from monitor.cli.rendering.alert_table import FittedTable

    columns = {
        "topic": [summary.topic for summary in found],
        "stream": [summary.stream or "not known" for summary in found],
        "reason": [summary.reason for summary in found],
        "records": [f"{summary.count:,}" for summary in found],
        "sent again": [f"{summary.retried:,}" for summary in found],
        "first (UTC)": [utc(summary.first) for summary in found],
        "last (UTC)": [utc(summary.last) for summary in found],
    }
    if not any(summary.retried for summary in found):
        del columns["sent again"]
    expendable = [name for name in ("first (UTC)", "topic", "sent again", "last (UTC)") if name in columns]
    terminal().print(FittedTable(columns, expendable, title="Records that could not be read"))
    newest = {summary.reason: summary for summary in sorted(found, key=lambda each: each.last)}
    for reason, summary in sorted(newest.items()):
        place = f"{summary.topic} {summary.partition} {summary.offset}"
        terminal().print(visible(f"{reason}, for example {place}: {summary.example}"))


def _detail(letter: DeadRecord) -> dict[str, Any]:
    body = letter.body or b""
    cut = f", of which {len(body):,} bytes were kept" if letter.cut else ""
    return {
        "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "stream": letter.stream or None, "reason": letter.reason, "error": letter.error,
        "sent": None if letter.time is None else iso(letter.time), "recorded": iso(letter.recorded),
        "sent again": None if letter.retried is None else iso(letter.retried),
        "key": None if letter.key is None else _readable(letter.key),
        "size": f"{letter.size:,} bytes{cut}", "body": None if letter.body is None else _readable(body),
    }  # fmt: skip


def _readable(data: bytes) -> str:
    """Text where most of it is text, else hexadecimal digits; never more than fits a screen or two."""
    text = data[:SHOWN].decode("utf-8", "replace")
    printable = sum(char.isprintable() and char != "\ufffd" for char in text)
    return excerpt(data, SHOWN) if printable > len(text) / 2 else f"hex {hex_excerpt(data, SHOWN // 3)}"
