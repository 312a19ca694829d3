"""The pictures of the documents are what their scripts draw today, and show what the text says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
NUMBER = re.compile(r"(?<=[MLv \"])-?\d+")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PICTURES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_plain_goes_blind_after_a_burst_and_default_does_not() -> None:
    drawing = script("blind_after_burst")
    values, plain, default = shown = drawing.panels()
    surge = slice(drawing.SURGE.start, drawing.SURGE.stop + 12)

    assert values.values[drawing.BURST].mean() > 7
    assert plain.anomalies == ()
    assert np.nanmax(plain.values[surge] / plain.limit[surge]) < 0.9
    assert default.anomalies[0] in range(drawing.SURGE.start, drawing.SURGE.stop)
    assert np.nanmax(default.values[surge] / default.limit[surge]) > 1.2
    assert len(default.anomalies) < 60

    drawn, kept = drawing.svg(shown), (PICTURES / "blind_after_burst.svg").read_text(encoding="utf-8")
    assert NUMBER.sub("", drawn) == NUMBER.sub("", kept)  # run the script again where this fails
    pixels = [np.array(NUMBER.findall(picture), int) for picture in (drawn, kept)]
    assert np.abs(pixels[0] - pixels[1]).max() <= 2
