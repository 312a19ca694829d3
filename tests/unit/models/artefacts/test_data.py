"""Shape check, split and scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.artefacts.data import Scaler, as_windows, complete, shared, split
from models.errors import DataError, ShapeError


def test_split_keeps_the_order_of_time() -> None:
    windows = np.arange(10, dtype=np.float32).reshape(10, 1, 1)

    learn, held_out = split(windows, 0.2)

    assert learn.ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert held_out.ravel().tolist() == [8, 9]


def test_at_least_one_window_is_held_out() -> None:
    learn, held_out = split(np.zeros((6, 1, 1), np.float32), 0.01)

    assert (len(learn), len(held_out)) == (5, 1)


@pytest.mark.parametrize("held_out", [0.8, 0.95, 0.999])
def test_too_few_windows_to_learn_from_are_refused(held_out: float) -> None:
    with pytest.raises(DataError, match="hold out a smaller share"):
        split(np.zeros((20, 1, 1), np.float32), held_out)


def test_incomplete_windows_are_left_out() -> None:
    windows = np.zeros((25, 2, 1), np.float32)
    windows[3, 1, 0] = np.nan
    windows[7, 0, 0] = -np.inf

    assert len(complete(windows)) == 23


def test_too_few_complete_windows() -> None:
    with pytest.raises(DataError, match="19 complete windows of 19"):
        complete(np.zeros((19, 2, 1), np.float32))


def test_wrong_shape_says_expected_and_got() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 4\), expected \(n, 4, 1\)"):
        as_windows(np.zeros((3, 4)), 4, 1)


@pytest.mark.parametrize("values", [[[[1.0], [2.0]], [[3.0]]], [[["high"], ["low"]]], [[[None], [{}]]]])
def test_what_is_no_array_of_numbers_is_refused(values: Any) -> None:
    with pytest.raises(ShapeError, match=r"array of numbers, \(n, 2, 1\)"):
        as_windows(values, 2, 1)


def test_robust_scaling_ignores_a_few_faults() -> None:
    windows = np.random.default_rng(0).normal(50, 3, (500, 4, 1)).astype(np.float32)
    faulty = windows.copy()
    faulty[:25] = 1e6

    clean, dirty = Scaler.robust(windows), Scaler.robust(faulty)

    assert clean.scale[0] == pytest.approx(3, rel=0.1)
    assert dirty.scale[0] == pytest.approx(clean.scale[0], rel=0.15)
    assert dirty.centre[0] == pytest.approx(clean.centre[0], rel=0.01)


def test_scaling_of_channels_that_hardly_or_never_move() -> None:
    windows = np.zeros((100, 4, 3), np.float32)
    windows[:5, :, 0] = 10  # rarely on: no interquartile range
    windows[:, :, 1] = 20  # never moves

    scale = Scaler.robust(windows).scale

    assert scale[0] == pytest.approx(windows[:, :, 0].std())
    assert scale[1] == pytest.approx(0.2)
    assert scale[2] == 1


def test_no_channel_moves_so_little_that_its_inverse_scale_is_infinite() -> None:
    windows = (np.random.default_rng(0).normal(0, 1, (100, 4, 1)) * 1e-42).astype(np.float32)

    scaler = Scaler.robust(windows)

    assert np.isfinite(1 / scaler.scale).all()
    assert np.isfinite(scaler.forward(windows)).all()


def test_back_and_forth_and_through_json() -> None:
    windows = np.random.default_rng(0).normal(50, 3, (30, 4, 2)).astype(np.float32)
    scaler = Scaler.robust(windows)

    np.testing.assert_allclose(scaler.backward(scaler.forward(windows)), windows, rtol=1e-5)
    again = Scaler(**{name: np.array(row, np.float32) for name, row in scaler.to_dict().items()})
    np.testing.assert_array_equal(again.forward(windows), scaler.forward(windows))


def test_windows_that_follow_one_another_share_readings_and_those_of_several_streams_show_none() -> None:
    series = np.random.default_rng(0).normal(size=(2, 400, 1)).astype(np.float32)
    one, other = (np.lib.stride_tricks.sliding_window_view(each, 12, axis=0).transpose(0, 2, 1) for each in series)

    assert [shared(one[::step]) for step in (1, 4, 5, 12)] == [11, 2, 2, None]
    assert shared(np.stack([one, other], 1).reshape(-1, 12, 1)) is None
