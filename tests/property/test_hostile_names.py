"""No name or text from outside steers a terminal: every command that shows one, the logs, and webhooks."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.cli.app import main
from monitor.config.families import Family
from monitor.notify.payload import MAX_BYTES, payload
from monitor.observability import logs
from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter, Gap, Readings
from monitor.records.escapes import UNSEEN, dumps, visible
from monitor.records.late import Late, LateBlock
from monitor.records.workers import OwnedPartition, WorkerReport
from monitor.store.alert_commands import open_alert_commands
from monitor.store.sql import open_store
from monitor.store.workers import open_heartbeats
from tests.store_rows import alert, command, evidence, fact, state, transition

UNSEEN_OF_ALL_KINDS = (
    "\x00\x07\x08\x1b\n\r\t\x7f\x80\x85\x9b\x9d\xad\u034f\u061c\u115f\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202e"
    "\u2060\u2066\u2069\u3164\ufe0f\ufeff\ufff9\udc80\udfff\U000e0001\U000e0041\U0001d173"
)
MARKUP = ("[red]", "[/]", "[link=http://x]", ":smile:", "\x1b]8;;http://x\x07", "\nFORGED line", "a", "ö", "€", " ")
text = st.lists(st.sampled_from([*UNSEEN_OF_ALL_KINDS, *MARKUP]), min_size=1, max_size=12).map("".join)
ALL = UNSEEN_OF_ALL_KINDS + "".join(MARKUP)
NOW = 1_700_000_000 * 10**9


def storable(name: str) -> str:
    """A name that a store takes."""
    return "n" + name.replace("\x00", "").encode("utf-8", "ignore").decode()


class Hostile:
    """A database in which everything that may be called by strangers is called `name`, and says `said`."""

    def __init__(self, folder: str, name: str, said: str) -> None:
        self.url, self.name, self.said = f"sqlite:///{folder}/w.db", storable(name), said
        with closing(open_store(self.url)) as store:
            (stream,) = store.open_streams("live", self.name, [self.name])
            family = Family.model_validate(
                {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}}
            )
            store.note_settings("live", self.name, family.noted())
            epoch = store.take("live", [(self.name, 0)])[self.name, 0].epoch
            opened = replace(alert(stream=self.name, family=self.name), cause=said, channel=self.name, kind="silent")
            window = replace(evidence(opened), channels=(self.name, said), facts={said: 1.0}, components={said: 0.5})
            one = np.zeros(1, np.int64)
            readings = Readings(one.astype(np.int32), one, np.ones((1, 1), np.float32), one.astype(np.int32), one)
            late = LateBlock(self.name, [self.name], Late(readings, one + 7))
            body = said.encode("utf-8", "surrogatepass")
            letter = DeadLetter(
                topic=self.name, partition=0, offset=7, reason="bad-value", error=said, key=body, body=body, stream=name
            )
            gap = Gap(topic=self.name, partition=0, start=1, end=2, reason=said)
            store.commit(
                Commit(
                    "live", streams=[state(stream.id, b"")], facts=[fact(opened)], evidence=[window], late=[late],
                    dead=[letter], gaps=[gap], announce=lambda *_: [(self.name, "{}")],
                )
            )  # fmt: skip
            self.alert = str(opened.id)
        with closing(open_alert_commands(self.url, lambda *_: [])) as commands:
            commands.give(replace(command(opened, note=said), by=name))
        report = WorkerReport(
            id="7" * 32, run="live", host=self.name, pid=7, version="0", started=NOW, families={self.name: self.name},
            partitions=(OwnedPartition(self.name, 0, epoch, 5),), trainings=(self.name,),
        )  # fmt: skip
        with closing(open_heartbeats(self.url)) as heartbeats:
            heartbeats.beat(report)
            heartbeats.end(report.id, said)

    def commands(self) -> Iterator[list[str]]:
        yield ["alerts", "list"]
        yield ["alerts", "show", self.alert]
        yield ["alerts", "ack", self.alert, "--by", self.name]
        yield ["dead", "list"]
        yield ["dead", "show", self.name, "0", "7"]
        yield ["late", "list"]
        yield ["streams", "list"]
        yield ["streams", "show", self.name]
        yield ["status"]
        yield ["streams", "show", f"{self.name} not there"]  # an error that repeats it
        yield ["alerts", "list", "--run", self.name]
        yield ["streams", "retire", self.name]


def shown(arguments: list[str], url: str, width: int) -> str:
    return printed([*arguments, "--url", url], width)


def printed(arguments: list[str], width: int) -> str:
    """All that a command prints, on both outputs."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out), suppress(SystemExit):
        patch.setenv("COLUMNS", str(width))
        main(arguments)
    return out.getvalue()


