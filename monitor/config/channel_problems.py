"""What is wrong with the rules of channels, and what is odd: settings that can have no effect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from monitor.config.channels import Channel
from monitor.config.durations import format_duration
from monitor.config.names import shown
from monitor.config.unknown_names import nearest

_KINDS = (
    "anomaly", "change", "drift", "frozen", "gateway", "missing", "no-beat", "out-of-range", "silent", "unreadable",
    "unscored",
)  # fmt: skip
_CLASS = re.compile(r"\[!?\]?[^\]]*\]")  # of characters, as shells write it
_RANGE = re.compile("(.)-(.)")


def channel_problems(channels: Mapping[str, Channel], families: Collection[str], commits: int) -> Iterator[str]:
    """What cannot be meant, a sentence each that begins with the key. `commits`: ns between two commits."""
    for name, channel in channels.items():
        for family in channel.families:
            if family not in families:
                hint = nearest(family, [*families]) or f"; there are: {', '.join(families)}"
                yield f"notify.{name}.families: no family is called {family!r}{hint}"
        for kind in channel.kinds:
            if kind not in _KINDS and (hint := nearest(kind, _KINDS)):
                yield f"notify.{name}.kinds: no alert is of kind {kind!r}{hint}"
        for key in ("per_minute", "quiet", "heartbeat"):
            if not channel.JOINS and getattr(channel, key):
                yield f"notify.{name}.{key}: this kind keeps the state of each alert; no message can stand for several"
        for pattern in channel.streams:
            if problem := pattern_problem(pattern):
                yield f"notify.{name}.streams: {problem}"
        yield from (f"notify.{name}.{problem}" for problem in _without_effect(channel, commits))
        yield from (f"notify.{name}.fallback: {problem}" for problem in _fallback_problems(name, channel, channels))


def channel_warnings(channels: Mapping[str, Channel]) -> Iterator[str]:
    """What is possible and probably not meant, a sentence each that begins with the key."""
    for name, channel in channels.items():
        unknown = [kind for kind in channel.kinds if kind not in _KINDS]
        for kind in unknown:
            yield f"notify.{name}.kinds: no alert of this version is of kind {kind!r}; there are: {', '.join(_KINDS)}"
        if unknown and len(unknown) == len(channel.kinds):
            yield f"notify.{name}: its filters let no alert through; correct kinds, or leave the channel out"
        if others := _circle(name, channels):
            yield (
                f"notify.{name}.fallback: {' -> '.join((name, *others))} is a circle; what none of them delivers "
                "goes nowhere else"
            )


def pattern_problem(pattern: str) -> str:
    """Why a pattern of streams matches none, or not what is meant; "" where it is well."""
    if not pattern.strip():
        return 'a pattern is empty; write a stream or a pattern such as "press-*"'
    if "[" in _CLASS.sub("", pattern):
        return f"{shown(pattern)} has a bracket that is not closed; write [[] for the character itself"
    ranges = (pair for found in _CLASS.findall(pattern) for pair in _RANGE.findall(found[1:-1]))
    for first, last in ranges:
        if first > last:
            return f"{shown(pattern)} has a range that runs backwards: {first}-{last}; write {last}-{first}"
    return ""


def _without_effect(channel: Channel, commits: int) -> Iterator[str]:
    """Keys that are set and can do nothing."""
    given = channel.model_fields_set
    if "fallback_after" in given and channel.fallback is None:
        yield "fallback_after: it has no effect without fallback; name the channel that stands in, or leave it out"
    if "zone" in given and not channel.quiet:
        yield 'zone: it has no effect without quiet; add quiet = ["22:00-06:00"], or leave it out'
    if "heartbeat_commit_age" in given and channel.heartbeat is None:
        yield 'heartbeat_commit_age: it has no effect without heartbeat; add heartbeat = "1m", or leave it out'
    if channel.heartbeat is not None and channel.heartbeat_commit_age <= commits:
        yield (
            f"heartbeat_commit_age: {format_duration(channel.heartbeat_commit_age)} is not longer than "
            f"store.commit_interval, {format_duration(commits)}, so heartbeats would pause between two commits; "
            f"write {format_duration(10 * commits)} or more"
        )


def _circle(name: str, channels: Mapping[str, Channel]) -> list[str]:
    """The channels from one to itself by its fallbacks, without the first; said once, of the first by name."""
    seen = [name]
    while (to := channels[seen[-1]].fallback) is not None and to in channels and to not in seen:
        seen.append(to)
    return [*seen[1:], name] if to == name and name == min(seen) else []


def _fallback_problems(name: str, channel: Channel, channels: Mapping[str, Channel]) -> Iterator[str]:
    to = channel.fallback
    if to is None:
        return
    digests = [key for key in ("per_minute", "quiet") if getattr(channel, key)]
    if to == name:
        yield "a channel cannot stand in for itself; name another one"
    elif to not in channels:
        yield f"no channel is called {to!r}; add [notify.{to}]"
    elif digests and not channels[to].JOINS:
        keys = " and ".join(digests)
        yield f"{to!r} keeps the state of each alert, which no digest says; name another channel, or leave out {keys}"
