"""Deep SVDD beside pyod's: with the same weights the centre and the distances are the same.

pyod's net has an activation behind the code and rectifiers without a slope, which are taken out here; it is
trained with no autoencoder first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from models.networks.deep_svdd import NEAREST, SLOPE, DeepSVDD
from models.networks.deep_svdd_options import DeepSVDDConfig

CELLS, WIDTHS = 16, (16, 8)


@pytest.fixture(scope="module")
def library() -> Any:
    return pytest.importorskip("pyod.models.deep_svdd", reason="pyod is not installed")


def waves(count: int, seed: int) -> torch.Tensor:
    random = np.random.default_rng(seed)
    waves = np.sin(np.arange(CELLS) / 2 + random.uniform(0, 0.6, (count, 1))) + random.normal(0, 0.1, (count, CELLS))
    return torch.from_numpy(waves.astype(np.float32))


def known(library: Any, net: DeepSVDD, windows: torch.Tensor) -> Any:
    """pyod's detector with the weights of `net`, and the centre that it finds for these windows."""
    inner = library.InnerDeepSVDD(CELLS, False, list(WIDTHS), "relu", "sigmoid", 0.0, 0.0)
    inner.model.hidden_activation_e0, inner.model.hidden_activation_e2 = nn.LeakyReLU(SLOPE), nn.Identity()
    with torch.no_grad():
        for theirs, ours in zip(inner.parameters(), net.encoder.parameters(), strict=True):
            theirs.copy_(ours)
    made = library.DeepSVDD(CELLS, hidden_neurons=list(WIDTHS), preprocessing=False, verbose=0)
    made.model_, made.c_ = inner, inner._init_c(windows)
    return made


def test_centre_and_distance_are_those_of_pyod_with_the_same_weights(library: Any) -> None:
    torch.manual_seed(0)
    net, windows = DeepSVDD(CELLS, 1, DeepSVDDConfig(hidden=WIDTHS)), waves(200, seed=1)
    theirs = known(library, net, windows)

    net.start(1, windows.unsqueeze(2))

    torch.testing.assert_close(net.centre, theirs.c_)
    assert (net.centre.abs() == NEAREST).any()  # the rule about coordinates near 0 is asked for
    test = waves(100, seed=2) + torch.linspace(0, 3, 100).unsqueeze(1) * torch.randn(100, CELLS)
    with torch.no_grad():
        found = net.score(test.unsqueeze(2)).numpy()
    np.testing.assert_allclose(np.square(found), theirs.decision_function(test.numpy()), rtol=1e-4)
    assert spearmanr(found, theirs.decision_function(test.numpy())).statistic >= 0.95
