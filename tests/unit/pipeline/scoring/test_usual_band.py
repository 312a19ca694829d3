"""The band in which readings usually lie, and how evidence says it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.notify.causes import causes, compared
from monitor.pipeline.scoring.usual_band import Usual, band
from monitor.records.alerts import Band, Evidence
from tests.store_rows import alert, evidence

DAY = np.array([[10, 0], [20, 0], [10, 0]], np.float32)


def test_the_band_follows_the_day_and_knows_what_it_does_not_know() -> None:
    found = band(Usual(np.zeros(2), np.array([0.5, np.nan])), DAY, 3)
    assert found is not None
    assert found.low[:, 0].tolist() == [8.5, 18.5, 8.5]
    assert found.high[:, 0].tolist() == [11.5, 21.5, 11.5]
    assert np.isnan(found.low[:, 1]).all()
    assert np.isnan(found.high[:, 1]).all()


def test_there_is_none_where_nothing_is_known_or_no_number_holds_it() -> None:
    nothing, wide = np.full(2, np.nan), np.full(2, 2e38)
    assert band(Usual(np.zeros(2), np.zeros(2)), DAY, 3) is None
    assert band(Usual(nothing, np.ones(2)), None, 3) is None
    assert band(Usual(np.zeros(2), wide), None, 3) is None


def _judged(band: Band | None) -> Evidence:
    return replace(evidence(alert()), band=band)


def test_a_reading_is_compared_with_its_band_in_words() -> None:
    known = Band(np.full((3, 2), 9.8, np.float32), np.full((3, 2), 10.6, np.float32))
    hourly = replace(_judged(known), components={"time of day": 1.0})
    assert compared(causes(hourly)[0]) == ", usually 9.8 to 10.6 at this hour"
    assert compared(causes(_judged(known))[0]) == ", usually 9.8 to 10.6"
    assert compared(causes(_judged(None))[0]) == ", expected 4"
    wide = Band(np.full((3, 2), 2, np.float32), np.full((3, 2), 10.6, np.float32))
    assert compared(causes(_judged(wide))[0]) == ", expected 4, usually 2 to 10.6"
    unknown = Band(*np.full((2, 3, 2), np.nan, np.float32))
    assert compared(causes(_judged(unknown))[0]) == ", expected 4"
    assert compared(causes(replace(_judged(None), reconstruction=None))[0]) == ""
