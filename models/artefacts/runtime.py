"""The engine `onnx`: ONNX Runtime on one thread; a graph and windows in, one of its outputs out."""

from __future__ import annotations

from collections.abc import Collection
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime

from models.artefacts.data import Float32
from models.contract import INPUT, SCORE
from models.errors import ArtefactError

CHUNKS = (16, 32, 64, 128, 256, 512, 1024)  # windows at once, tried by `fastest_chunk`
TRIALS = 7


class Runtime:
    """A graph ready to be computed, an `Engine`. `chunk` is how many windows are given to it at once."""

    def __init__(self, graph: bytes, chunk: int = CHUNKS[0]) -> None:
        if chunk < 1:
            raise ArtefactError(f"chunk = {chunk}, but at least 1 window must be scored at once; retrain the model")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # rows keep their bits, and cores their owners
        options.log_severity_level = 4  # what fails is raised, and not written on standard error as well
        try:
            self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises a dozen classes without a common root
            raise ArtefactError(f"ONNX Runtime cannot use the graph: {error}; retrain the model") from error
        self.chunk = chunk

    def fits(self, shape: tuple[int, int], outputs: Collection[str]) -> bool:
        """See `Engine.fits`."""
        (given,) = self._session.get_inputs()
        found = {output.name for output in self._session.get_outputs()}
        return given.name == INPUT and given.shape[1:] == list(shape) and found == set(outputs)

    def run(self, output: str, windows: Float32) -> Float32:
        """See `Engine.run`. Raises ArtefactError where the graph fails, or gives no float32 row for each window."""
        starts = range(0, len(windows), self.chunk)
        parts = [self._call(output, windows[start : start + self.chunk]) for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def fastest_chunk(self, windows: Float32) -> int:
        """How many windows at once this machine scores fastest: between the cost of a call and a cache too small."""
        batches = [np.resize(windows, (chunk, *windows.shape[1:])) for chunk in CHUNKS]
        seconds = np.array([[self._timed(batch) for batch in batches] for _ in range(TRIALS)])
        return CHUNKS[int((seconds.min(axis=0) / CHUNKS).argmin())]

    def _timed(self, batch: Float32) -> float:
        start = perf_counter()
        self._call(SCORE, batch)
        return perf_counter() - start

    def _call(self, output: str, windows: Float32) -> Float32:
        try:
            (found,) = self._session.run([output], {INPUT: windows})
        except Exception as error:  # as above
            raise ArtefactError(
                f"ONNX Runtime cannot compute the graph: {str(error).strip()}; retrain the model"
            ) from error
        if found.shape[:1] != windows.shape[:1] or found.dtype != np.float32:
            raise ArtefactError(
                f"the graph gives {found.dtype} of shape {found.shape} for {len(windows)} windows; retrain the model"
            )
        return found  # type: ignore[no-any-return]  # the library is untyped
