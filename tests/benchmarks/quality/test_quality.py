"""`make bench-quality`: the default recipes on every corpus, and simple detectors on the same rows.

It writes docs/quality.md. QUALITY_SEEDS and QUALITY_CORPORA make a quicker run; without BENCH_RECORD=1 nothing is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.evaluation.nab import Labels
from monitor.cli.evaluation import results
from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result
from monitor.cli.evaluation.scored import Scored, score_series
from monitor.replay import labelled_series
from monitor.replay.labelled_series import Series
from tests.benchmarks.peers.test_peers import interpreter
from tests.benchmarks.quality.baselines import BASELINES, scaled
from tests.benchmarks.quality.page import page

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data"))
RANKING = ROOT / "tests" / "benchmarks" / "peers" / "loops" / "ranking.py"
CORPORA = os.environ.get("QUALITY_CORPORA", "nab skab ecg5000 mitbih drift").split()
SEEDS = int(os.environ.get("QUALITY_SEEDS", "3"))
RECIPE = os.environ.get("QUALITY_RECIPE")
KEPT = ROOT / "docs" / "quality.json"

pytestmark = pytest.mark.timeout(6 * 3600)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where results go; the page is made from it at the end."""
    recorded = os.environ.get("BENCH_RECORD") == "1"
    path = KEPT if recorded else tmp_path_factory.mktemp("quality") / "quality.json"
    yield path
    written = page(results.read(path))
    print(written)
    if recorded:
        (ROOT / "docs" / "quality.md").write_text(written, encoding="utf-8")


@pytest.mark.parametrize("corpus", CORPORA)
def test_default_recipes(corpus: str, kept: Path) -> None:
    if corpus != "drift" and not (DATA / corpus).is_dir():
        pytest.skip(f"no {DATA / corpus}; set WATCHKEEPER_DATA to the folder that holds {corpus}/")
    recipe = ["--recipe", RECIPE] if RECIPE else []
    command = [sys.executable, "-m", "monitor", "evaluate", corpus, "--data", DATA, "--results", kept, *recipe]
    done = subprocess.run([*map(str, command), "--seeds", str(SEEDS)], text=True, capture_output=True, check=False)
    print(done.stdout)

    assert done.returncode == 0, done.stderr[-3000:]


def test_the_default_recipe_ranks_rows_better_than_simple_detectors(kept: Path, tmp_path: Path) -> None:
    """On the rows of every NAB series with a window: area under the precision-recall curve, by point and by range."""
    if not (DATA / "nab").is_dir():
        pytest.skip(f"no {DATA / 'nab'}; set WATCHKEEPER_DATA to the folder that holds nab/")
    python = interpreter("aeon")
    series = [each for each in labelled_series.nab(DATA / "nab") if each.windows]
    asked = Asked(DATA, RECIPE, 0, 1, os.cpu_count() or 1)
    (scored,) = asked.each(score, series, "ranking")
    for number, (one, found) in enumerate(zip(series, scored, strict=True)):
        np.savez(tmp_path / f"{number}.npz", allow_pickle=False, **rows_of(one, found))
    done = subprocess.run([python, RANKING, tmp_path], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = {name: np.array(rows).mean(axis=0) for name, rows in json.loads(done.stdout.splitlines()[-1]).items()}

    ours = figures["default"]
    measures = [
        Measure(f"{name}, {kind}", (float(means[place]),), digits=3)
        for place, kind in enumerate(("AUC-PR", "VUS-PR"))
        for name, means in sorted(figures.items(), key=lambda item: item[0] != "default")
    ]
    results.keep(
        kept, results.read(kept), [Result("ranking", scored[0].recipe, scored[0].version, asked.seeds, measures)]
    )
    better = {name: means for name, means in figures.items() if name != "default" and (means >= ours).any()}
    assert better == {}


def score(job: Job) -> Scored:
    """One series by the product; called in another process."""
    assert isinstance(job.what, Series)
    return score_series(job.what, job.recipe, job.seed)


def rows_of(series: Series, scored: Scored) -> dict[str, np.ndarray]:
    """What `ranking` reads of a series; rows without a score of the product are the least anomalous to it."""
    values = scaled(pd.read_csv(series.path)["value"].to_numpy(np.float64), scored.learned)
    scores = {f"score_{name}": detect(values, scored.learned, 0) for name, detect in BASELINES.items()}
    return {
        "values": values, "learned": np.array(scored.learned), "anomalous": series.anomalous,
        "first": np.array(Labels(series.rows).probation),
        "score_default": np.nan_to_num(scored.ratio.astype(np.float64)), **scores,
    }  # fmt: skip
