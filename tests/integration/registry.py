"""A real schema registry for the test session: Apicurio, which answers as Confluent's does; Maven fetches it once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSION = "3.0.9"  # the newest one for Java 17
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "watchkeeper" / f"apicurio-{VERSION}"
JAR = f"apicurio-registry-app-{VERSION}-runner.jar"


def _fetch() -> Path:
    """The program; skips where it cannot be had."""
    if (CACHE / JAR).exists():
        return CACHE / JAR
    if (maven := shutil.which("mvn")) is None:
        pytest.skip("no schema registry here: mvn not found")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as fresh:
        goal = ["dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={fresh}"]
        done = subprocess.run([maven, "--quiet", "--batch-mode", *goal], capture_output=True, text=True, check=False)
        packed = next(Path(fresh).glob("*.tar.gz"), None)
        if done.returncode or packed is None:
            pytest.skip(f"no schema registry here: Maven cannot fetch {ARTIFACT}: {done.stdout[-300:]}")
        with tarfile.open(packed) as archive:
            archive.extractall(f"{fresh}/app", filter="data")
        shutil.copytree(f"{fresh}/app", CACHE, dirs_exist_ok=True)
    return CACHE / JAR


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/subjects", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def schema_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of its Confluent-compatible API on a free port; it keeps schemas in memory."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("no schema registry here: java not found")
    program, folder = _fetch(), tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={folder}"]
    options += ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}", "-Dquarkus.log.level=WARN"]
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([java, *options, "-jar", program], cwd=folder, stdout=log, stderr=log)
    url, deadline = f"http://127.0.0.1:{port}/apis/ccompat/v7", time.monotonic() + 90
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(f"the schema registry did not start: {(folder / 'registry.log').read_text()[-2000:]}")
        time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(20)
