"""The product against its peers on one topic, each as its documentation shows it, in a venv of its own.

The product scores windows of 140 readings with hop 10, judges them and commits every score; a peer decodes, keeps
windows and computes their mean and standard deviation, without a model and without a database, which flatters it. Only
the naive loop does all that the product does; it needs no venv, as it has the product's libraries.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.rig import ROOT, Rig, environ
from tests.benchmarks.scale import scaled
from tests.integration.broker import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3600)]
ROUNDS = scaled(3)
STEPS = scaled(60_000, 2000)
STREAMS = 16
TIMEOUT_S = 600
HERE = Path(__file__).parent
VENVS = ROOT / ".bench"
PINS: dict[str, list[str]] = tomllib.loads((HERE / "pins.toml").read_text())
SHARE = {"faust": 4, "naive": 10}  # slow ones read a part of the topic


@pytest.fixture(scope="module")
def rig(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    made = Rig(tmp_path_factory.mktemp("peers"), kafka.bootstrap_servers, STREAMS)
    made.fill(STEPS)
    made.decode()  # the first group of a broker waits for it; not every peer has the patience
    return made


@pytest.mark.parametrize(
    ("peer", "script", "goals"),
    [
        ("quix", "with_quix.py", (10, 15, 20)),
        ("faust", "with_faust.py", (25, 35, 50)),
        ("faststream", "with_faststream.py", (4, 5, 7)),
        ("bytewax", "with_bytewax.py", (2.5, 3, 4)),
        ("river", "with_river.py", (2.5, 3, 4)),
        ("naive", "naive.py", (80, 100, 130)),
    ],
)
def test_ratio(rig: Rig, report: Report, peer: str, script: str, goals: tuple[float, ...]) -> None:
    python = interpreter(peer)
    records = rig.messages // SHARE.get(peer, 1)
    speeds: list[float] = []

    def theirs() -> float:
        speeds.append(run(python, script, rig, records))
        return speeds[-1]

    (ratio,) = ratios([theirs, lambda: float(rig.product()["rate"])], ROUNDS)
    detail: dict[str, float | str] = {"peer_readings_per_s": max(speeds), "versions": ", ".join(PINS.get(peer, []))}
    report.add(Figure(f"product / {peer}", round(ratio, 1), goals, "times", detail=detail))


def interpreter(peer: str) -> Path:
    """Of the peer's venv, which is made where it is missing or has other pins."""
    if peer not in PINS:
        return Path(sys.executable)
    folder, wanted = VENVS / peer, "\n".join(PINS[peer])
    python, marker = folder / "bin" / "python", folder / "pins"
    if not (marker.exists() and marker.read_text() == wanted):
        uv(peer, "venv", "--clear", "--python", sys.executable, str(folder))
        uv(peer, "pip", "install", "--python", str(python), *PINS[peer])
        marker.write_text(wanted)
    return python


def uv(peer: str, *arguments: str) -> None:
    """Skips where it fails."""
    command = [str(Path(sys.executable).parent / "uv"), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{peer} cannot be installed: {done.stderr.strip()[-500:]}")


def run(python: Path, script: str, rig: Rig, records: int) -> float:
    """Messages per second; skips where the peer cannot do it."""
    command = [str(python), str(HERE / "loops" / script), rig.servers, rig.topic, str(records)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, env=environ(), cwd=rig.folder
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{script} did not come to an end in {TIMEOUT_S} s")
    found = re.search(r'{"rate": (\d+)}', done.stdout)  # frameworks write there too
    if found is None:
        pytest.skip(f"{script} cannot run: {done.stderr.strip()[-500:]}")
    return float(found[1])
