"""What every decision must keep. It is checked in production as in tests, before anything is done.

A check compares a decision with the run and the events that it was made from. It shares no code
with the rules: otherwise a mistake in a rule would hide itself.

A check is named after its invariant in docs/architecture.md. Three more hold within one run:
"phases" (which phase may follow which), "spec" (a run ends early only if its spec says so) and
"retention" (nothing is deleted that is to stay).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, NamedTuple

from grctl.models.phases import RunPhase
from grctl.models.run import RunStatus, Settlement, WorkflowRun
from grctl_operator.engine.decision import (
    Decision,
    Delete,
    Dispatch,
    Effect,
    LetGo,
    Settle,
    Trim,
)
from grctl_operator.engine.observation import Event, Events, whole_second
from grctl_operator.engine.retention import DEFAULT_KEPT_EVENTS_COUNT
from grctl_operator.engine.transitions import check_transition

MAX_OUTBOX_LENGTH = 65
"""The limit of consumed events, and one whose handler began before the limit was reached."""

NAMES = {
    "I1": "I1 (no loss)",
    "I2": "I2 (one order)",
    "I4": "I4 (one commit)",
    "I7": "I7 (deadlines)",
    "I8": "I8 (bad input)",
}


class Violation(NamedTuple):
    """An invariant that a decision does not keep."""

    invariant: str
    text: str

    def __str__(self) -> str:
        """Return the invariant's name and what is wrong."""
        return f"{NAMES.get(self.invariant, self.invariant)}: {self.text}"


class InvariantError(Exception):
    """A decision breaks an invariant. Nothing of it may be done."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__(violations)  # a copy of the error is made from these arguments
        self.violations = violations

    def __str__(self) -> str:
        """Return the violations in one line."""
        return "; ".join(map(str, self.violations))


@dataclass(frozen=True)
class Change:
    """What a decision changes of a run's status, and what it was decided upon."""

    run: WorkflowRun
    new: RunStatus
    events: Events
    now: datetime

    @property
    def old(self) -> RunStatus:
        """The status that is written."""
        return self.run.status

    @cached_property
    def consumed(self) -> tuple[Settlement, ...]:
        """The outbox entries that the write adds."""
        count = self.new.events.total - self.old.events.total
        return self.new.settled[-count:] if count > 0 else ()

    @cached_property
    def consumed_before(self) -> frozenset[str]:
        """Uids of the events that the outbox holds already."""
        return frozenset(entry.uid for entry in self.old.settled)

    @property
    def waiting(self) -> Iterator[Event]:
        """The events that no commit has consumed, in order."""
        return (event for event in self.events if event.uid not in self.consumed_before)

    @property
    def is_commit(self) -> bool:
        """Whether the write makes something true."""
        return bool(self.consumed) or self.new.commits != self.old.commits

    @property
    def has_outcome(self) -> bool:
        """Whether the write commits the outcome of an execution."""
        return self.new.last_execution != self.old.last_execution


def check_decision(run: WorkflowRun, decision: Decision, events: Events, now: datetime) -> None:
    """Raise if a decision about a run breaks an invariant.

    Raises:
        InvariantError: it names each invariant that is broken.
    """
    change = Change(run, decision.status or run.status, events, now)
    violations = list(_in_effects(change, decision.before))
    if decision.status is not None:
        violations += _in_write(change)
    if violations:
        raise InvariantError(violations)


def find_violations(
    run: WorkflowRun, status: RunStatus, events: Events, now: datetime
) -> list[Violation]:
    """Return the invariants that a write of a run's status breaks."""
    return list(_in_write(Change(run, status, events, now)))


def _in_write(change: Change) -> Iterator[Violation]:
    checks = CHECKS_OF_COMMITS if change.is_commit else CHECKS_OF_VIEWS
    for invariant, check in checks:
        for text in check(change):
            yield Violation(invariant, text)


def _in_effects(change: Change, effects: Iterable[Effect]) -> Iterator[Violation]:
    for effect in effects:
        known = CHECKS_OF_EFFECTS.get(type(effect))
        if known is not None:
            invariant, check = known
            for text in check(effect, change):
                yield Violation(invariant, text)


