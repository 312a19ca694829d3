"""Alerts as they would have opened with other parts and limits."""

from __future__ import annotations

import numpy as np

from monitor.cli.evaluation.recorded import Recorder, Verdicts
from monitor.config.durations import Span
from monitor.config.families import Alerts
from monitor.pipeline.scoring.recipe import Judged
from monitor.records.batches import Float32, Scores, Windows

RULE = Alerts(open_count=1, open_of=1, resolve_after=1, quiet_after=Span(count=3), rise=0.2)


def judged(first: int, parts: dict[str, list[float]], limit: float = 2.0) -> tuple[Windows, Judged]:
    """Windows 10 ns apart; the score is the sum of the parts."""
    columns = {name: np.array(values, np.float32) for name, values in parts.items()}
    score: Float32 = np.nansum(np.stack([*columns.values()]), axis=0)
    end = np.int64(10) * (first + 1 + np.arange(len(score)))
    none = np.zeros(len(score), np.int32)
    limits = np.full(len(score), limit, np.float32)
    scores = Scores(none, end - 10, end, score, limits, score / limits, none.astype(np.float32), none.astype(np.uint8))
    windows = Windows(none, end - 10, end, np.zeros((len(score), 1, 1), np.float32), none.astype(np.float32))
    return windows, Judged(scores, windows, columns)


def test_a_part_removed_and_a_part_alone_make_up_the_whole() -> None:
    verdicts = Verdicts.of("plain", [judged(0, {"a": [1, 2], "b": [3, np.nan]}), judged(2, {"a": [4.0]})])

    assert verdicts.ratio.tolist() == [2.0, 1.0, 2.0]
    assert verdicts.without("b").tolist() == [0.5, 1.0, 2.0]
    assert verdicts.alone("a").tolist() == [0.5, 1.0, 2.0]
    assert np.array_equal(verdicts.alone("b"), [1.5, np.nan, np.nan], equal_nan=True)
    assert verdicts.without("a").tolist() == [1.5, 0.0, 0.0]


def test_alerts_open_again_by_the_rule_of_the_family() -> None:
    """Ratios 1.5 at the first, third and sixth window, 1.15 at the last: that is below the bar of the budget."""
    verdicts = Verdicts.of("plain", [judged(0, {"a": [3, 0, 3, 0, 0, 3, 0, 0, 0, 0, 2.3]})])

    def opened(**changed: object) -> list[int]:
        ends: list[int] = verdicts.opened(verdicts.ratio, RULE.model_copy(update=changed)).tolist()
        return ends

    assert opened() == [10, 60]
    assert opened(quiet_after=Span(count=0)) == [10, 30, 60]
    assert opened(quiet_after=Span(count=0), rise=0.0) == [10, 30, 60, 110]
    assert verdicts.opened(verdicts.ratio / 2, RULE).tolist() == []


def test_windows_without_a_verdict_stay_without_one() -> None:
    whole = judged(0, {"a": [3, 3]})
    whole[1].scores.ratio[1] = np.nan
    verdicts = Verdicts.of("plain", [whole])

    assert np.isnan(verdicts.without("a")[1])
    assert np.isnan(verdicts.alone("a")[1])


def test_batches_without_windows_are_nothing_opened() -> None:
    verdicts = Verdicts.of("plain", [judged(0, {"a": []})])

    assert len(verdicts.ratio) == 0
    assert verdicts.opened(verdicts.ratio, RULE).tolist() == []


def test_a_recorder_hands_on_what_the_recipe_says() -> None:
    class Fixed:
        name = "fixed"

        def judge(self, windows: Windows) -> Judged:
            return judged(0, {"a": [1.0] * len(windows)})[1]

    recorder = Recorder(Fixed())  # type: ignore[arg-type]  # as much of a recipe as is asked here
    made, _ = judged(0, {"a": [1.0, 2.0]})

    assert recorder.name == "fixed"
    assert len(recorder.judge(made).scores.end) == 2
    assert [len(windows) for windows, _ in recorder.judged] == [2]
