"""A family's history becomes its champion, or a challenger of the one that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog

from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.pipeline.scoring.recipe import Recipe
from monitor.ports.models import ModelRow
from monitor.training import fit
from monitor.training.challenger import Decision, decide
from monitor.training.labels import Labelled
from monitor.training.model_library import ModelLibrary
from monitor.training.trial import Model, Trial

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Making(NamedTuple):
    """How models of a family are made and used: an untrained detector, its normal scores, and a new recipe."""

    create: Callable[[], fit.Trainable]
    normal: fit.NormalScores
    fresh: Callable[[], Recipe]


def train_family(
    library: ModelLibrary,
    name: str,
    family: Family,
    history: Iterable[fit.Named],
    create: Callable[[], fit.Trainable],
    normal: fit.NormalScores,
) -> ModelRow:
    """Fit a detector to the history of family `name`, record it and make it the champion. Raises ModelError."""
    row = library.keep(name, family, *fit.train(family, history, create, normal))
    library.registry.promote(name, row.id, "trained")
    return row


def challenge(
    library: ModelLibrary,
    name: str,
    family: Family,
    history: Sequence[fit.Named],
    making: Making,
    labelled: Labelled | None = None,
) -> tuple[ModelRow, Decision]:
    """Fit a detector to the history, and make it the champion unless it does worse than the present one.

    `labelled` is what people judged of the past: it is tried on that, too.
    A champion that cannot be used any more is replaced without a trial. One that is refused stays a candidate, and the
    reason is a line of its life. Raises ModelError where nothing can be trained.
    """
    detector, profiles = fit.train(family, history, making.create, making.normal)
    row = library.keep(name, family, detector, profiles)
    decision, champion = Decision(""), _champion(library, name, family)
    if champion is not None and champion.id != row.id:
        trial = Trial(family, making.fresh, history, champion.profiles)
        challenger = Model(row.id, detector, profiles)
        decision = decide(champion, challenger, trial)
        if labelled is not None and not decision.refused:
            refused, judged = labelled.refusal(family, making.fresh, champion, challenger)
            decision = decision._replace(refused=refused, judged=judged)
            if labelled.given:
                log.info("verdicts_tried", family=name, model=row.id, **judged._asdict())
    if decision.refused:
        library.registry.note(name, row.id, f"refused: {decision.refused}")
    else:
        library.registry.promote(name, row.id, "trained again" if champion is not None else "trained")
    return row, decision


def _champion(library: ModelLibrary, name: str, family: Family) -> Model | None:
    """The model that scores the family, if there is one that can."""
    row = library.registry.champion(name)
    if row is None:
        return None
    try:
        return Model(row.id, *library.load(row, family))
    except ModelError:
        return None
