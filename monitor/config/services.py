"""The tables of the services around the pipeline: broker and database."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from monitor.config.addresses import EMBEDDED, broker_problem
from monitor.config.durations import Duration
from monitor.config.names import name_of
from monitor.config.secrets import ESCAPED, hidden, is_unclear, secret_options, shown_url
from monitor.config.sections import Section

POLL_INTERVAL_MS = 300_000  # librdkafka's default for max.poll.interval.ms


class Kafka(Section):
    """The broker. `options` go to librdkafka as they are; `on_gap`: what to do when unread records are gone."""

    bootstrap_servers: str = EMBEDDED
    group: Annotated[str, name_of("consumer group")] = "watchkeeper"  # librdkafka ends the process over an empty one
    options: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    embedded_port: int = Field(default=0, ge=0, le=65535)
    on_gap: Literal["fail", "record"] = "fail"

    @property
    def poll_interval(self) -> float:
        """Seconds after which a group gives up a member that does not poll."""
        return float(self.options.get("max.poll.interval.ms", POLL_INTERVAL_MS)) / 1e3

    def hide(self, text: str) -> str:
        """A text of librdkafka, without what is secret in the options."""
        return hidden(text, secret_options(self.options))

    @property
    def protocol(self) -> object:
        """How brokers are spoken to, as librdkafka names it."""
        return self.options.get("security.protocol", "plaintext")

    @field_validator("options")
    @classmethod
    def _whole_milliseconds(cls, options: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        value = options.get("max.poll.interval.ms", POLL_INTERVAL_MS)
        if isinstance(value, bool) or not re.fullmatch("[1-9][0-9]{0,7}", str(value)):
            raise ValueError(f"max.poll.interval.ms = {value!r}: write whole milliseconds, from 1 to 86400000")
        if not str(options.get("client.id", "")).isprintable():
            raise ValueError("client.id holds characters that cannot be printed; leave them out")
        return options

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, servers: str) -> str:
        if problem := broker_problem(servers):
            raise ValueError(problem)
        return servers


class Store(Section):
    """SQL. The URL is SQLAlchemy's; a password belongs into `WATCHKEEPER__STORE__URL`, not into the file."""

    url: str = Field(default="sqlite:///watchkeeper.db", repr=False)
    commit_interval: Duration = 10**9
    scores: Literal["all", "anomalies", "rollup"] = "all"

    @property
    def shown_url(self) -> str:
        """The URL without its password and query, for screens and logs."""
        return shown_url(self.url)

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("write sqlite:///FILE or postgresql://USER@HOST/DATABASE")  # never repeats a password
        if is_unclear(url):
            raise ValueError(f"it is not clear where its password ends; {ESCAPED}")
        return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url