def _changes_nothing_that_counts(change: Change) -> Iterator[str]:
    """Check that a write for people leaves all that handlers and events depend on."""
    old, new = change.old, change.new
    if new.store is not old.store and new.store != old.store:
        yield "the store changed without a commit"
    if change.has_outcome or (new.settled is not old.settled and new.settled != old.settled):
        yield "the outbox or lastExecution changed without a commit"


def _commits_move_with_outcomes(change: Change) -> Iterator[str]:
    moved, count = change.new.commits - change.old.commits, len(change.consumed)
    if moved != 1 and not 1 < moved == count:
        yield f"`commits` moves by {moved} with {count} events"
    if not change.run.held and not change.old.phase.finished:
        yield "a run commits that the finalizer does not hold"


def _events_are_consumed_once(change: Change) -> Iterator[str]:
    last, total = change.old.events.total, change.new.events.total
    numbers = [entry.sequence for entry in change.consumed]
    if numbers != list(range(last + 1, total + 1)):
        yield f"gaps in sequence: {numbers} behind {last}"
    uids = {entry.uid for entry in change.consumed}
    again = uids & change.consumed_before
    if again or len(uids) < len(change.consumed):
        yield f"{sorted(again or uids)} are committed a second time"


def _outbox_keeps_what_waits(change: Change) -> Iterator[str]:
    old, new, events = change.old.settled, change.new.settled, change.events
    if len(new) > max(MAX_OUTBOX_LENGTH, len(old)):
        yield f"the outbox has {len(new)} entries"
    if len(new) - len(change.consumed) < len(old):
        kept = {entry.uid for entry in new}
        gone = (entry.uid for entry in old if entry.uid not in kept)
        for uid in gone:
            complete = events.complete(change.run.metadata.uid, change.old.commits)
            if not complete or events.find(uid):
                yield f"{uid} left the outbox unsettled"


def _consumes_what_waits(change: Change) -> Iterator[str]:
    for entry in change.consumed:
        if change.events.find(entry.uid) is None:
            yield f"{entry.uid} is consumed, and does not wait"


def _rejects_in_turn(change: Change) -> Iterator[str]:
    """Check that a commit without an outcome consumes the first events of the inbox."""
    if not change.consumed or change.has_outcome:
        return
    uids = [entry.uid for entry in change.consumed]
    first = [event.uid for event in islice(change.waiting, len(uids))]
    if uids != first:
        yield f"{uids} are consumed before {first}"


def _wait_ends_in_time(change: Change) -> Iterator[str]:
    wait = change.old.wait
    if wait is None or wait.deadline is None:
        return
    ends_by_timeout = (
        wait.timeout_step is not None
        and not change.consumed
        and not change.has_outcome
        and change.new.step is not None
        and change.new.step.name == wait.timeout_step
    )
    if ends_by_timeout:
        yield from _timeout_may_fire(change, wait.deadline)
    for entry in change.consumed:
        if entry.reason in {"Handled", "UnknownEvent"} and _is_late(change, entry, wait.deadline):
            yield f"{entry.uid} came after the deadline and ended or used its wait"


def _timeout_may_fire(change: Change, deadline: datetime) -> Iterator[str]:
    if whole_second(change.now) <= deadline:
        yield "a timeout fires too early"
    listing = change.events.listing
    if listing is None or whole_second(listing.at) <= deadline:
        yield "a timeout fires without a list from after the deadline"
    in_time = [event.uid for event in change.waiting if event.created <= deadline]
    if in_time:
        yield f"a timeout beats {in_time}, created before the deadline"


def _is_late(change: Change, entry: Settlement, deadline: datetime) -> bool:
    """Return whether an event came after a deadline, and each event behind it did so too.

    An event behind it that is in time shows that a clock went back.
    """
    event = change.events.find(entry.uid)
    if event is None or event.created <= deadline:
        return False
    behind = (each for each in change.waiting if each.place > event.place)
    return not any(each.created <= deadline for each in behind)


def _rejects_no_known_name(change: Change) -> Iterator[str]:
    old = change.old
    for entry in change.consumed:
        event = change.events.find(entry.uid)
        if entry.reason != "UnknownEvent" or event is None:
            continue
        if event.event_name in old.event_names or event.event_name in old.past_event_names:
            yield f"{entry.uid} is rejected although a handler takes it"
        if old.step is not None and old.step.event_uid == entry.uid:
            yield f"{entry.uid} is unknown, but its handler began"


