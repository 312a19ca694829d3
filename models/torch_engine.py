"""The engine `torch`, for scores that need gradients: the trained net itself, on one thread of the CPU.

It is built again from the name of its kind and its options, and never from code: the model is a safetensors file, whose
metadata say what to build. Needs the extra `train`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from models import registry
from models.artefacts.data import Float32, Scaler
from models.artefacts.described import described
from models.contract import SCORE
from models.errors import ArtefactError, ConfigError
from models.networks.base import Net
from models.networks.estimator import one_thread

ENGINE = "torch"  # its name in the registry


class TorchEngine:
    """A net that scores windows in their own units, an `Engine`. It gives the score alone.

    How many windows it scores at once is the net's business: `chunk` is not used.
    """

    def __init__(self, body: bytes, chunk: int = 1) -> None:
        try:
            made = described(body)
            self._shape = (int(made["length"]), int(made["channels"]))
            self._scaler = Scaler.from_dict(made["scaler"])
            self._net = _built(made["kind"], self._shape, made["config"], safetensors.load(body))
        except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, ConfigError) as error:
            raise ArtefactError(f"the model cannot be built: {error}; retrain it") from error
        self._net.eval()

    def fits(self, shape: tuple[int, int], outputs: Collection[str]) -> bool:
        """See `Engine.fits`."""
        return shape == self._shape and set(outputs) == {SCORE}

    def run(self, output: str, windows: Float32) -> Float32:
        """See `Engine.run`."""
        with one_thread(), torch.inference_mode(), np.errstate(all="ignore"):
            found: Any = self._net.score(torch.from_numpy(self._scaler.forward(windows))).numpy()
        scores: Float32 = found
        return scores


def _built(kind: str, shape: tuple[int, int], options: dict[str, Any], weights: dict[str, torch.Tensor]) -> Net:
    """The net with these weights, without memory for any others: the sizes that a file claims may be any."""
    if registry.kind_of(kind).capabilities.engine != ENGINE:
        raise ValueError(f"{kind} is not scored by torch")
    if any(weight.dtype != torch.float32 for weight in weights.values()):
        raise ValueError("its weights are not all float32")
    config, _ = registry.configs(kind, options)
    with torch.device("meta"):
        made: Net = registry.resolve(registry.kind_of(kind).made_by)(*shape, config)
    made.load_state_dict({name: weight.clone() for name, weight in weights.items()}, assign=True)
    return made
