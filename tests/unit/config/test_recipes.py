"""Which recipe a family has that names none."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.config.families import Family


@pytest.mark.parametrize(
    ("changes", "recipe"),
    [
        ({}, "default"),
        ({"window": {"length": 48}}, "default"),
        ({"window": {"hop": "10s"}}, "default"),  # each reading ends a window
        ({"window": {"hop": 1}}, "default"),
        ({"channels": ["a", "b"]}, "multivariate"),
        ({"window": {"kind": "message", "length": 140}}, "vectors"),
        ({"window": {"length": 12, "hop": 2}}, "plain"),
        ({"window": {"length": 12, "hop": "1m"}}, "plain"),
        ({"window": {"kind": "tumbling", "length": 12}}, "plain"),
        ({"window": {"length": 12}, "threshold": {"n_std": 4}}, "plain"),
        ({"window": {"length": 12}, "threshold": {"n_std": 4}, "recipe": "default"}, "default"),
    ],
)
def test_the_shape_of_a_family_chooses_its_recipe(changes: dict[str, Any], recipe: str) -> None:
    family = Family.model_validate({"topic": "t", "interval": "10s"} | changes)

    assert family.judged_by == recipe