def assert_tame(output: str) -> None:
    raw = {char for char in UNSEEN.findall(output) if char != "\n"}
    assert not raw, [hex(ord(char)) for char in raw]
    assert not [line for line in output.splitlines() if line.startswith("FORGED")], output
    assert "mistake in Watchkeeper" not in output, output


@settings(max_examples=4)
@example(ALL, ALL)
@given(text, text)
def test_every_command_that_shows_names_writes_them_out(name: str, said: str) -> None:
    with TemporaryDirectory() as folder:
        hostile = Hostile(folder, name, said)
        for arguments in hostile.commands():
            assert_tame(shown(arguments, hostile.url, 600))
            if arguments[:2] != ["streams", "retire"]:
                output = shown([*arguments, "--json"], hostile.url, 80)
                assert_tame(output)
        assert json.loads(shown(["alerts", "list", "--json"], hostile.url, 80))[0]["stream"] == hostile.name


@given(text)
def test_a_configuration_is_explained_without_them(name: str) -> None:
    with TemporaryDirectory() as folder:
        path, quoted = Path(folder) / "w.toml", json.dumps(storable(name))
        path.write_text(
            f'[families.{quoted}]\ntopic = {quoted}\ninterval = "10s"\nwindow.length = 8\nchannels = [{quoted}]\n'
            f"[[families.{quoted}.overrides]]\nstreams = {quoted}\nlimit = 2\n[notify.{quoted}]\nkind = {quoted}\n"
        )
        right = Path(folder) / "right.toml"
        right.write_text(path.read_text().rpartition("[notify")[0])
        for file in (path, right):
            for more in ([], ["--json"]):
                assert_tame(printed(["check", str(file), *more], 600))


@settings(max_examples=2)
@example("[red]" + UNSEEN_OF_ALL_KINDS)
@given(text)
def test_markup_is_text(name: str) -> None:
    with TemporaryDirectory() as folder:
        hostile = Hostile(folder, f"[red]{name}", "[link=http://x]:smile:")
        for arguments in hostile.commands():
            if arguments[-1] != hostile.name or arguments[1] == "show":
                output = shown(arguments, hostile.url, 800)
                assert "[red]" in output or "[link=http://x]:smile:" in output or "n[red]" in output, arguments


@pytest.mark.parametrize("as_json", [True, False])
@given(name=text, said=text)
def test_no_log_line_steers_a_terminal(as_json: bool, name: str, said: str) -> None:
    out = io.StringIO()
    logs.configure(json=as_json, stream=out)
    log = structlog.get_logger()
    log.info("alert_opened", stream=name, causes=[said, {name: said}], path=Path("a" + storable(name)))
    log.error("failed", exc_info=ValueError(said))
    logging.getLogger("library").warning("%s", said)
    lines = out.getvalue()
    assert_tame(lines)
    if as_json:
        found = [json.loads(line) for line in lines.split("\n") if line]
        assert (found[0]["stream"], found[0]["causes"]) == (name, [said, {name: said}])
        assert (found[2]["event"], found[2]["message"]) == ("library_log", said)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_warning_of_a_library_is_an_entry_once(as_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(json=as_json, stream=out)
        for _ in range(3):
            warnings.warn("invalid value \x1b[31m", RuntimeWarning, stacklevel=1)
    (line,) = out.getvalue().splitlines()
    assert_tame(line)
    assert "RuntimeWarning" in line
    assert "library_warning" in line
    assert capfd.readouterr() == ("", "")


@given(name=text, said=text)
def test_a_webhook_reads_as_it_was_written_and_holds_no_such_character(name: str, said: str) -> None:
    opened = replace(alert(), stream=name, cause=said)
    body = payload(opened, transition(opened, fact(opened)), None, UUID(int=1))
    assert not UNSEEN.search(body)
    assert json.loads(body)["data"]["stream"] == name.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("char", ["\U000e0041", "\u202e", "😀", "a"])
def test_a_message_of_the_longest_names_is_below_its_limit(char: str) -> None:
    long: dict[str, Any] = dict.fromkeys(("run", "family", "stream", "kind", "channel", "cause"), char * 2_000)
    opened = replace(alert(), **long, acknowledged_by=char * 2_000)
    change = replace(transition(opened, fact(opened)), actor=char * 2_000, note=char * 9_000)
    window = replace(evidence(opened), channels=(char * 900, char * 900))
    later = len(',"percentile_7d":100.00')  # added when it is sent
    assert len(payload(opened, change, window, UUID(int=1)).encode()) + later < MAX_BYTES


@given(text)
def test_json_is_lossless_and_visible_text_is_one_line(value: str) -> None:
    assert json.loads(dumps({value: [value]}, indent=2)) == {value: [value]}
    assert not UNSEEN.search(visible(value))
