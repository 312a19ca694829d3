"""Rules of channels that cannot hold together, and what a kind of channel allows."""

from __future__ import annotations

from typing import Any

import pytest

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
