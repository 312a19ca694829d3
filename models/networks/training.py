"""The epoch loop, for every architecture. It knows batches, losses and when to stop, and nothing of the net inside.

A net that learns in phases goes through the loop once for each.

The past that a monitor learns from holds faults already, so by default training runs twice (least trimmed squares,
then a refit on what it found to be clean: Rousseeuw and Leroy 1987, doi:10.1002/0471725382):

1. trimmed: each batch learns from its best explained windows only, the share `keep` of them and every other window
   whose loss is below `reach` times the largest of those; windows far larger than any other are in no batch, as what
   plays against a net, or normalises it, knows of no trimming;
2. refit: faults now stand apart. Windows above the first gap in the losses are left out, the others count alike, so
   that rare but gradual varieties of normal are learned too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.artefacts.clean import clean_edge, clean_windows
from models.artefacts.data import PAIRS, shared
from models.contract import History
from models.errors import TrainingError
from models.networks.base import Net, Reduce
from models.networks.training_options import TrainingConfig

EVALUATION_BATCH = 1024
FAULT = 20.0  # times the median size of windows, or scaled units: beyond it, and beyond a gap, a window is a fault

Advance = Callable[[float], None]


def train(
    net: Net,
    windows: Tensor,
    held_out: Tensor,
    config: TrainingConfig,
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> History:
    """Fit `net` in place and leave it on the CPU with its best weights, ready to score.

    Both tensors are scaled windows (n, length, channels). The same seed gives the same weights on the same machine.
    It runs on the device of the windows. `progress` None shows a bar only on a terminal. Raises TrainingError for a
    training that diverged, or left a net that is of no use.
    """
    net.to(windows.device)
    windows, aside = _set_aside(windows, config.validation) if net.settles else (windows, windows[:0])
    with seeded(seed), _numbers_only(), _bar(progress) as advance:
        near = windows[_near(windows, config)]
        history = _run(net, near, held_out, config, Trim(config.keep, config.reach), advance)
        if config.keep < 1:
            history = _refit(net, windows, held_out, config, history, advance)
        if net.settles:
            _settle(net, windows, aside, config)
        _refuse_unsound(net, near, history)
    net.to("cpu").eval()
    return history


@dataclass(frozen=True)
class Trim:
    """Mean of the smallest losses, (batch,) -> (): the share `keep`, and all up to `reach` times the largest of it."""

    keep: float = 1.0
    reach: float = 1.0

    def __call__(self, losses: Tensor) -> Tensor:
        """The number to learn from."""
        if self.keep == 1:
            return losses.mean()
        edge = losses.detach().kthvalue(math.ceil(self.keep * len(losses))).values
        return losses[losses <= edge * self.reach].mean()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block; the caller's random state is untouched afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _numbers_only() -> Iterator[None]:
    """A matrix that cannot be factored is of a net that diverged."""
    try:
        yield
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # the types of torch leave it out
        raise TrainingError(f"the training diverged: {error}") from error


def _near(windows: Tensor, config: TrainingConfig) -> Tensor:
    """Which windows are no faults by their size alone, (n,)."""
    if config.keep == 1:
        return torch.ones(len(windows), dtype=torch.bool)
    size = windows.flatten(1).square().mean(1).sqrt().cpu()
    edge = clean_edge(size.double().numpy(), config.keep, config.reach)
    return size <= max(edge, FAULT, FAULT * float(size.median()))


def _refit(
    net: Net, windows: Tensor, held_out: Tensor, config: TrainingConfig, first: History, advance: Advance
) -> History:
    """The second run, on the clean windows of both parts; histories joined."""
    losses, held_out_losses = _of_all(net.surprise, windows), _of_all(net.surprise, held_out)
    both = torch.cat([losses, held_out_losses])
    if both.isnan().any():
        raise TrainingError("the training diverged: the losses of its windows are no numbers")
    all_losses = both.double().cpu().numpy()
    edge = clean_edge(all_losses, config.keep, config.reach)
    kept = _clean(all_losses, edge, windows)
    clean, held_out_clean = windows[kept[: len(windows)]], held_out[kept[len(windows) :]]
    second = _run(net, clean, held_out_clean if len(held_out_clean) else held_out, config, Trim(), advance)
    start = len(first.train)
    share = (len(clean) + len(held_out_clean)) / (len(windows) + len(held_out))
    curves = (first.train + second.train, first.validation + second.validation)
    return History(*curves, best_epoch=start + second.best_epoch, refit_epoch=start, clean=share)


def _run(net: Net, windows: Tensor, held_out: Tensor, config: TrainingConfig, trim: Trim, advance: Advance) -> History:
    """All phases; the best epoch is one of the last of them."""
    train: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    best = 0
    for phase in range(net.phases):
        net.start(phase, windows)
        history = _epochs(net, windows, held_out, config, trim, advance)
        best = len(train) + history.best_epoch
        train, validation = train + history.train, validation + history.validation
    net.eval()
    return History(train, validation, best)


def _epochs(
    net: Net, windows: Tensor, held_out: Tensor, config: TrainingConfig, trim: Trim, advance: Advance
) -> History:
    optimizers = net.optimizers(config.learning_rate)
    curve: list[float] = []
    validation: list[float] = []
    best, weights = 0, _weights(net)
    batches = math.ceil(len(windows) / config.batch_size)
    for epoch in range(config.epochs):
        net.train()
        shuffled = torch.randperm(len(windows)).to(windows.device)
        steps = [net.training_step(windows[rows], optimizers, trim) for rows in shuffled.tensor_split(batches)]
        curve.append(float(torch.stack(steps).mean()))
        net.eval()
        validation.append(float(trim(_of_all(net.loss, held_out))))
        advance(validation[-1])
        if epoch == 0 or validation[epoch] < validation[best] or not net.stops_early:
            best, weights = epoch, _weights(net)
        elif epoch - best >= config.patience:
            break
    net.load_state_dict(weights)
    return History(tuple(curve), tuple(validation), best)


def _set_aside(windows: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Windows to learn from, and the newest ones, at least one."""
    cut = len(windows) - max(1, round(share * len(windows)))
    return windows[:cut], windows[cut:]


