import io
import json
import logging

import pytest
import structlog

from monitor.observability.logs import configure

log = structlog.get_logger()  # before any configuration, as modules do


@pytest.fixture(autouse=True)
def _restore() -> object:
    yield
    structlog.reset_defaults()


def test_json_lines_carry_event_values_level_and_time() -> None:
    out = io.StringIO()
    configure(json=True, stream=out)

    log.info("commit", rows=3, family="größe")

    line = json.loads(out.getvalue())
    assert {"event": "commit", "rows": 3, "family": "größe", "level": "info"}.items() <= line.items()
    assert line["time"].endswith("Z")


def test_text_is_key_value_without_colour_codes_off_a_terminal() -> None:
    out = io.StringIO()
    configure(json=False, stream=out)

    log.info("commit", rows=3)

    assert "commit" in out.getvalue()
    assert "rows=3" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_logged_traceback_never_shows_local_variables(as_json: bool) -> None:
    out = io.StringIO()
    configure(json=as_json, stream=out)
    password = "hunter" + str(2)

    try:
        _ = 1 / (len(password) - 7)
    except ZeroDivisionError:
        log.exception("failed")

    assert "ZeroDivisionError" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_lines_below_the_level_are_dropped() -> None:
    out = io.StringIO()
    configure(json=True, level=logging.WARNING, stream=out)

    log.info("commit")
    log.warning("late")

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["late"]
