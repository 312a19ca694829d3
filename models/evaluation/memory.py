"""How much memory a trained detector takes: the size of its model, and what scoring needs beyond it.

Another process loads and scores: in the one that has trained, freed memory would be used again and not be seen. As a
module it is that process: `python -m models.evaluation.memory ARTEFACT WINDOWS` prints the bytes.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np

from models.artefacts.artefact import MODELS
from models.errors import ArtefactError

if TYPE_CHECKING:
    from models.detector import Detector

WINDOWS: Final = 1000
PROCESS: Final = Path("/proc/self")
FORGET_PEAK: Final = "5"  # see clear_refs in proc(5)


@dataclass(frozen=True)
class Memory:
    """Bytes: of the model as it is stored, and how much scoring windows took at most beyond it and the windows.

    `working` is None where the system does not say, which only Linux does.
    """

    model: int
    working: int | None

    @property
    def megabytes(self) -> float | None:
        """Both together, in MB of 10^6 bytes."""
        return None if self.working is None else (self.model + self.working) / 1e6


def measure(detector: Detector, windows: int = WINDOWS) -> Memory:
    """Measure a fitted detector, by fewer windows where it is slow. Raises ArtefactError where scoring fails."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "detector"
        detector.save(path)
        model = (path / MODELS[detector.capabilities.engine]).stat().st_size
        command = [sys.executable, "-P", "-m", "models.evaluation.memory", str(path), str(windows)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (this interpreter)
    if done.returncode != 0:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        raise ArtefactError(f"the memory of {detector.kind} cannot be measured: {said[-1]}")
    return Memory(model, int(done.stdout) if done.stdout else None)


def main(artefact: str, count: str) -> None:
    """Score `count` windows of noise, and print by how many bytes the process grew at most."""
    import models

    scorer = models.load(artefact)
    windows = np.random.default_rng(0).normal(size=(int(count), scorer.length, scorer.channels)).astype(np.float32)
    scorer.score(windows[:1])  # libraries are loaded, and buffers of the first call are there
    forget = PROCESS / "clear_refs"
    if not forget.exists():
        return
    before = _kilobytes("VmRSS")
    forget.write_text(FORGET_PEAK, encoding="ascii")
    scorer.score(windows)
    sys.stdout.write(f"{1024 * max(0, _kilobytes('VmHWM') - before)}\n")


def _kilobytes(name: str) -> int:
    lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