def _phase_may_follow(change: Change) -> Iterator[str]:
    try:
        check_transition(change.old.phase, change.new.phase)
    except ValueError as error:
        yield str(error)


def _ends_as_the_spec_says(change: Change) -> Iterator[str]:
    """Check that a run ends early if its spec says so at that moment, and only then."""
    run, phase = change.run, change.new.phase
    if change.old.phase.finished:
        return
    asked = {RunPhase.CANCELLED: run.spec.cancel, RunPhase.TERMINATED: run.spec.terminate}
    if not asked.get(phase, True):
        yield f"the run is {phase}, which nobody asks for"
    goes_on = change.has_outcome or not phase.finished
    if run.spec.terminate and phase is not RunPhase.TERMINATED and goes_on and not run.deleting:
        yield "the run goes on, and was to be terminated"


def _run_times_out_late(change: Change) -> Iterator[str]:
    timeout, created = change.run.spec.workflow.timeout, change.run.metadata.creation_timestamp
    if change.new.phase is not RunPhase.TIMED_OUT or change.old.phase.finished:
        return
    if timeout is None or created is None:
        yield "a run without a timeout times out"
    elif whole_second(change.now) <= created + timeout:
        yield "a run times out in its time"


Check = Callable[[Change], Iterator[str]]
CHECKS_OF_VIEWS: tuple[tuple[str, Check], ...] = (
    ("I4", _changes_nothing_that_counts),
    ("phases", _phase_may_follow),
)
"""For a write that is only for people."""
CHECKS_OF_COMMITS: tuple[tuple[str, Check], ...] = (
    ("I1", _outbox_keeps_what_waits),
    ("I1", _consumes_what_waits),
    ("I2", _rejects_in_turn),
    ("I4", _commits_move_with_outcomes),
    ("I4", _events_are_consumed_once),
    ("I7", _wait_ends_in_time),
    ("I7", _run_times_out_late),
    ("I8", _rejects_no_known_name),
    ("phases", _phase_may_follow),
    ("spec", _ends_as_the_spec_says),
)
"""For a write that makes something true."""


def _dispatches_in_turn(effect: Dispatch, change: Change) -> Iterator[str]:
    if effect.ahead:
        places = [event.place for event in effect.events]
        if any(place >= later for place, later in pairwise(places)):
            yield f"events are handed over ahead in the order {places}"
    elif effect.event is not None and next(change.waiting, None) != effect.event:
        yield f"{effect.event.uid} is dispatched before its turn"


def _settles_what_is_consumed(effect: Settle, change: Change) -> Iterator[str]:
    if effect.settlement.uid not in change.consumed_before:
        yield f"{effect.settlement.uid} is settled, and no written commit consumed it"


def _lets_go_when_empty(_: LetGo, change: Change) -> Iterator[str]:
    if not change.run.deleting or len(change.events):
        yield f"the run goes while {len(change.events)} events wait"


def _deletes_when_over(_: Delete, change: Change) -> Iterator[str]:
    finished, ttl = change.old.finished_at, change.run.spec.ttl_seconds_after_finished
    if not change.old.phase.finished or finished is None:
        yield "an active run is deleted"
    elif ttl is None:
        yield "a run is deleted that is to stay"
    elif change.now < finished + timedelta(seconds=ttl):
        yield "a run is deleted before its time is over"


def _trims_the_surplus(effect: Trim, change: Change) -> Iterator[str]:
    keep = change.run.spec.keep_events
    kept = DEFAULT_KEPT_EVENTS_COUNT if keep is None else max(keep, 0)
    if effect.through > change.old.events.total - kept:
        yield f"events up to {effect.through} are removed, and the last {kept} are to stay"


CHECKS_OF_EFFECTS: dict[type, tuple[str, Callable[[Any, Change], Iterator[str]]]] = {
    Dispatch: ("I2", _dispatches_in_turn),
    Settle: ("I1", _settles_what_is_consumed),
    LetGo: ("I1", _lets_go_when_empty),
    Delete: ("retention", _deletes_when_over),
    Trim: ("retention", _trims_the_surplus),
}
"""For an effect that needs no write before it."""

CHECKED_INVARIANTS = tuple(
    sorted(
        {name for name, _ in (*CHECKS_OF_VIEWS, *CHECKS_OF_COMMITS, *CHECKS_OF_EFFECTS.values())}
    )
)
"""The names of all invariants that are checked."""
