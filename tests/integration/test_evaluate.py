"""`watchkeeper evaluate` on made-up corpora: its detections are the alerts that `watchkeeper score` writes."""

from __future__ import annotations

import json
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.cli.app import build
from monitor.cli.evaluation import drift, nab, skab
from monitor.cli.evaluation.asked import Job
from monitor.cli.evaluation.scored import score_series
from monitor.errors import NotJudgedError, SettingsError
from monitor.replay import labelled_series
from monitor.simulator.drifting import KINDS

RECIPES = ("plain", "default")


def watchkeeper(*arguments: object) -> str:
    """What a command prints, be it that too few rows were judged."""
    with redirect_stdout(StringIO()) as out, suppress(NotJudgedError):
        build().main(args=[*map(str, arguments)], standalone_mode=False)
    return out.getvalue()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NAB folder of two series: a sine with a step and many gaps, and noise with nothing; a SKAB folder of one."""
    folder, random = tmp_path_factory.mktemp("corpora"), np.random.default_rng(5)
    rows = 1200
    at = pd.date_range("2026-01-01", periods=rows, freq="5min")
    faulty = np.sin(np.arange(rows) / 11) + random.normal(0, 0.1, rows)
    faulty[700:720] += 6
    (folder / "nab" / "made").mkdir(parents=True)
    table = pd.DataFrame({"timestamp": at, "value": faulty})
    table.drop(index=[row for row in range(900, 1150) if row % 12 < 6]).to_csv(
        folder / "nab" / "made" / "step.csv", index=False
    )
    table.assign(value=random.normal(0, 1, rows)).to_csv(folder / "nab" / "made" / "noise.csv", index=False)
    labels = {"made/step.csv": [[str(at[690]), str(at[740])]], "made/noise.csv": []}
    (folder / "nab" / "windows.json").write_text(json.dumps(labels), encoding="utf-8")
    (folder / "skab" / "valve1").mkdir(parents=True)
    sick = np.arange(rows) // 100 % 7 == 6
    values = pd.DataFrame({name: random.normal(0, 1, rows) + 4 * sick for name in ("flow", "heat")})
    values.insert(0, "datetime", pd.date_range("2026-01-01", periods=rows, freq="s"))
    changes = np.abs(np.diff(sick.astype(float), prepend=0))
    labelled = values.assign(anomaly=sick * 1.0, changepoint=changes)
    labelled.to_csv(folder / "skab" / "valve1" / "0.csv", index=False, sep=";")
    return folder


def written(folder: Path, path: Path, *options: object) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What `score` writes, and its summary."""
    out = folder / "out.csv"
    summary = json.loads(watchkeeper("score", path, "--output", out, "--json", *options))
    return pd.read_csv(out), summary


@pytest.mark.parametrize("recipe", RECIPES)
def test_detections_are_the_anomaly_alerts_that_score_writes_and_no_others(
    corpora: Path, recipe: str, tmp_path: Path
) -> None:
    step, noise = labelled_series.nab(corpora / "nab")
    found = nab.judge(Job(step, recipe, 3))
    rows, summary = written(tmp_path, step.path, "--time", "timestamp", "--recipe", recipe, "--seed", 3)
    kinds = {alert["id"]: alert["kind"] for alert in summary["alerts"]}
    opened = [row for row in np.flatnonzero(rows["alert_opened"]) if kinds[rows["alert_id"][row]] == "anomaly"]

    assert found.opened.tolist() == opened
    assert found.repeats
    assert found.learned == summary["training_rows"]
    assert (found.tally.windows, found.tally.hits) == (1, 1)
    assert sum(kind != "anomaly" for kind in kinds.values()) == sum(found.others.values())
    quiet = nab.judge(Job(noise, recipe, 3))
    assert (quiet.tally.windows, quiet.tally.false) == (0, int((quiet.opened >= 0.15 * noise.rows).sum()))


def test_health_alerts_are_counted_apart(corpora: Path) -> None:
    """Between so many gaps hardly a window is whole: the stream is not scored, which is no anomaly."""
    step, _ = labelled_series.nab(corpora / "nab")
    scored = score_series(step, "plain", 0)

    assert scored.others.keys() == {"unscored"}
    assert (scored.opened < 900).all()
    assert not scored.alarmed[950:].any()


def test_leaving_out_a_part_or_the_policy_changes_what_opens(corpora: Path) -> None:
    step, _ = labelled_series.nab(corpora / "nab")
    found = nab.judge(Job(step, "default", 0))

    assert {"nothing", "record", "time of day", "detector", "refractory period", "alert budget"} <= found.varied.keys()
    assert found.varied["nothing"][1.0] == found.tally
    assert all(found.varied[way].keys() == set(nab.FACTORS) for way in found.varied)
    low, high = (found.varied["nothing"][factor] for factor in (nab.FACTORS[1], nab.FACTORS[-1]))
    assert low.hits + low.false > high.hits + high.false


def test_rows_of_skab_are_those_behind_the_learned_part(corpora: Path, tmp_path: Path) -> None:
    (series,) = labelled_series.skab(corpora / "skab")
    found = skab.judge(Job(series, "plain", 0))
    rows, _ = written(
        tmp_path, series.path, "--time", "datetime", "--values", "flow,heat", "--recipe", "plain", "--train-rows", 400
    )
    above, truth = (rows["ratio"][400:] > 1).to_numpy(), (rows["anomaly"][400:] == 1).to_numpy()

    assert found.above.true == int((above & truth).sum()) > 0
    assert found.above.false == int((above & ~truth).sum())
    assert found.points.found + found.points.missed == int(rows["changepoint"][400:].sum())


def test_the_command_keeps_results_and_shows_the_json_twin(corpora: Path, tmp_path: Path) -> None:
    kept = tmp_path / "quality.json"
    options = ("--data", corpora, "--seeds", 2, "--jobs", 1, "--recipe", "plain", "--results", kept)
    (found,) = json.loads(watchkeeper("evaluate", "nab", "--json", *options))

    assert (found["corpus"], found["recipe"], found["seeds"]) == ("nab", "plain", [0, 1])
    named = {measure["name"]: measure for measure in found["measures"]}
    assert named["windows hit of 1"]["values"] == [1.0, 1.0]
    assert json.loads(kept.read_text(encoding="utf-8")) == [found]
    titles = [table["title"].partition(" (")[0] for table in found["tables"]]
    assert titles == ["By category", "Removed", "Limit moved", "Beside it"]


def test_tables_with_labels_are_evaluated_by_name(corpora: Path) -> None:
    path = corpora / "skab" / "valve1" / "0.csv"
    shown = watchkeeper("evaluate", path, "--recipe", "plain", "--seeds", 1, "--jobs", 1)

    assert "files: plain 1" in shown
    assert "valve1/0" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nab",), "--data"), (("nab", "--data", "."), "no folder nab/"), ((), "name what to evaluate")],
)
def test_what_is_missing_is_named(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WATCHKEEPER_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=message):
        watchkeeper("evaluate", *arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_drift_opens_few_false_alerts_by_default(kind: str) -> None:
    """Every spike is above the limit; how many alerts the budget lets through is what `evaluate drift` measures."""
    found = drift.judge(Job(kind, "default", 0))

    assert found.false <= (3 if kind in drift.STEADY else 8)
    assert found.above >= 0.8
    assert 0 < found.share <= found.above
