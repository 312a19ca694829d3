"""What `check` says of the limit of a family."""

from __future__ import annotations

import pytest

from monitor.cli.check import summarise
from monitor.config.settings import parse


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("rolling", "mean + 6·std of the last 1d"),
        ("static", "mean + 6·std of the training scores"),
        ("quantile", "median + 4·(0.95 quantile - median) of the last 1d"),
        ("mad", "median + 6·1.48·MAD of the last 1d"),
        ("pot", "one normal window in 1,000 above it, by the tail of the last 1d"),
        ("conformal", "one normal window in 1,000 above it, by the first 4,000"),
    ],
)
def test_each_kind_of_limit_is_described_as_it_is_computed(kind: str, says: str) -> None:
    family = {"topic": "t", "interval": "10s", "window": {"length": 12}, "threshold": {"kind": kind}}

    assert summarise(parse({"families": {"f": family}}))["families"]["f"]["limit"] == f"{kind}: {says}"
