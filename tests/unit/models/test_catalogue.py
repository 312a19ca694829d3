"""The catalogue of detectors says something of every kind of the registry, and nothing of what no issue asked for."""

from __future__ import annotations

import pytest

import models
from models.catalogue import CATALOGUE
from models.evaluation.cost import measure


@pytest.mark.parametrize("kind", models.DETECTORS)
def test_every_kind_of_the_registry_is_described(kind: str) -> None:
    entry = CATALOGUE[kind]

    assert all(entry)
    assert entry.use.endswith(".")
    assert entry.avoid.endswith(".")


def test_texts_are_short_enough_for_a_table() -> None:
    assert [kind for kind, entry in CATALOGUE.items() if max(map(len, entry)) > 110] == []


def test_the_cost_of_a_kind_is_measured() -> None:
    cost = measure("mahalanobis", length=6, channels=2)

    assert cost.parameters == 12 + 12 * 12
    assert 0 < cost.milliseconds < 10_000
