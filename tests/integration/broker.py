"""A real Apache Kafka for the test session, from the script that `make kafka` runs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from monitor.config.services import Kafka
from monitor.sources.kafka_client import ensure_topic, wait_for_broker

_SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka" / "kafka.py"
_NUMBERS = count(1)


def load_script() -> Any:
    """The module `deploy/kafka/kafka.py`, which is no part of any package."""
    name = "kafka_node"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class KafkaBroker:
    """A running broker. Tests share it: each uses topics and groups of its own, and leaves it running."""

    def __init__(self, node: Any) -> None:
        self._node = node

    @property
    def bootstrap_servers(self) -> str:
        """The same before and after a restart."""
        return str(self._node.bootstrap_servers)

    def settings(self, **options: str | int | float | bool) -> Kafka:
        """Settings of a group that nobody else uses, with short timeouts."""
        short: dict[str, str | int | float | bool] = {
            "session.timeout.ms": 3000,
            "heartbeat.interval.ms": 300,
            "topic.metadata.refresh.interval.ms": 500,
            "reconnect.backoff.max.ms": 500,
        }
        return Kafka(
            bootstrap_servers=self.bootstrap_servers, group=f"group-{os.getpid()}-{next(_NUMBERS)}",
            options=short | options,
        )  # fmt: skip

    def topic(self, partitions: int = 1) -> str:
        """A new topic."""
        name = f"topic-{os.getpid()}-{next(_NUMBERS)}"
        ensure_topic(Kafka(bootstrap_servers=self.bootstrap_servers), name, partitions)
        return name

    def add_partitions(self, topic: str, total: int) -> None:
        """Let a topic grow."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        admin.create_partitions([NewPartitions(topic, total)])[topic].result(20)

    def kill(self) -> None:
        """Kill -9."""
        self._node.kill()

    def restart(self) -> None:
        """Start again on the same port and data, and wait until it answers."""
        self._node.restart()
        wait_for_broker(Kafka(bootstrap_servers=self.bootstrap_servers), 60)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A real one-node Kafka; skips where Java (or, with an empty cache, Maven) is absent."""
    script = load_script()
    if missing := script.missing():
        pytest.skip(f"no real Kafka here: {missing}")
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # starts in half the time
    folder = tmp_path_factory.mktemp("kafka")
    node = script.start(data=folder)
    wait_for_broker(Kafka(bootstrap_servers=node.bootstrap_servers), 60)
    yield KafkaBroker(node)
    node.stop()
    shutil.rmtree(folder, ignore_errors=True)
