"""aeon as scorer: AUC-PR and VUS-PR of scores of every row, and its k-means by the newest point. Argument: a folder.

Each .npz there is a series: `values` (n,) scaled, `learned` rows, `first` row that is ranked, `anomalous` (n,), and
`score_NAME` (n,) for each detector. Prints one line of JSON: by detector, the figures of each series.
"""

import json
import sys
from pathlib import Path

import numpy as np
from aeon.anomaly_detection.series.distance_based import KMeansAD
from aeon.benchmarking.metrics.anomaly_detection import pr_auc_score, range_pr_vus_score
from numpy.lib.stride_tricks import sliding_window_view

LENGTH = 24
BUFFER = 48  # rows: twice the window, instead of aeon's 500, which takes ten times as long


def k_means(values, learned):
    """Distance of the newest window to the nearest centre, with aeon's own number of clusters."""
    model = KMeansAD(window_size=LENGTH, random_state=0)
    model.fit(values[:learned])
    windows = sliding_window_view(np.concatenate([np.full(LENGTH - 1, values[0]), values]), LENGTH)
    return model.estimator_.transform(windows).min(axis=1)


found = {}
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    series = np.load(path)
    rows = slice(int(series["first"]), None)
    truth = series["anomalous"][rows].astype(int)
    scores = {name.removeprefix("score_"): series[name] for name in series if name.startswith("score_")}
    scores["k-means"] = k_means(series["values"], int(series["learned"]))
    for name, score in scores.items():
        ranked = score[rows]
        figures = pr_auc_score(truth, ranked), range_pr_vus_score(truth, ranked, max_buffer_size=BUFFER)
        found.setdefault(name, []).append([float(figure) for figure in figures])
print(json.dumps(found))
