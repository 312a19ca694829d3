"""A window's score is the same to the bit, whatever is scored beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.detector import Detector

# Widths of one, odd widths and widths beyond a vector register take different paths through the matrix library.
CASES = [
    ("dense", 140, 1, {}),
    ("dense", 7, 3, {"hidden": (5, 1)}),
    ("dense", 1, 1, {"hidden": (2, 1)}),
    ("dense", 100, 4, {}),
    ("lstm", 12, 2, {"hidden": 16, "latent": 4}),
    ("lstm", 5, 1, {"hidden": 3, "latent": 1}),
    ("lstm", 35, 2, {}),  # three readings a step, the first step filled up
    ("mahalanobis", 140, 1, {}),
    ("mahalanobis", 7, 3, {}),
    ("mahalanobis", 1, 1, {}),
    ("mahalanobis", 150, 4, {}),
    ("pca", 140, 1, {}),
    ("pca", 7, 3, {}),
    ("sub_pca", 9, 2, {}),
    ("kmeans", 140, 1, {}),
    ("kmeans", 1, 1, {}),
    ("knn", 140, 1, {}),
    ("knn", 7, 3, {}),
    ("matrix_profile", 35, 2, {}),
    ("matrix_profile", 1, 1, {}),
]
COUNT = 1100  # more than one chunk of either kind
MANY = 10_000


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}x{case[2]}")
def detector(request: pytest.FixtureRequest) -> Detector:
    kind, length, channels, config = request.param
    windows = np.random.default_rng(0).normal(size=(64, length, channels))
    epochs: dict[str, Any] = {"epochs": 1} if models.DETECTORS[kind].capabilities.epochs else {}
    return models.create(kind, length=length, channels=channels, **epochs, **config).fit(windows)


@pytest.fixture(autouse=True, params=[1, 2, 3], ids=lambda count: f"{count}-threads")
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)


@cache
def some_windows(detector: Detector, count: int) -> Float32:
    return np.random.default_rng(1).normal(size=(count, detector.length, detector.channels)).astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, COUNT), max_size=12), data=st.data())
def test_any_cut_gives_the_same_bits(detector: Detector, cuts: list[int], data: st.DataObject) -> None:
    windows = some_windows(detector, COUNT)
    whole = detector.score(windows)
    at = sorted(cuts)

    pieces = [detector.score(windows[a:b]) for a, b in zip([0, *at], [*at, COUNT], strict=True)]

    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    row = data.draw(st.integers(0, COUNT - 1))
    np.testing.assert_array_equal(detector.score(windows[row : row + 1]), whole[row : row + 1])


def test_one_by_one_and_ten_thousand_at_once(detector: Detector) -> None:
    windows = some_windows(detector, MANY)
    rows = np.random.default_rng(2).integers(0, MANY, 50)

    at_once = detector.score(windows)[rows]

    np.testing.assert_array_equal(np.concatenate([detector.score(windows[row : row + 1]) for row in rows]), at_once)


def test_explanations_and_reconstructions_too(detector: Detector) -> None:
    windows = some_windows(detector, 200)

    for ask in (detector.explain, detector.reconstruct):
        first, rest, whole = ask(windows[:3]), ask(windows[3:]), ask(windows)
        if first is not None and rest is not None:
            np.testing.assert_array_equal(np.concatenate([first, rest]), whole)
