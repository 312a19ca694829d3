"""`python -m tests.benchmarks.detectors run --jobs 8 --out FILE`, then `table FILE`: see `--help` of both.

`run` measures every kind of the registry on every corpus, each in a process by itself, so that one that fails or is
killed is a row that says so. Rows are JSON lines, written as they come; those that are there already are not measured
again. It ends with 1 where a row failed. `table` adds the rows to docs/detectors.json and writes docs/detectors.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from models.registry import DETECTORS
from tests.benchmarks.detectors.baselines import BASELINES
from tests.benchmarks.detectors.data import CORPORA
from tests.benchmarks.detectors.page import key, render

ROOT = Path(__file__).parents[3]
PAGE, KEPT = ROOT / "docs" / "detectors.md", ROOT / "docs" / "detectors.json"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
Row = dict[str, Any]


class Job(NamedTuple):
    """One row to measure."""

    kind: str
    corpus: str
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = parser().parse_args(arguments)
    if given.command == "one":
        from tests.benchmarks.detectors.trial import measure

        print(json.dumps(measure(given.kind, given.corpus, given.seed, given.data)))
        return 0
    if given.command == "table":
        kept = _read(KEPT)
        for path in given.rows:
            kept |= {key(row): row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
        rows = sorted(kept.values(), key=key)
        KEPT.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")
        PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), rows, list(DETECTORS)), encoding="utf-8")
        return 0
    return run(given)


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.detectors", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    data = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data"))
    known = [*BASELINES, *DETECTORS]
    many = commands.add_parser("run", help="measure")
    many.add_argument("--kinds", nargs="+", choices=known, default=known, metavar="KIND")
    many.add_argument("--corpora", nargs="+", choices=list(CORPORA), default=list(CORPORA))
    many.add_argument("--seeds", type=int, default=3, help="how many")
    many.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    many.add_argument("--timeout", type=float, default=3600, help="seconds for a row")
    many.add_argument("--out", type=Path, required=True, help="JSON lines, added to")
    many.add_argument("--data", type=Path, default=data, help="default: WATCHKEEPER_DATA")
    one = commands.add_parser("one", help="measure one row and print it")
    for name, kind in (("kind", str), ("corpus", str), ("seed", int)):
        one.add_argument(name, type=kind)
    one.add_argument("--data", type=Path, default=data)
    table = commands.add_parser("table", help="write the page")
    table.add_argument("rows", type=Path, nargs="*", help="JSON lines of `run`")
    return made


def run(given: argparse.Namespace) -> int:
    """Measure what is asked for and not there yet."""
    jobs = [Job(*each) for each in product(given.kinds, given.corpora, range(given.seeds))]
    there = {key(row) for row in _lines(given.out) if not row.get("failed")}
    wanted = [job for job in jobs if tuple(job) not in there]
    failed = 0
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as pool, given.out.open("a", encoding="utf-8") as out:
        asked = [pool.submit(measured, job, given.data, given.timeout) for job in wanted]
        for done, future in enumerate(as_completed(asked), 1):
            row = future.result()
            out.write(json.dumps(row) + "\n")
            out.flush()
            failed += "failed" in row
            said = f"failed: {row['failed']}" if "failed" in row else f"AUC {row['auc']:.4f}"
            print(f"{done}/{len(wanted)} {row['kind']} {row['corpus']} {row['seed']}: {said}", flush=True)
    if failed:
        print(f"{failed} of {len(wanted)} rows failed", file=sys.stderr)
    return 1 if failed else 0


def measured(job: Job, data: Path, timeout: float) -> Row:
    """The row of one job, made by another process; where that fails, `failed` says why."""
    command = [sys.executable, "-m", "tests.benchmarks.detectors", "one", job.kind, job.corpus, str(job.seed)]
    try:
        done = subprocess.run(
            [*command, "--data", str(data)], cwd=ROOT, env=os.environ | THREADS, text=True, capture_output=True,
            check=False, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return job._asdict() | {"failed": f"took longer than {timeout:g} s"}
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return job._asdict() | {"failed": f"{said[-1] if said else 'no message'} (exit code {done.returncode})"}
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def _read(path: Path) -> dict[tuple[str, str, int], Row]:
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return {key(row): row for row in rows}


def _lines(path: Path) -> Iterator[Row]:
    if path.is_file():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    sys.exit(main())
