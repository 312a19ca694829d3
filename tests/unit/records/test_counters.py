"""The counters of a stream are named in one place: what another one needs, and where their names stand."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import monitor
from monitor.records.counters import COUNTERS, GRID, HEALTH, NONE, READINGS, readings

ROOT = Path(monitor.__file__).parent
# One more counter, with the name, the column and the count that it needs, and nothing else.
ONE_MORE = """
import json, sys
import numpy as np
from monitor.records import counters
counters.HEALTH += ("made_up",)
counters.COUNTERS += ("made_up",)
counters.NONE += (0,)

from typer.testing import CliRunner
from monitor.cli.streams import app
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.thresholds.static import StaticThreshold
from monitor.ports.store import Commit
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex
from monitor.store import migrations, schema
from monitor.store.engine import connect
from monitor.store.memory import MemoryStore
from monitor.store.sql import open_store
from monitor.worker.streams import Streams

url = sys.argv[1]
migrations.upgrade(url)
with connect(url).writing() as connection:
    connection.exec_driver_sql("ALTER TABLE streams ADD COLUMN made_up BIGINT NOT NULL DEFAULT 0")
family = Family.model_validate({"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}})
one = np.zeros(1, np.int32)
readings = Readings(one, np.array([10**9]), np.ones((1, 1), np.float32), one, np.zeros(1, np.int64))
for store in (MemoryStore(), open_store(url)):
    index = StreamIndex()
    index.intern(["m-1"])
    streams = Streams(Pipeline("machines", family, index, plain(family, StaticThreshold(3.0)), "live"))
    streams.has_unloaded(readings)
    streams.load(readings, store, "live")
    streams.pipeline.process(readings)
    streams.pipeline._health.columns["made_up"][0] = 5
    streams.track(readings)
    store.commit(Commit("live", streams=streams.changes()))
    found = store.open_streams("live", "machines", ["m-1"])[0].counts
    found = {name: count for name, count in zip(counters.COUNTERS, found, strict=True) if count}
    assert found == {"accepted": 1, "made_up": 5}, found
shown = json.loads(CliRunner().invoke(app, ["list", "--json", "--url", url]).stdout)
assert shown[0]["made_up"] == 5, shown
assert "made up" in CliRunner().invoke(app, ["show", "m-1", "--url", url]).stdout
"""


def test_another_counter_needs_its_name_its_column_and_its_count(tmp_path: Path) -> None:
    """Workers, both kinds of stores, reports and the command line carry it without a change."""
    command = [sys.executable, "-c", ONE_MORE, f"sqlite:///{tmp_path}/w.db"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_no_other_module_lists_them() -> None:
    """A module may name the counters that it counts; a list of them, also in SQL, stands in `counters.py` only."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name != "records/counters.py" and not name.startswith("store/migrations/"):
            for node in ast.walk(ast.parse(path.read_text())):
                assert not _lists(node), f"{name}:{getattr(node, 'lineno', 0)} lists counters by name"


def _lists(node: ast.AST) -> bool:
    """Whether one expression has three counters or more: in a text, or in a tuple, list, dict or set of texts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and "SELECT" in node.value:
        return sum(counter in node.value for counter in COUNTERS) > 2
    if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
        items = node.keys if isinstance(node, ast.Dict) else node.elts
        return sum(isinstance(item, ast.Constant) and item.value in COUNTERS for item in items) > 2
    return False


def test_what_the_lists_promise() -> None:
    assert GRID[: len(READINGS)] == READINGS
    assert COUNTERS == GRID + HEALTH
    assert len(set(COUNTERS)) == len(COUNTERS) == len(NONE)
    assert readings(tuple(range(1, 1 + len(COUNTERS)))) == 1 + 2 + 3 + 4
