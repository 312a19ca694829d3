"""What the recipe `default` keeps of each stream."""

from __future__ import annotations

import numpy as np

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns, Spec

FAMILY = Family.model_validate({"topic": "t", "interval": "10m", "window": {"length": 8}, "recipe": "default"})


def test_states_of_version_1_are_read_on() -> None:
    """They have no bands and no hours."""
    made = bootstrap.recipe(FAMILY)
    of_channel: Spec = (np.float64, (1,), 0.0)
    of_stream: Spec = (np.float64, (), 0.0)
    meaning = signature("default", 1, *FAMILY.shape.window, FAMILY.shape.hop, FAMILY.grid)
    layouts = {
        "companion.isolated": dict.fromkeys(("kept", "squares", "number"), of_channel),
        "detector.deviations": dict.fromkeys(("count", "total", "squares"), of_stream),
    }

    assert made.version == 2
    for name, spec in layouts.items():
        (saved,) = Section(Columns(spec), meaning).signed()
        assert saved in made.sections[name].signed()
