"""The tables `[notify.NAME]`: where notifications are sent, a class for each kind of channel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, field_validator

from monitor.config.addresses import broker_problem, host_problem
from monitor.config.channels import Channel
from monitor.config.durations import Duration, format_duration
from monitor.config.message_templates import Template
from monitor.config.names import Topic
from monitor.config.services import Kafka

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"  # of Europe: https://events.eu.pagerduty.com/v2/enqueue
TITLE = "{summary}"
_SOONEST = 10 * 10**9  # ns
BODY = """\
{summary}

{contributions}
severity {severity}, score {ratio} times its limit, at most {peak_ratio}
since {opened_at}
{note}
{accept}
{link}
alert {alert_id}, family {family}, run {run}
"""


def _plain_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        plain = host.strip("[]")
        if problem := host_problem(f"[{plain}]" if ":" in plain else plain):
            raise ValueError(f"write the hosts alone, without scheme and port: {problem}")
    return hosts


Hosts = Annotated[tuple[str, ...], AfterValidator(_plain_hosts)]  # private hosts that may be called all the same


class WebhookNotifier(Channel):
    """Posts to `url`, signed with each of the secrets named by environment variable or file."""

    kind: Literal["webhook"]
    url: str = Field(repr=False)
    secret_env: tuple[str, ...] = ()
    secret_file: tuple[Path, ...] = ()
    allow_hosts: Hosts = ()
    timeout: Duration = 15 * 10**9


class PagerdutyNotifier(Channel):
    """Opens, acknowledges and resolves an incident of PagerDuty for each alert, by Events v2."""

    JOINS: ClassVar[bool] = False
    kind: Literal["pagerduty"]
    routing_key_env: str = Field(default="", repr=False)  # the key itself may stand here by mistake
    routing_key_file: Path | None = Field(default=None, repr=False)
    url: str = Field(default=PAGERDUTY, repr=False)
    title: Template = TITLE
    allow_hosts: Hosts = ()
    timeout: Duration = 15 * 10**9


class AlertmanagerNotifier(Channel):
    """Posts to an Alertmanager at `url`, whose path is /api/v2/alerts where none is given.

    An alert ends there `ends_after` its newest post; it is posted again five times in that time while it is open.
    """

    JOINS: ClassVar[bool] = False
    kind: Literal["alertmanager"]
    url: str = Field(repr=False)
    labels: dict[str, str] = Field(default_factory=dict)
    ends_after: Duration = 300 * 10**9
    title: Template = TITLE
    body: Template = BODY
    allow_hosts: Hosts = ()
    timeout: Duration = 15 * 10**9

    @field_validator("ends_after")
    @classmethod
    def _not_too_soon(cls, ends_after: int) -> int:
        if ends_after < _SOONEST:  # open alerts are read and posted again five times as often
            raise ValueError(f"{format_duration(ends_after)} is too short; write {format_duration(_SOONEST)} or more")
        return ends_after

    @field_validator("labels")
    @classmethod
    def _names(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not name.isascii() or not name.isidentifier():
                raise ValueError(f"{name!r} is no name of a label; use letters, digits and _")
        return labels


class KafkaNotifier(Channel):
    """Publishes to `topic` as CloudEvents, at the broker of `[kafka]` where no other one is named."""

    kind: Literal["kafka"]
    topic: Topic
    bootstrap_servers: str = ""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    timeout: Duration = 30 * 10**9

    def connected(self, kafka: Kafka) -> KafkaNotifier:
        """With the broker of `[kafka]` and its options, unless another one is named."""
        if self.bootstrap_servers:
            return self
        options = kafka.options | self.options
        return self.model_copy(update={"bootstrap_servers": kafka.bootstrap_servers, "options": options})

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, servers: str) -> str:
        if servers and (problem := broker_problem(servers)):
            raise ValueError(problem)
        return servers


class AppriseNotifier(Channel):
    """Sends text to people by one address of Apprise: e-mail, Slack, Teams, Telegram, ntfy and others."""

    kind: Literal["apprise"]
    url_env: str = Field(default="", repr=False)  # the address itself may stand here by mistake
    url_file: Path | None = Field(default=None, repr=False)
    title: Template = TITLE
    body: Template = BODY
    picture: bool = True
    allow_hosts: Hosts = ()
    timeout: Duration = 30 * 10**9


class LogNotifier(Channel):
    """Writes to the structured log."""

    kind: Literal["log"]


Notifier = Annotated[
    WebhookNotifier | PagerdutyNotifier | AlertmanagerNotifier | KafkaNotifier | AppriseNotifier | LogNotifier,
    Field(discriminator="kind"),
]
Posting = WebhookNotifier | PagerdutyNotifier | AlertmanagerNotifier  # those with a URL in the settings
CHANNELS: tuple[type[Channel], ...] = get_args(get_args(Notifier)[0])  # in the order in which they are offered
