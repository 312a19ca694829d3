"""Comparing alerts with the simulator's truth."""

from __future__ import annotations

import pytest

from monitor.demo.findings import compare
from monitor.records.alerts import Alert, alert_id
from monitor.simulator.truth import Fault

SECOND = 10**9
REACH = {"temperature": 900 * SECOND, "ecg": SECOND}


def _alert(opened: int, last: int, stream: str = "m-01", family: str = "temperature") -> Alert:
    return Alert(
        id=alert_id("live", family, stream, opened), run="live", family=family, stream=stream,
        opened_at=opened * SECOND, started_at=(opened - 900) * SECOND, last_at=last * SECOND,
        peak_ratio=2.0, peak_at=opened * SECOND,
    )  # fmt: skip


def _fault(start: int, end: int, stream: str = "m-01", kind: str = "spike") -> Fault:
    return Fault(start * SECOND, end * SECOND, stream, kind)


def test_an_alert_during_a_fault_finds_it() -> None:
    alert = _alert(1010, 1500)
    found = compare({"temperature": [_fault(1000, 1030)]}, [alert], REACH)

    assert [finding.alert for finding in found.findings] == [alert]
    assert found.findings[0].delay == 10 * SECOND
    assert (found.found, found.detectable, found.false) == (1, 1, ())
    assert found.example == alert


@pytest.mark.parametrize(("opened", "hit"), [(1930, True), (1931, False)])
def test_an_alert_may_open_as_long_as_a_window_holds_the_fault(opened: int, hit: bool) -> None:
    found = compare({"temperature": [_fault(1000, 1030)]}, [_alert(opened, opened)], REACH)

    assert found.found == hit
    assert len(found.false) == (not hit)


@pytest.mark.parametrize(("last", "hit"), [(1000, True), (999, False)])
def test_an_alert_that_is_open_already_finds_the_fault_at_once(last: int, hit: bool) -> None:
    found = compare({"temperature": [_fault(1000, 1030)]}, [_alert(500, last)], REACH)

    assert found.found == hit
    assert found.findings[0].delay == (0 if hit else None)


def test_other_streams_and_families_do_not_count() -> None:
    alerts = [_alert(1010, 1500, stream="m-02"), _alert(1010, 1500, family="ecg")]
    found = compare({"temperature": [_fault(1000, 1030)]}, alerts, REACH)

    assert found.found == 0
    assert set(found.false) == set(alerts)


def test_the_first_of_several_alerts_counts_and_none_of_them_is_false() -> None:
    first, second = _alert(1010, 1100), _alert(1200, 1300)
    found = compare({"temperature": [_fault(1000, 1250)]}, [second, first], REACH)

    assert found.findings[0].alert == first
    assert found.false == ()


def test_a_dropout_cannot_be_found_and_an_alert_about_it_is_not_false() -> None:
    alert = _alert(1010, 1100)
    found = compare({"temperature": [_fault(1000, 1250, kind="dropout")]}, [alert], REACH)

    assert (found.detectable, found.found, found.false) == (0, 0, ())


def test_families_are_told_apart_in_order_of_time() -> None:
    truth = {
        "temperature": [_fault(3000, 3010), _fault(1000, 1030)],
        "ecg": [_fault(5, 8, "ecg-01", "stuck")],
    }
    found = compare(truth, [_alert(6, 9, "ecg-01", "ecg"), _alert(9000, 9001)], REACH)

    assert [finding.fault.start // SECOND for finding in found.findings] == [1000, 3000, 5]
    assert (found.of("ecg").found, found.of("ecg").false) == (1, ())
    assert (found.of("temperature").found, len(found.of("temperature").false)) == (0, 1)