@torch.no_grad()
def _settle(net: Net, windows: Tensor, aside: Tensor, config: TrainingConfig) -> None:
    """Show the net the clean windows of those set aside.

    What it estimates fits these windows better than any others, so no limit comes from them, and no net learns them.
    """
    losses = torch.cat([_of_all(net.surprise, part) for part in (windows, aside)])  # gaps between few are by chance
    all_losses = losses.double().cpu().numpy()
    edge = clean_edge(all_losses, config.keep, config.reach) if config.keep < 1 else math.inf
    net.settle(aside[_clean(all_losses, edge, windows)[len(windows) :]])


def _clean(losses: NDArray[np.float64], edge: float, windows: Tensor) -> Tensor:
    """Which losses are those of clean windows; the first of them are `windows`, in order of time."""
    return torch.from_numpy(clean_windows(losses, edge, shared(windows[: PAIRS + 1].cpu().numpy())))


def _refuse_unsound(net: Net, windows: Tensor, history: History) -> None:
    """Raise TrainingError unless the weights are numbers and the net says that it has not collapsed."""
    if not all(bool(tensor.isfinite().all()) for tensor in net.state_dict().values()):
        epoch = next((at for at, loss in enumerate(history.train) if not math.isfinite(loss)), len(history.train) - 1)
        raise TrainingError(f"the training diverged: its weights are not finite after epoch {epoch + 1}")
    net.eval()
    with torch.inference_mode():
        why = net.collapsed(windows[:EVALUATION_BATCH])
    if why:
        raise TrainingError(f"the training collapsed: {why}")


@torch.inference_mode()
def _of_all(measure: Reduce, windows: Tensor) -> Tensor:
    starts = range(0, len(windows), EVALUATION_BATCH)
    return torch.cat([measure(windows[start : start + EVALUATION_BATCH]) for start in starts])


def _weights(net: Net) -> dict[str, Tensor]:
    """A copy: the tensors of `state_dict()` themselves would follow every later step."""
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


@contextmanager
def _bar(progress: bool | None) -> Iterator[Advance]:
    """Gives what is called once per epoch with the validation loss. How many there will be is not known."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda _loss: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    text = "[progress.description]{task.description} epoch {task.completed}, validation loss {task.fields[loss]:.4g}"
    with Progress(TextColumn(text), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("training:", total=None, loss=math.nan)
        yield lambda loss: bar.update(task, advance=1, loss=loss)
