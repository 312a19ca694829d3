"""A PostgreSQL of its own for the test session: a cluster in a temporary folder, on a free port of the loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest


class PostgresServer:
    """A cluster that can be killed and started again, and gives out empty databases."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "data"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        subprocess.run(
            [
                *_as_postgres(),
                binaries / "initdb",
                "-D",
                self._data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "-N",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
        )

    def database(self, encoding: str = "UTF8") -> str:
        """URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        other = "" if encoding == "UTF8" else f" ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        self._sql(f"CREATE DATABASE {name}{other}")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{name}"

    def start(self) -> None:
        """Start the server and wait until it answers; after a kill, also until the old one's children are gone."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._launch()
            try:
                self._sql("SELECT 1")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
            else:
                return
        log = (self._folder / "log").read_text(errors="replace")
        raise RuntimeError(f"PostgreSQL does not start:\n{log[-2000:]}")

    def kill(self) -> None:
        """kill -9: connections break in the middle of what they do."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once: the folder is thrown away, so nothing needs writing out."""
        self._end(signal.SIGQUIT)

    def _launch(self) -> None:
        settings = ("listen_addresses=127.0.0.1", "max_connections=200", f"unix_socket_directories={self._folder}")
        command = [*_as_postgres(), str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for setting in settings:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def _sql(self, statement: str) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", "-d", "postgres"]
        subprocess.run(
            [self._binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-c", statement],
            check=True,
            capture_output=True,
            cwd=self._folder,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server. A test that kills it starts it again."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql/*/bin")
    # Short: the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-pg-", dir=_memory()))
    server = PostgresServer(binaries, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """URL of an empty database for this test alone."""
    return postgres.database()


def _binaries() -> Path | None:
    """The folder with initdb and postgres, of the newest version."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _memory() -> str | None:
    """A folder in memory where there is room for one: a killed server loses no more there than on a disk."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 4 * 2**30
    return str(shared) if roomy else None


def _as_postgres() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
