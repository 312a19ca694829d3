"""`watchkeeper dead`: what is said of records that could not be read, and which can be read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import dead as command
from monitor.errors import NOT_ALL_JUDGED, SettingsError
from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter
from monitor.records.dead_letters import BODY_LIMIT
from monitor.store.dead_letters import Chosen, open_dead_letters
from monitor.store.sql import SqlStore, open_store

SECOND = 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/w.db"


@pytest.fixture
def store(url: str) -> SqlStore:
    return open_store(url)


def letter(offset: int, body: bytes = b'{"time": 1, "temp": 2}', **more: Any) -> DeadLetter:
    known: dict[str, Any] = {
        "reason": "missing-value",
        "error": "the field value is missing",
        "stream": "m-1",
        "key": b"m-1",
    }
    return DeadLetter(partition=0, offset=offset, body=body, **({"topic": "plant"} | known | more))


def keep(store: SqlStore, *letters: DeadLetter, run: str = "live") -> None:
    store.commit(Commit(run, dead=list(letters)))


def call(*arguments: str, code: int = 0, width: int = 200) -> str:
    result = CliRunner().invoke(command.app, list(arguments), env={"COLUMNS": str(width)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code
    return result.stdout


def config(tmp_path: Path, url: str, value: str = "temp") -> str:
    path = tmp_path / "w.toml"
    path.write_text(
        f'[store]\nurl = "{url}"\n[families.machines]\ntopic = "plant"\ninterval = "10s"\nwindow = {{ length = 8 }}\n'
        f'channels = ["celsius"]\nformat = {{ values = ["{value}"], time_unit = "s" }}\n'
    )
    return str(path)


def test_kinds_are_listed_with_their_number_and_an_example(store: SqlStore, url: str) -> None:
    keep(store, *(letter(offset) for offset in range(30)), letter(30, reason="json", error="broken \x1b[2J"))
    keep(store, letter(31, stream="", reason="utf8", error="no text"), letter(40, error="newest"))
    keep(store, letter(0), run="past")
    found = json.loads(call("list", "--url", url, "--json"))
    assert [(row["stream"], row["reason"], row["count"]) for row in found] == [
        ("m-1", "missing-value", 31), ("", "utf8", 1), ("m-1", "json", 1),
    ]  # fmt: skip
    assert (found[0]["example"], found[0]["retried"]) == ("newest", 0)
    text = call("list", "--url", url)
    assert "broken \\x1b[2J" in text
    assert "not known" in text
    only = json.loads(call("list", "--url", url, "--json", "--stream", "", "--topic", "plant"))
    assert [row["reason"] for row in only] == ["utf8"]
    assert json.loads(call("list", "--url", url, "--json", "--run", "past"))[0]["count"] == 1
    assert call("list", "--url", url, "--topic", "other").startswith("No record of run live")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_list_fits_the_terminal(store: SqlStore, url: str, width: int) -> None:
    keep(store, letter(1, error="the field value is missing; the body has " + "temperature, " * 9))
    lines = call("list", "--url", url, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("m-1" in line and "missing-value" in line and "1" in line for line in lines)


def test_one_is_shown_whole_but_bounded_and_harmless(store: SqlStore, url: str) -> None:
    keep(store, letter(7, b'{"a": "\x1b[2J"}', time=5 * SECOND, key=(42).to_bytes(8, "big")))
    keep(store, letter(8, b"\xff\x00" * 50_000), letter(9, b"x" * 70_000))
    text = call("show", "plant", "0", "7", "--url", url)
    assert '{"a": "\\x1b[2J"}' in text
    assert "hex 00 00 00 00 00 00 00 2a" in text
    assert "1970-01-01T00:00:05Z" in text
    binary = json.loads(call("show", "plant", "0", "8", "--url", url, "--json"))
    assert binary["body"].startswith("hex ff 00 ff 00")
    assert len(binary["body"]) < 5_000
    assert binary["size"] == "100,000 bytes, of which 65,536 bytes were kept"
    assert len(json.loads(call("show", "plant", "0", "9", "--url", url, "--json"))["body"]) == 4_000
    with pytest.raises(SettingsError, match="no dead letter of topic plant, partition 1"):
        call("show", "plant", "1", "7", "--url", url)


def test_a_dry_run_says_what_could_be_read_now_and_changes_nothing(store: SqlStore, url: str, tmp_path: Path) -> None:
    keep(store, letter(1), letter(2), letter(3, b"{"), letter(4, b'{"time": 1, "temp": 2}' + b" " * BODY_LIMIT))
    keep(store, letter(5, topic="elsewhere"))
    found = json.loads(call("retry", config(tmp_path, url), "--dry-run", "--json", code=NOT_ALL_JUDGED))
    assert (found["readable"], found["sent"], found["unreadable"]) == (2, 0, 3)
    assert found["reasons"] == {"json": 1, "cut": 1, "no-family": 1}
    assert "65,558 bytes" in found["examples"]["cut"]
    text = call("retry", config(tmp_path, url), "--dry-run", "--reason", "missing-value", code=NOT_ALL_JUDGED)
    assert text.startswith("2 records can be read now; 3 still cannot be read")
    letters = open_dead_letters(url)
    assert sum(len(page) for page in letters.waiting(Chosen())) == 5
    letters.close()


def test_the_embedded_broker_cannot_be_sent_to(store: SqlStore, url: str, tmp_path: Path) -> None:
    path = Path(config(tmp_path, url))
    path.write_text('[kafka]\nbootstrap_servers = "embedded"\n' + path.read_text())
    with pytest.raises(SettingsError, match="the address that the worker printed"):
        call("retry", str(path))
