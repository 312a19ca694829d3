"""Series with labels, from the folders of benchmarks and from tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.errors import RecordError
from monitor.replay import labelled_series
from monitor.replay.labelled_series import stretches, table_series


def times(count: int) -> list[str]:
    return [str(each) for each in pd.date_range("2026-01-01", periods=count, freq="5min")]


def nab_folder(folder: Path, windows: list[list[str]]) -> Path:
    (folder / "kind").mkdir(parents=True)
    pd.DataFrame({"timestamp": times(20), "value": np.arange(20.0)}).to_csv(folder / "kind" / "one.csv", index=False)
    (folder / "windows.json").write_text(json.dumps({"kind/one.csv": windows}), encoding="utf-8")
    return folder


def test_nab_windows_are_rows_of_their_file(tmp_path: Path) -> None:
    at = times(20)
    (series,) = labelled_series.nab(nab_folder(tmp_path, [[at[3], at[5] + ".000000"], [at[10], at[10]]]))

    assert series.windows == ((3, 5), (10, 10))
    assert (series.name, series.group, series.rows, series.learned) == ("kind/one.csv", "kind", 20, None)
    assert np.flatnonzero(series.anomalous).tolist() == [3, 4, 5, 10]
    assert np.diff(series.stamps).tolist() == [300 * 10**9] * 19


def test_a_window_that_is_on_no_row_and_a_folder_without_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no row"):
        labelled_series.nab(nab_folder(tmp_path / "a", [["2026-01-01 00:01", "2026-01-01 00:10"]]))
    with pytest.raises(RecordError, match=r"windows\.json cannot be read"):
        labelled_series.nab(tmp_path)
    with pytest.raises(RecordError, match="no folder with experiments"):
        labelled_series.skab(tmp_path)


def test_skab_files_come_by_number_without_the_one_that_has_no_anomaly(tmp_path: Path) -> None:
    table = pd.DataFrame({"datetime": times(6), "flow": np.arange(6.0), "heat": 1, "anomaly": [0, 1, 1, 0, 1, 0]})
    table["changepoint"] = [0, 1, 0, 0, 0, 1.0]
    for name in ("valve1/10", "valve1/2", "anomaly-free/anomaly-free"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table.to_csv(tmp_path / f"{name}.csv", index=False, sep=";")
    found = labelled_series.skab(tmp_path)

    assert [each.name for each in found] == ["valve1/2", "valve1/10"]
    assert found[0].values == ("flow", "heat")
    assert (found[0].time, found[0].learned) == ("datetime", 400)
    assert found[0].windows == ((1, 2), (4, 4))
    assert found[0].changes == (1, 5)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_have_a_column_of_labels_of_any_name(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"note": "x", "at": times(4), "v": [1.0, 2, 3, 4], "bad": [0, 0, 2, 2]})
    path = tmp_path / f"t.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    series = table_series(path, "bad")

    assert (series.time, series.values, series.windows) == ("at", ("v",), ((2, 3),))


def test_tables_that_lack_a_column_or_cannot_be_read_are_explained(tmp_path: Path) -> None:
    pd.DataFrame({"v": [1.0, 2.0], "bad": [0, 1]}).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 256)))
    (tmp_path / "quote.csv").write_text('a,b\n"open,1\n2', encoding="utf-8")
    (tmp_path / "names.csv").write_text("time,v,bad\n", encoding="utf-8")
    (tmp_path / "labels.csv").write_text("time,bad\n2026-01-01,1\n", encoding="utf-8")

    for name, label, message in (
        ("t.csv", "anomaly", "no column anomaly"),
        ("t.csv", "bad", "no column with times"),
        ("broken.parquet", "bad", "cannot be read"),
        ("missing.csv", "bad", "cannot be read"),
        ("empty.csv", "bad", "cannot be read"),
        ("binary.csv", "bad", "cannot be read"),
        ("quote.csv", "bad", "cannot be read"),
        ("names.csv", "bad", "no column with times"),
        ("labels.csv", "bad", "no column with values"),
    ):
        with pytest.raises(RecordError, match=message):
            table_series(tmp_path / name, label)


def test_stretches_of_flags() -> None:
    assert stretches(np.zeros(3, bool)) == ()
    assert stretches(np.ones(3, bool)) == ((0, 2),)
    assert stretches(np.array([1, 0, 1, 1, 0], bool)) == ((0, 0), (2, 3))


def test_zones_are_converted_and_a_time_that_is_none_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"2026-01-{day:02} 00:00:00,1,0" for day in range(2, 14)]
    path.write_text("\n".join(["at,v,anomaly", "2026-01-01T01:00+01:00,1,0", *rows, "never,2,1"]), encoding="utf-8")
    series = table_series(path, "anomaly")

    assert series.stamps[0] == np.datetime64("2026-01-01", "ns").astype(np.int64)
    assert series.windows == ((13, 13),)
