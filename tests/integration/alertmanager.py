"""A real Prometheus Alertmanager on this machine, in a temporary folder, alone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

CONFIG = """\
route: {receiver: nowhere}
receivers: [{name: nowhere}]
"""


def binary() -> str:
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None:
        pytest.skip("no Alertmanager: apt-get install prometheus-alertmanager")
    return found


class Running:
    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are active."""
        with urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextmanager
def alertmanager(folder: Path) -> Iterator[Running]:
    program = binary()
    (folder / "am.yml").write_text(CONFIG)
    for _ in range(5):  # the port may be taken between the look and the start
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with (folder / "am.log").open("ab") as log:
            arguments = [
                program, f"--config.file={folder}/am.yml", f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ]  # fmt: skip
            process = subprocess.Popen(arguments, stdout=log, stderr=log)
        try:
            if _ready(f"http://127.0.0.1:{port}", process):
                yield Running(f"http://127.0.0.1:{port}")
                return
        finally:
            process.terminate()
            process.wait(30)
    pytest.fail(f"Alertmanager did not start: {(folder / 'am.log').read_text()}")


def _ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(f"{url}/-/ready", timeout=5):
            return True
        time.sleep(0.1)
    return False
