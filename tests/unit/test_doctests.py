"""Every example in a docstring runs, and importing a module does nothing else."""

from __future__ import annotations

import doctest
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import models
import monitor

EXTRAS = {"torch", "onnx", "psycopg", "attr", "authlib", "cachetools", "fastavro", "google", "httpx2", "jsonschema"}
NOT_TO_IMPORT = ("monitor.__main__", "monitor.store.migrations.env", "monitor.store.migrations.versions.")  # scripts
MODULES = [
    module.name
    for package in (monitor, models)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.startswith(NOT_TO_IMPORT)
]
EXAMPLES = [
    name
    for name in ("monitor", "models", *MODULES)
    if ">>> " in Path(str(importlib.util.find_spec(name).origin)).read_text("utf-8")  # type: ignore[union-attr]
]
WITH_ONE = {  # what a stranger reads first: each of these has an example
    "models",
    "models.artefacts.scores",
    "monitor.pipeline.alerting.anomaly_alerts",
    "monitor.pipeline.alignment.aligner",
    "monitor.pipeline.scoring.false_alarms",
    "monitor.pipeline.thresholds.conformal",
    "monitor.pipeline.thresholds.mad",
    "monitor.pipeline.thresholds.pot",
    "monitor.pipeline.thresholds.quantile",
    "monitor.pipeline.thresholds.rolling",
    "monitor.pipeline.thresholds.static",
    "monitor.pipeline.windowing.sliding",
    "monitor.sources.formats.json_messages",
}
# Network, processes and files that are written end this process with an error: once libraries have had their turn.
IMPORT_ALL = """
import importlib, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename"):
        raise RuntimeError(f"{event} {arguments}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError(f"{event} {arguments}")

sys.dont_write_bytecode = True
for name in sys.argv[1:]:
    importlib.import_module(name)
for name in [name for name in sys.modules if name.partition(".")[0] in ("monitor", "models")]:
    del sys.modules[name]
sys.addaudithook(refuse)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_in_docstrings_run(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise
        pytest.skip(f"{error.name} is not installed; it comes with an extra of watchkeeper")
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_examples_of_the_python_page_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "python.md"
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted > 20
    assert results.failed == 0


def test_what_a_stranger_reads_first_has_an_example() -> None:
    assert set(EXAMPLES) >= WITH_ONE


def test_importing_a_module_does_nothing_else() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORT_ALL, *MODULES], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
