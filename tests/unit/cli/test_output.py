"""Commands print through one door, behind which nothing steers a terminal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import monitor.cli

FOLDER = Path(monitor.cli.__file__).parent
DOORS = {"rendering/output.py", "rendering/escaped_console.py", "app.py"}
COMMANDS = [path for path in FOLDER.rglob("*.py") if path.relative_to(FOLDER).as_posix() not in DOORS]
CLOSED = {"print", "typer.echo", "typer.secho", "Console", "json.dumps", "sys.stdout.write", "sys.stderr.write"}


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_command_prints_past_the_door(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert [f"line {call.lineno}" for call in calls if ast.unparse(call.func) in CLOSED] == []
