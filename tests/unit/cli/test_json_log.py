"""`run --json`: each line of standard error is an entry, also where the run ends with an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = '[families.f]\ntopic = "t"\ninterval = "10s"\nwindow.length = 8\n[store]\nurl = "{url}"\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CONFIG.format(url="postgresql://wk@127.0.0.1:1/x"), 4),
        (CONFIG.format(url="sqlite:///no/such/folder/w.db"), 4),
        ("[families.f]\ntopic = 7\n", 2),
        ("no toml", 2),
    ],
)
def test_an_error_that_ends_it_is_an_entry(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "w.toml").write_text(text)
    command = [sys.executable, "-m", "monitor", "run", str(tmp_path / "w.toml"), "--until-end", "--json"]

    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert found.returncode == code
    *_, last = [json.loads(line) for line in found.stderr.splitlines()]
    assert (last["event"], last["exit_code"], last["level"]) == ("ended_with_error", code, "error")
    assert last["error"]
