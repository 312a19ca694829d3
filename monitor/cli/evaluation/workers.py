"""The same function over many things, in separate processes, with a bar on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

from monitor.cli.rendering.output import label, terminal

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_processes(
    function: Callable[[Given], Found], given: Sequence[Given], *, jobs: int, title: str, quiet: bool = False
) -> list[Found]:
    """What `function` returns for each of `given`, in their order; `jobs` run at a time. Raises what it raises."""
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    console = terminal(err=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet or not console.is_terminal
    with (
        Progress(*columns, console=console, transient=True, disable=hidden) as progress,
        ProcessPoolExecutor(min(jobs, max(len(given), 1)), get_context("spawn"), _prepare) as pool,
    ):
        task = progress.add_task(label(title), total=len(given))
        found: dict[int, Found] = {}
        try:
            waiting = {pool.submit(function, each): place for place, each in enumerate(given)}
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                progress.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # with wait=False the processes never end
            raise
    return [found[place] for place in range(len(given))]


def _prepare() -> None:
    """In a process that begins: one thread for each, and no bars of trainings between the lines of the first one."""
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)
