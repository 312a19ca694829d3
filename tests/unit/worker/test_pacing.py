"""When a worker commits, polls and checks models: every rule by the clock of the test, without waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pipeline.loop import POLL_S
from monitor.worker.pacing import (
    ALERT_PAUSE_FACTOR,
    BACKLOG_PAUSE_FACTOR,
    COMMIT_POLL_S,
    MAX_COMMIT_S,
    MODEL_CHECK_S,
    CommitPacer,
)

INTERVAL = 0.5


@dataclass
class Building:
    """The commit being built."""

    dirty: bool = False
    full: bool = False
    urgent: bool = False
    has_history: bool = False
    has_ready: bool = False


@dataclass
class Flight:
    """The commit in flight."""

    busy: bool = False
    finished: bool = False
    took: float = 0.0


@dataclass
class World:
    """A pacer at some time after its start, with nothing to write."""

    now: float = 1000.0
    building: Building = field(default_factory=Building)
    flight: Flight = field(default_factory=Flight)

    def __post_init__(self) -> None:
        self.pacer = CommitPacer(self.building, self.flight, INTERVAL, lambda: self.now)

    def poll(self, *, caught_up: bool = False, records: int = 1) -> None:
        self.pacer.polled(caught_up=caught_up, records=records)
        self.building.dirty |= records > 0

    def commit(self, took: float, prepared: float = 0.0) -> None:
        """Build and write a commit; it is durable `took` seconds later."""
        self.pacer.commit_started(prepared)
        self.building.dirty = self.building.urgent = self.building.full = False
        self.flight.busy, self.flight.finished = True, False
        self.now += took
        self.flight.took, self.flight.finished = took, True
        self.flight.busy = False
        self.pacer.commit_durable()

    def due_after(self) -> float:
        """Seconds until a commit is due, where no poll brings anything."""
        began = self.now
        while not self.pacer.commit_due():
            self.now += max(self.pacer.poll_timeout(), 1e-6)
            assert self.now < began + 1000
        passed, self.now = self.now - began, began
        return passed


@pytest.fixture
def world() -> World:
    return World()


def test_with_nothing_to_write_no_commit_is_due(world: World) -> None:
    world.poll(records=0)
    world.now += 1e6
    assert not world.pacer.commit_due()
    assert world.pacer.poll_timeout() == POLL_S


def test_the_interval_begins_with_the_first_record(world: World) -> None:
    world.now += 100
    world.poll()
    world.now += 0.3
    world.poll()
    assert world.pacer.poll_timeout() == pytest.approx(INTERVAL - 0.3)
    assert not world.pacer.commit_due()
    world.now += INTERVAL - 0.3
    assert world.pacer.commit_due()
    assert world.pacer.poll_timeout() == 0


def test_an_idle_check_alone_is_committed_at_once(world: World) -> None:
    """It brings no record, so no interval begins: an alert of a silent stream does not wait."""
    world.poll(records=0)
    world.building.dirty = True
    assert world.pacer.commit_due()


def test_a_long_interval_never_makes_a_long_poll() -> None:
    world = World()
    world.pacer = CommitPacer(world.building, world.flight, 3600.0, lambda: world.now)
    world.poll()
    assert world.pacer.poll_timeout() == POLL_S


def test_an_alert_does_not_wait_for_the_interval(world: World) -> None:
    world.poll()
    world.building.urgent = True
    assert world.pacer.commit_due()


def test_a_full_commit_is_due_whatever_the_clock_says(world: World) -> None:
    world.commit(took=5.0)
    world.poll()
    world.building.full = world.flight.busy = True
    assert world.pacer.commit_due()
    assert world.pacer.poll_timeout() == 0


@pytest.mark.parametrize("urgent", [False, True])
def test_a_backlog_leaves_time_between_commits(world: World, urgent: bool) -> None:
    """Also where a commit took longer than the interval; building it counts."""
    world.commit(took=1.0, prepared=0.5)
    world.poll()
    world.building.urgent = urgent
    factor = ALERT_PAUSE_FACTOR if urgent else BACKLOG_PAUSE_FACTOR
    assert world.due_after() == pytest.approx(factor * 1.5, abs=1e-3)


def test_the_pause_counts_from_when_the_commit_was_durable(world: World) -> None:
    world.commit(took=1.0)
    world.now += 3.0
    world.poll()
    assert world.due_after() == pytest.approx(BACKLOG_PAUSE_FACTOR * 1.0 - 3.0, abs=1e-3)


def test_the_interval_holds_where_commits_are_fast(world: World) -> None:
    world.commit(took=0.01)
    world.poll()
    assert world.due_after() == pytest.approx(INTERVAL, abs=1e-3)


def test_a_process_that_was_suspended_in_a_commit_does_not_pause_for_hours(world: World) -> None:
    world.commit(took=3600.0)
    world.poll()
    assert world.due_after() == pytest.approx(BACKLOG_PAUSE_FACTOR * MAX_COMMIT_S, abs=1e-3)


@pytest.mark.parametrize("urgent", [False, True])
def test_who_has_caught_up_does_not_pause(world: World, urgent: bool) -> None:
    world.commit(took=5.0)
    world.poll(caught_up=True)
    world.building.urgent = urgent
    assert world.due_after() == pytest.approx(0 if urgent else INTERVAL, abs=1e-3)
    world.poll(caught_up=False)
    assert world.due_after() > 4


def test_after_a_step_down_nothing_is_left_of_the_pause(world: World) -> None:
    world.commit(took=5.0)
    world.pacer.restart()
    world.poll()
    assert world.due_after() == pytest.approx(INTERVAL, abs=1e-3)


def test_while_a_commit_is_in_flight_the_next_one_grows(world: World) -> None:
    world.poll()
    world.now += INTERVAL
    world.flight.busy = True
    assert not world.pacer.commit_due()
    assert world.pacer.poll_timeout() == COMMIT_POLL_S  # not 0: the thread that writes needs Python, too
    world.flight.finished = True
    assert world.pacer.commit_due()


def test_a_poll_waits_for_the_interval_although_a_commit_is_in_flight(world: World) -> None:
    world.flight.busy = True
    world.poll()
    assert world.pacer.poll_timeout() == INTERVAL


def test_models_are_checked_at_the_start_and_then_every_few_seconds(world: World) -> None:
    assert world.pacer.model_check_due()
    world.pacer.models_checked()
    world.now += MODEL_CHECK_S - 0.01
    assert not world.pacer.model_check_due()
    world.now += 0.01
    assert world.pacer.model_check_due()


@pytest.mark.parametrize("due", [False, True])
@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("ready", [False, True])
def test_when_models_may_be_checked(due: bool, busy: bool, dirty: bool, history: bool, ready: bool) -> None:
    """Only while the store is free and has all training data: at once when nothing is to be written, else when due."""
    world = World(building=Building(dirty=dirty, has_history=history, has_ready=ready), flight=Flight(busy=busy))
    if not due:
        world.pacer.models_checked()
    assert world.pacer.model_check_possible() == (not busy and (not dirty or (due and not history)))
    assert world.pacer.model_check_follows() == (ready or (due and history))


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.booleans(), st.floats(0, 20)), min_size=1, max_size=30),
)
def test_any_course_of_events_keeps_the_bounds(turns: list[tuple[float, bool, bool, float]]) -> None:
    """A poll waits between 0 and `POLL_S`; a dirty commit is due at last; in a backlog commits take a fifth at most."""
    world, spent, began = World(), 0.0, 1000.0
    for passed, caught_up, urgent, took in turns:
        world.poll(caught_up=caught_up)
        world.building.urgent = urgent
        assert 0 <= world.pacer.poll_timeout() <= POLL_S
        assert (world.pacer.poll_timeout() == 0) == world.pacer.commit_due()
        world.now += passed
        waited = world.due_after()
        assert waited <= INTERVAL + BACKLOG_PAUSE_FACTOR * MAX_COMMIT_S
        world.now += waited
        if not (caught_up or urgent) and spent <= MAX_COMMIT_S:
            assert world.now - began >= BACKLOG_PAUSE_FACTOR * spent - 1e-3
        world.commit(took)
        spent, began = took, world.now
