"""A real one-node Apache Kafka on this machine: KRaft, loopback only, records in a folder that outlives it.

    python deploy/kafka/kafka.py [--port 9092] [--data kafka-data]     runs until Ctrl-C

Needs Java 17 and, the first time, Maven, which fetches the jars of `pom.xml` into a cache.
Tests and scripts call `start`.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VERSION = "4.1.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "watchkeeper" / f"kafka-{VERSION}"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log}
auto.create.topics.enable=false
log.retention.ms=-1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
"""


class KafkaNodeError(Exception):
    """The broker cannot be fetched or started; the message says why."""


@dataclass(slots=True)
class Node:
    """A running broker. `data` holds its records, its settings and its log (`server.log`)."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        return self.process.pid

    def stop(self, timeout: float = 30) -> None:
        """Shut down in order; by force where that takes longer than `timeout` seconds."""
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill -9: what a power cut looks like to the clients."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start again on the same port and data, after `stop` or `kill`."""
        self.process = start(self.port, self.data).process


def start(port: int = 0, data: Path | None = None, cache: Path = CACHE, timeout: float = 60) -> Node:
    """Run a broker and return when it answers. Port 0 = a free one; no `data` = a new temporary folder."""
    jars = fetch(cache)
    java = _tool("java")
    data = (Path(tempfile.mkdtemp(prefix="kafka-")) if data is None else data).resolve()
    data.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    if _answers(port):
        raise KafkaNodeError(f"port {port} of 127.0.0.1 is taken; choose another one")
    config = data / "server.properties"
    log = data / "log"
    config.write_text(PROPERTIES.format(port=port, controller=_free_port(), log=log), encoding="utf-8")
    command = [java, "-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN", "-cp", f"{jars}/*"]
    if not (log / "meta.properties").exists():
        _run(
            [*command, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config)], "format its folder"
        )
    with (data / "server.log").open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (our own arguments)
            [*command, "kafka.Kafka", str(config)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    node = Node(process, port, data)
    _wait(node, timeout)
    return node


def fetch(cache: Path = CACHE) -> Path:
    """The folder of Kafka's jars; Maven fills it the first time."""
    if not (cache / f"kafka_2.13-{VERSION}.jar").exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as fresh:
            pom = Path(__file__).with_name("pom.xml")
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
            _run([_tool("mvn"), "--quiet", "--batch-mode", f"--file={pom}", *goal], "be fetched")
            shutil.copytree(fresh, cache, dirs_exist_ok=True)
    return cache


def missing() -> str:
    """What keeps a broker from running here, or "" when nothing does."""
    tools = ["java"] if (CACHE / f"kafka_2.13-{VERSION}.jar").exists() else ["java", "mvn"]
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"{' and '.join(absent)} not found" if absent else ""


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise KafkaNodeError(f"{name} was not found; install Java 17 and Maven (Debian: default-jre-headless, maven)")
    return path


def _run(command: Sequence[str], purpose: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
    if done.returncode:
        raise KafkaNodeError(f"Kafka could not {purpose}:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cluster_id() -> str:
    """A random id as Kafka writes them; one that begins with a dash would be taken for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(node: Node, timeout: float) -> None:
    """Return when the broker accepts connections, which it does once it can serve them."""
    deadline = time.monotonic() + timeout
    while True:
        if node.process.poll() is not None:
            tail = (node.data / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise KafkaNodeError(f"Kafka ended with code {node.process.returncode}:\n{tail}")
        if _answers(node.port):
            return
        if time.monotonic() > deadline:
            node.kill()
            raise KafkaNodeError(f"Kafka did not answer within {timeout:g} s; see {node.data / 'server.log'}")
        time.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run in the foreground until Ctrl-C, SIGTERM, or the broker's end."""
    parser = argparse.ArgumentParser(description="Run a one-node Apache Kafka on this machine until Ctrl-C.")
    parser.add_argument("--port", type=int, default=9092, help="port on 127.0.0.1 (default 9092; 0 = a free one)")
    parser.add_argument("--data", type=Path, default=Path("kafka-data"), help="folder for the records")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        node = start(options.port, options.data)
    except KafkaNodeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Kafka {VERSION} at {node.bootstrap_servers}, records in {node.data}; Ctrl-C stops it\n")
    sys.stdout.flush()
    try:
        return node.process.wait()
    except KeyboardInterrupt:
        node.stop()
        return 0


if __name__ == "__main__":
    sys.exit(main())
