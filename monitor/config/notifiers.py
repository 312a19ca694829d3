"""The tables `[notify.NAME]`: where notifications are sent, a class for each kind of channel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from monitor.config.addresses import host_problem
from monitor.config.durations import Duration
from monitor.config.sections import Section


class Channel(Section):
    """What every kind of channel has."""


class WebhookNotifier(Channel):
    """Posts to `url`, signed with each of the secrets named by environment variable or file."""

    kind: Literal["webhook"]
    url: str = Field(repr=False)
    secret_env: tuple[str, ...] = ()
    secret_file: tuple[Path, ...] = ()
    allow_hosts: tuple[str, ...] = ()  # private hosts that may be called all the same
    timeout: Duration = 15 * 10**9

    @field_validator("allow_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            plain = host.strip("[]")
            if problem := host_problem(f"[{plain}]" if ":" in plain else plain):
                raise ValueError(f"write the hosts alone, without scheme and port: {problem}")
        return hosts


class LogNotifier(Channel):
    """Writes to the structured log."""

    kind: Literal["log"]


Notifier = Annotated[WebhookNotifier | LogNotifier, Field(discriminator="kind")]
