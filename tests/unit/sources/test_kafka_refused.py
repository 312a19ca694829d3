"""Which errors of the Kafka client speak of records, and which of the cluster."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from monitor.sources.kafka_records import Message
from monitor.sources.kafka_refused import TRIES, Failures


class Failed:
    """A message that brings an error."""

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


def tries(code: int) -> list[bool]:
    found = Failures()
    return [found.at_record(cast("Message", Failed()), cast("Any", KafkaError)(code)) for _ in range(TRIES)]


@pytest.mark.parametrize("code", [KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.MSG_SIZE_TOO_LARGE])
def test_a_record_that_fails_each_time_is_refused(code: int) -> None:
    assert tries(code) == [False] * (TRIES - 1) + [True]


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN, KafkaError._TRANSPORT, KafkaError.KAFKA_STORAGE_ERROR, KafkaError.UNKNOWN_TOPIC_ID]
)
def test_an_error_of_the_cluster_is_no_record_s(code: int) -> None:
    assert not any(tries(code))
