"""What a replay repeats of the lives of the live run's alerts.

Facts are found again by the replay; commands of people are taken from the record, and so are timers where the rules of
the alert are still what they were. An alert of the replay is the same as one of the record where stream, kind, channel
and opening are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from monitor.alerts.lifecycle import Terms
from monitor.alerts.repeating import Elapsed, Step, command_id
from monitor.alerts.states import LONGEST_SHELF
from monitor.alerts.timers import OVER
from monitor.records.alerts import AlertState, Command, CommandKind, Fact, FactKind, TimerKind, TimerRules, Transition
from monitor.records.recorded_lives import RecordedLife, RecordedLives, key_of

Rules = Mapping[str, TimerRules]  # timers of the replay, by family


def terms(fact: Fact, recorded: RecordedLives, rules: Rules) -> Terms:
    """What holds for the alert that opens with a fact: as for the same one of the live run.

    It has no timers by itself where they come from the record.
    """
    ours, life = rules.get(fact.family, TimerRules()), recorded.get(key_of(fact))
    if life is None or not life.changes:
        return Terms(ours)
    return _brought(life)._replace(rules=TimerRules() if ours == _rules(life) else ours)


def due(facts: Iterable[Fact], recorded: RecordedLives, rules: Rules) -> dict[UUID, list[Step]]:
    """What comes behind these facts, by alert of the replay; where one is cleared, all that is left.

    What was carried out before is given again, and changes nothing then.
    """
    by_alert: dict[UUID, list[Fact]] = {}
    for fact in facts:
        by_alert.setdefault(fact.alert, []).append(fact)
    found = {id_: _due(some, recorded.get(key_of(some[0])), rules) for id_, some in by_alert.items()}
    return {id_: steps for id_, steps in found.items() if steps}


def ids(alert: UUID, steps: Iterable[Step]) -> set[UUID]:
    """Those that commands among the steps have in the replay."""
    return {command_id(alert, step.cause.id) for step in steps if isinstance(step.cause, Command)}


def _due(facts: Sequence[Fact], life: RecordedLife | None, rules: Rules) -> list[Step]:
    if life is None:
        return []
    same_rules = rules.get(facts[0].family, TimerRules()) == _rules(life)
    newest, over = max(fact.at for fact in facts), any(fact.kind is FactKind.CLEARED for fact in facts)
    return [step for step in _steps(life) if (step.behind <= newest or over) and (same_rules or not _is_of_rules(step))]


def _rules(life: RecordedLife) -> TimerRules:
    return TimerRules(life.alert.escalate_after, life.alert.repeat_every)


def _is_of_rules(step: Step) -> bool:
    return isinstance(step.cause, Elapsed) and step.cause.kind is not TimerKind.RETURNED


def _steps(life: RecordedLife) -> Iterator[Step]:
    behind = life.alert.opened_at
    for change, command in life.changes:
        if isinstance(change.cause, FactKind):
            behind = max(behind, change.at)
        elif isinstance(change.cause, TimerKind):
            yield Step(behind, Elapsed(change.cause, change.at, change.note))
        else:
            yield Step(behind, _by_hand(change) if command is None else command)


def _by_hand(change: Transition) -> Command:
    """The command of a change that was written with SQL alone."""
    kind = CommandKind(change.cause)
    return Command(
        id=change.id, alert=change.alert, kind=kind, by=change.actor, at=change.at, effective=change.at,
        note=change.note,
    )  # fmt: skip


def _brought(life: RecordedLife) -> Terms:
    """What an alert was when it opened, by its changes until a person shelved it."""
    alert, before = life.alert, []
    for change, _ in life.changes:
        if change.cause is CommandKind.SHELVE:
            break
        before.append(change)
    out = bool(before) and before[0].state is AlertState.OUT_OF_SERVICE
    found = Terms(out_of_service=(alert.out_of_service or alert.opened_at) if out else None)
    if not any(change.state is AlertState.SHELVED for change in before):
        return found
    back = (change.at for change in before if change.cause is TimerKind.RETURNED and change.note == OVER)
    until = next(back, alert.shelved_until or alert.opened_at + LONGEST_SHELF)
    return found._replace(shelved_until=until, shelved_by=alert.shelved_by)
