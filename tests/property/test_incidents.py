"""Which alerts make one incident, against a sweep over all of them, for any cut into commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.incidents import LONGEST, Grouped, regroup
from monitor.alerts.lifecycle import merge_facts
from monitor.records.alerts import Alert, Fact, FactKind, Severity
from monitor.records.incidents import Grouping, IncidentState, incident_id
from tests.store_rows import alert, fact

STEP = 60 * 10**9
RULE = Grouping(within=5 * STEP, wait=STEP, groups={"north": ["n-*"]})
NOW = 7
lives = st.lists(
    st.tuples(
        st.sampled_from(["m-", "n-", "x-"]),
        st.one_of(st.integers(0, 40), st.integers(0, 60).map(lambda hours: 60 * hours)),  # minutes at which it opens
        st.one_of(st.none(), st.integers(0, 30), st.just(25 * 60)),  # and for which it is open
        st.booleans(),
    ),
    max_size=12,
)


def alerts(of: list[tuple[str, int, int | None, bool]]) -> list[Alert]:
    found = []
    for i, (name, opens, lasts, critical) in enumerate(of):
        family = "pumps" if name == "x-" else "machines"
        opened = alert("live", f"{name}{i}", opens * STEP, family)
        end = None if lasts is None else (opens + lasts) * STEP
        found.append(replace(opened, severity=Severity.CRITICAL if critical else Severity.WARNING, resolved_at=end))
    return found


def facts_of(of: Alert) -> list[Fact]:
    opened = fact(replace(of, resolved_at=None))
    return [opened] if of.resolved_at is None else [opened, fact(of, FactKind.CLEARED, of.resolved_at)]


class Kept:
    """Alerts, incidents and members, as a store keeps them."""

    def __init__(self) -> None:
        self.alerts: dict[UUID, Alert] = {}
        self.recorded: dict[UUID, dict[UUID, int]] = {}
        self.known = Grouped()

    def commit(self, facts: Sequence[Fact]) -> None:
        merged = merge_facts(facts, self.alerts, self.recorded)
        self.known.before = {id_: row.state for id_, row in self.alerts.items() if id_ in self.known.members}
        regroup(merged, self.known, RULE, NOW)
        for each in merged:
            self.alerts[each.alert.id] = each.alert
            for change, _ in each.changes:
                self.recorded.setdefault(each.alert.id, {})[change.id] = change.number

    def partition(self) -> dict[UUID, set[UUID]]:
        found: dict[UUID, set[UUID]] = {}
        for member in self.known.members.values():
            found.setdefault(member.incident, set()).add(member.alert)
        return found


def swept(of: list[Alert]) -> dict[UUID, set[UUID]]:
    """One pass over all alerts of a group by opening: what overlaps the span of the newest incident belongs to it."""
    found: dict[UUID, set[UUID]] = {}
    for group in ("machines", "pumps", "north"):
        begins, reach, id_ = -(10**30), -(10**30), UUID(int=0)
        ours = (each for each in of if RULE.group(each.family, each.stream) == group)
        for each in sorted(ours, key=lambda each: (each.opened_at, each.id)):
            if each.opened_at > min(reach, begins + LONGEST):
                begins, reach = each.opened_at, each.opened_at
                id_ = incident_id("live", group, begins)
            end = 10**30 if each.resolved_at is None else each.resolved_at
            reach = max(reach, each.opened_at + RULE.within, end)
            found.setdefault(id_, set()).add(each.id)
    return found


@given(lives, st.lists(st.integers(1, 7), max_size=20), st.booleans())
def test_any_cut_into_commits_gives_the_incidents_of_a_sweep(
    of: list[tuple[str, int, int | None, bool]], sizes: list[int], again: bool
) -> None:
    made = alerts(of)
    facts = sorted((each for one in made for each in facts_of(one)), key=lambda each: (each.at, each.kind == "cleared"))
    kept, start = Kept(), 0
    for size in [*sizes, len(facts) + 1]:
        kept.commit(facts[start : start + size])
        if again:  # a commit whose answer was lost comes again
            kept.commit(facts[start : start + size])
        start += size
    assert kept.partition() == swept(made)
    check(kept)


@given(lives, st.randoms(use_true_random=False))
def test_in_any_order_every_alert_has_a_place_and_the_numbers_are_right(
    of: list[tuple[str, int, int | None, bool]], random: Random
) -> None:
    made = alerts(of)
    facts = [each for one in made for each in facts_of(one)]
    random.shuffle(facts)
    kept = Kept()
    for each in facts:
        kept.commit([each])
    assert kept.known.members.keys() == {each.id for each in made}
    check(kept)


@given(st.permutations([(i, None if i % 3 else 10 + i) for i in range(8)]))
def test_a_trip_is_one_incident_in_any_order(of: list[tuple[int, int | None]]) -> None:
    kept = Kept()
    for each in alerts([("m-", opens, lasts, False) for opens, lasts in of]):
        for one in facts_of(each):
            kept.commit([one])
    assert len(kept.partition()) == 1


def check(kept: Kept) -> None:
    """What an incident says of its members is so."""
    for id_, members in kept.partition().items():
        incident, rows = kept.known.incidents[id_], [kept.alerts[each] for each in members]
        ends = [row.resolved_at for row in rows if row.resolved_at is not None]
        standing = [row for row in rows if row.state != "resolved"]
        assert (incident.members, incident.open) == (len(rows), len(standing))
        assert incident.opened_at == min(row.opened_at for row in rows)
        assert incident.newest_at == max(row.opened_at for row in rows)
        assert incident.ended_at == max(ends, default=None)
        assert incident.severity == max((row.severity for row in rows), key=list(Severity).index)
        assert incident.state == (IncidentState.OPEN if standing else IncidentState.RESOLVED)
        assert incident.due_at == NOW + STEP
        assert incident.newest_at - incident.opened_at <= LONGEST
