"""The rules of a channel in words."""

from __future__ import annotations

from urllib.parse import urlsplit

from monitor.config.channels import Channel
from monitor.config.durations import format_duration
from monitor.config.notifiers import KafkaNotifier, Posting
from monitor.records.alerts import Severity


def channel_rules(channel: Channel) -> str:
    """Where it goes, what it gets, when, how much, and what happens while it fails; without secrets."""
    return "; ".join([_target(channel), _gets(channel), *_when(channel), *_failing(channel)])


def _target(channel: Channel) -> str:
    kind = str(getattr(channel, "kind", "channel"))
    if isinstance(channel, Posting):
        return f"{kind} to {urlsplit(channel.url).hostname}"
    return f"{kind} to topic {channel.topic}" if isinstance(channel, KafkaNotifier) else kind


def _gets(channel: Channel) -> str:
    """Its filters."""
    kinds = f"alerts of kind {' or '.join(channel.kinds)}" if channel.kinds else "all alerts"
    parts = ["changes that are critical" if channel.severity is Severity.CRITICAL else ""]
    parts += [f"of streams {', '.join(channel.streams)}" if channel.streams else ""]
    parts += [f"of families {', '.join(channel.families)}" if channel.families else ""]
    return f"gets {', '.join(filter(None, (kinds, *parts)))}"


def _when(channel: Channel) -> list[str]:
    parts = [f"{', '.join(channel.quiet)} ({channel.zone}) only what is critical"] if channel.quiet else []
    return parts + ([f"at most {channel.per_minute} in a minute"] if channel.per_minute else [])


def _failing(channel: Channel) -> list[str]:
    parts = []
    if channel.fallback is not None:
        after = format_duration(channel.fallback_after)
        parts.append(f"{channel.fallback} stands in once it has failed for {after}")
    if channel.heartbeat is not None:
        every, age = format_duration(channel.heartbeat), format_duration(channel.heartbeat_commit_age)
        parts.append(f"a heartbeat every {every} while the newest commit is at most {age} old")
    return parts
