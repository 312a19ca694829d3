"""The README's sequence on a real machine: publish to Kafka, watch from a cold start, find the failures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.config.durations import parse_time
from tests.integration.broker import KafkaBroker

ROOT = Path(__file__).parents[2]
NAB = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data")) / "nab"
FILE = "realKnownCause/machine_temperature_system_failure.csv"


def watchkeeper(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_a_cold_start_finds_the_labelled_failures(kafka: KafkaBroker, tmp_path: Path) -> None:
    if not (NAB / FILE).is_file():
        pytest.skip(f"{NAB / FILE} is not there; set WATCHKEEPER_DATA to the folder that holds nab/")
    found = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    config = found[1].replace("127.0.0.1:9092", kafka.bootstrap_servers).replace('topic = "machines"', 'topic = "nab"')
    (tmp_path / "nab.toml").write_text(config, encoding="utf-8")
    servers = ("--bootstrap-servers", kafka.bootstrap_servers)

    watchkeeper(
        "publish", str(NAB / FILE), "--topic", "nab", "--time", "timestamp", "--key", "machine-1", *servers,
        folder=tmp_path,
    )  # fmt: skip
    totals = json.loads(watchkeeper("run", "nab.toml", "--until-end", "--json", folder=tmp_path).splitlines()[-1])
    alerts = json.loads(watchkeeper("alerts", "list", "--config", "nab.toml", "--json", folder=tmp_path))

    assert totals["records"] == totals["readings"] == 22695
    opened = [parse_time(alert["opened_at"]) for alert in alerts]
    labelled = json.loads((NAB / "windows.json").read_text())[FILE]
    after_training = [tuple(map(parse_time, window)) for window in labelled][1:]
    assert all(any(begin <= at <= end for at in opened) for begin, end in after_training)
    assert len(opened) <= 20  # 79 days
