"""A full inbox costs no more per event than a small one: the events that a decision looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from grctl.models import WaitForEvent
from grctl.models.run import WorkflowRun
from grctl_operator.engine import (
    Decision,
    Dispatch,
    Event,
    Events,
    Executions,
    decide,
    urgency_of_outcomes,
)
from grctl_operator.engine.invariants import check_decision
from grctl_operator.engine.observation import group_events
from tests.engine.builders import (
    NOON,
    at,
    brought,
    event,
    every,
    execution,
    executions,
    finished_run,
    runs,
    status_of,
    view,
    waiting_run,
    with_status,
    worker,
    written,
)

FULL, SMALL = 10_000, 200
HANDLED = ("approve", "comment")
WORKERS = [worker(events=HANDLED, free=9)]


@dataclass
class Counter:
    looked_at: int = 0


@dataclass
class Counted(dict[str, Event]):
    """Events by their uids; it counts those that are read one after the other."""

    counter: Counter = field(default_factory=Counter)

    def values(self) -> Any:
        for each in super().values():
            self.counter.looked_at += 1
            yield each

    def __iter__(self) -> Iterator[str]:
        for each in super().__iter__():
            self.counter.looked_at += 1
            yield each


class FullInbox:
    """An inbox of which every hundredth event is an approval; the others are comments."""

    def __init__(self, size: int, names: Sequence[str] = ("approve", "comment")) -> None:
        rare, common = names
        kinds = [rare if place % 100 == 50 else common for place in range(size)]
        waiting = [event(kind, f"e{place}", place=place) for place, kind in enumerate(kinds, 1)]
        self.counter = Counter()
        self.by_uid = self._counted({each.uid: each for each in waiting})
        self.groups = {key: self._counted(each) for key, each in group_events(waiting).items()}

    def _counted(self, events: dict[str, Event]) -> Counted:
        counted = Counted(self.counter)
        counted.update(events)
        return counted

    def events(self, run: WorkflowRun, listed_at: datetime | None = None) -> Events:
        known = view(run, listed_at=listed_at)
        return replace(known, by_uid=self.by_uid, groups=self.groups)

    def remove(self, gone: Event) -> None:
        del self.by_uid[gone.uid]
        del self.groups[gone.group][gone.uid]

    def looked_at(self) -> int:
        """Count the events that were looked at since it was asked last."""
        count, self.counter.looked_at = self.counter.looked_at, 0
        return count

    def decided(
        self, run: WorkflowRun, held: Executions | None = None, now: datetime = NOON
    ) -> Decision:
        events = self.events(run, listed_at=now)
        held = held or executions(workers=WORKERS)
        decision = decide(run, events, held, now)
        check_decision(run, decision, events, now)
        urgency_of_outcomes(run, events, held)
        return decision


def choosing_run(**wait: Any) -> WorkflowRun:
    return waiting_run(takes=["approve"], status={"event_names": HANDLED}, **wait)


def handle_next(inbox: FullInbox, run: WorkflowRun) -> tuple[WorkflowRun, Event]:
    """Dispatch the next event, let it run, commit it, and show it as settled."""
    (sent,) = every(Dispatch, inbox.decided(run).before)
    assert sent.event is not None
    made = execution(run, sent.event)
    run = written(run, inbox.decided(run, executions(runs(made), workers=WORKERS)))
    done = brought(made, WaitForEvent(events=("approve",)))
    quick = replace(done, took=timedelta(seconds=0.01))
    run = written(run, inbox.decided(run, executions(quick, workers=WORKERS)))
    inbox.decided(run)
    inbox.remove(sent.event)
    return with_status(run, settled=()), sent.event


def costs(size: int, count: int) -> list[int]:
    """Return how many events are looked at for each of the first events that are handled."""
    inbox, run, found = FullInbox(size), choosing_run(), []
    inbox.looked_at()
    for _ in range(count):
        run, handled = handle_next(inbox, run)
        assert handled.event_name == "approve"
        found.append(inbox.looked_at())
    return found


def test_an_event_that_fits_costs_as_little_in_a_full_inbox_as_in_a_small_one() -> None:
    (small, _), full = costs(SMALL, 2), costs(FULL, 100)

    assert max(full) <= small + 10
    assert small < 100


def test_a_timeout_that_passes_a_full_inbox_looks_at_its_head_only() -> None:
    inbox = FullInbox(FULL, names=("comment", "comment"))
    run = choosing_run(deadline=at("11:30"), timeout_step="remind")

    status = status_of(inbox.decided(run))

    assert (status.step and status.step.name) == "remind"
    assert inbox.looked_at() < 100


def test_an_idle_wait_beside_a_full_inbox_looks_at_its_head_only() -> None:
    inbox = FullInbox(FULL, names=("comment", "comment"))

    assert inbox.decided(choosing_run()).before == ()
    assert inbox.looked_at() < 100


def test_unknown_events_are_found_in_a_full_inbox_without_reading_it() -> None:
    inbox, run, rejected = FullInbox(FULL, names=("aprove", "comment")), choosing_run(), 0
    while (status := inbox.decided(run).status) is not None and status.settled:
        for entry in status.settled:
            inbox.remove(inbox.by_uid[entry.uid])
        rejected += len(status.settled)
        run = with_status(run, commits=status.commits, events=status.events)

    assert rejected == FULL // 100
    assert inbox.looked_at() < 10 * FULL // 100 + 200


@pytest.mark.parametrize("size", [SMALL, FULL])
def test_the_end_of_a_run_looks_at_the_events_that_it_rejects(size: int) -> None:
    inbox = FullInbox(size)

    rejected = status_of(inbox.decided(finished_run())).settled

    assert len(rejected) == 64
    assert inbox.looked_at() < 64 * 5
