"""The page of digits: the script that draws it trains what the text says, and the picture is there."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from tests.integration.test_pictures import PICTURES, script

drawing = script("digits")


@pytest.mark.parametrize("kind", drawing.known())
def test_a_net_takes_noise_out_of_digits_and_ranks_those_upside_down_above_others(kind: str) -> None:
    found = drawing.rebuilt(kind, epochs=40)

    assert found.pictures.shape == (297, 8, 8)
    assert found.taken_out > 0.2
    assert found.turned_auc > 0.7


def test_digits_are_windows_of_unit_size_and_the_noise_is_as_stated() -> None:
    learned, clean, noisy = drawing.digits()

    assert (learned.shape, clean.shape) == ((1500, 8, 8), (297, 8, 8))
    assert (clean.min(), clean.max()) == (-1, 1)
    assert float((noisy - clean).std()) == pytest.approx(0.4, abs=0.01)


def test_a_row_is_drawn_for_each_entry() -> None:
    _, clean, noisy = drawing.digits()
    figure = drawing.draw({"input": clean, "noisy": noisy})

    assert len(figure.axes) == 20
    first = figure.axes[0].images[0].get_array()
    assert first is not None
    assert any(np.array_equal(first, picture) for picture in clean)
    assert [axes.get_ylabel() for axes in figure.axes[::10]] == ["input", "noisy"]


def test_the_picture_of_the_page_has_a_row_for_each_net() -> None:
    height, width, _ = imread(PICTURES / "digits.png").shape

    assert round(height / width * 10 / 1.05) == 2 + len(drawing.KINDS)
