"""Rules of channels that cannot hold together, and what a kind of channel allows."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.cli.check import summarise
from monitor.config.channel_problems import channel_warnings, pattern_problem
from monitor.config.settings import parse
from monitor.errors import SettingsError

FAMILIES = {"machines": {"topic": "t", "interval": "1s"}}
KINDS: dict[str, dict[str, Any]] = {
    "pagerduty": {"kind": "pagerduty", "routing_key_env": "K"},
    "alertmanager": {"kind": "alertmanager", "url": "https://alerts.example"},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("rules", [{"per_minute": 5}, {"quiet": ["22:00-06:00"]}])
def test_a_digest_has_no_fallback_that_keeps_the_state_of_each_alert(kind: str, rules: dict[str, Any]) -> None:
    """The incident that it would open there could be ended by nothing."""
    ops = {"kind": "log", "fallback": "oncall"}
    with pytest.raises(SettingsError, match=rf"notify\.ops\.fallback: .* leave out {next(iter(rules))}"):
        parse({"families": FAMILIES, "notify": {"ops": ops | rules, "oncall": KINDS[kind]}})
    parse({"families": FAMILIES, "notify": {"ops": ops, "oncall": KINDS[kind]}})
    parse({"families": FAMILIES, "notify": {"ops": ops | rules, "oncall": {"kind": "log"}}})


def test_alerts_are_not_read_and_posted_again_all_the_time() -> None:
    short = KINDS["alertmanager"] | {"ends_after": "9s"}
    with pytest.raises(SettingsError, match="ends_after: 9s is too short; write 10s or more"):
        parse({"families": FAMILIES, "notify": {"am": short}})
    parse({"families": FAMILIES, "notify": {"am": short | {"ends_after": "10s"}}})


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"streams": ["["]}, r"streams: '\[' has a bracket that is not closed; write \[\[\] for"),
        ({"streams": ["m-*", "p[12"]}, r"streams: 'p\[12' has a bracket"),
        ({"streams": ["p[9-1]"]}, "streams: .* runs backwards: 9-1; write 1-9"),
        ({"streams": [" "]}, "streams: a pattern is empty"),
        ({"fallback_after": "1m"}, "fallback_after: it has no effect without fallback"),
        ({"zone": "Europe/Prague"}, "zone: it has no effect without quiet"),
        ({"heartbeat_commit_age": "1m"}, "heartbeat_commit_age: it has no effect without heartbeat"),
        (
            {"heartbeat": "1m", "heartbeat_commit_age": "1s"},
            r"heartbeat_commit_age: 1s is not longer than .* write 10s",
        ),
        ({"fallback": "ops"}, "fallback: a channel cannot stand in for itself"),
    ],
)
def test_rules_that_can_have_no_effect_are_refused(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=rf"notify\.ops\.{said}"):
        parse({"families": FAMILIES, "notify": {"ops": {"kind": "log"} | rules}})


@pytest.mark.parametrize("pattern", ["*", "press-?", "[a-c]*", "[!a]", "[]]x", "[[]1]", "[a-]", "[-a]"])
def test_patterns_that_shells_know_are_taken(pattern: str) -> None:
    assert pattern_problem(pattern) == ""


def test_what_is_probably_not_meant_is_a_warning() -> None:
    notify = {
        "a": {"kind": "log", "fallback": "b"},
        "b": {"kind": "log", "fallback": "a"},
        "c": {"kind": "log", "kinds": ["weather"]},
    }
    circle, kinds, nothing = channel_warnings(parse({"families": FAMILIES, "notify": notify}).notify)
    assert circle.startswith("notify.a.fallback: a -> b -> a is a circle")
    assert kinds.startswith("notify.c.kinds: no alert of this version is of kind 'weather'")
    assert nothing.startswith("notify.c: its filters let no alert through")


def test_check_says_the_rules_of_a_channel_in_words() -> None:
    ops = {
        "kind": "webhook", "url": "https://hooks.plant/secret", "secret_env": ["S"], "kinds": ["anomaly", "silent"],
        "severity": "critical", "streams": ["press-*"], "families": ["machines"], "per_minute": 20,
        "quiet": ["22:00-06:00"], "zone": "Europe/Prague", "fallback": "lines", "heartbeat": "1m",
    }  # fmt: skip
    settings = parse({"families": FAMILIES, "notify": {"ops": ops, "lines": {"kind": "log"}}})
    assert summarise(settings)["notify"] == {
        "ops": "webhook to hooks.plant; gets alerts of kind anomaly or silent, changes that are critical, of streams "
        "press-*, of families machines; 22:00-06:00 (Europe/Prague) only what is critical; at most 20 in a minute; "
        "lines stands in once it has failed for 10m; a heartbeat every 1m while the newest commit is at most 10m old",
        "lines": "log; gets all alerts",
    }
