"""What a decision about a run must keep. It is checked before anything of it is done.

The check runs in production as in tests. It covers the status to be written and the effects of
`before`. The effects of `after` and decisions about an id that has no run are not checked.

A check compares a decision with the run and the events that it was made from. It shares no code
with the rules: otherwise a mistake in a rule would hide itself.

A check is named after its invariant in docs/architecture.md. Four more hold within one run:
"phases" (which phase may follow which), "spec" (a run ends early only if its spec says so), "hold"
(a handler that is held is not dispatched) and "retention" (nothing is deleted that is to stay).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any, NamedTuple

from grctl.models.phases import RunPhase
from grctl.models.run import RunStatus, Settlement, WorkflowRun
from grctl_operator.engine.change import Change
from grctl_operator.engine.decision import (
    Decision,
    Delete,
    Dispatch,
    Effect,
    LetGo,
    Settle,
    Trim,
)
from grctl_operator.engine.lasting import dispatches_what_is_not_held, journal_lasts
from grctl_operator.engine.observation import Events, whole_second
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
    "I9": "I9 (recorded once)",
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


def check_decision(run: WorkflowRun, decision: Decision, events: Events, now: datetime) -> None:
    """Raise if a decision about a run breaks an invariant.

    Raises:
        InvariantError: it names each invariant that is broken.
    """
    change = Change(run, decision.status or run.status, events, now)
    violations = _find_in_effects(change, decision.before)
    if decision.status is not None:
        violations += _find_in_write(change)
    if violations:
        raise InvariantError(violations)


def find_violations(
    run: WorkflowRun, status: RunStatus, events: Events, now: datetime
) -> list[Violation]:
    """Return the invariants that a write of a run's status breaks."""
    return _find_in_write(Change(run, status, events, now))


def _find_in_write(change: Change) -> list[Violation]:
    checks = CHECKS_OF_COMMITS if change.is_commit else CHECKS_OF_DISPLAY
    found = []
    for invariant, check in checks:
        text = check(change)
        if text is not None:
            found.append(Violation(invariant, text))
    return found


def _find_in_effects(change: Change, effects: Iterable[Effect]) -> list[Violation]:
    found = []
    for effect in effects:
        for invariant, check in CHECKS_OF_EFFECTS.get(type(effect), ()):
            if (text := check(effect, change)) is not None:
                found.append(Violation(invariant, text))
    return found


def _changes_nothing_that_counts(change: Change) -> str | None:
    """Check that a write for people leaves all that handlers and events depend on."""
    old, new = change.old, change.new
    if new.store is not old.store and new.store != old.store:
        return "the store changed without a commit"
    if new.answers is not old.answers and new.answers != old.answers:
        return "the answers changed without a commit"
    if change.has_outcome or (new.settled is not old.settled and new.settled != old.settled):
        return "the outbox or lastExecution changed without a commit"
    return None


def _commits_move_with_outcomes(change: Change) -> str | None:
    moved, count = change.new.commits - change.old.commits, len(change.consumed)
    if moved != 1 and not 1 < moved == count:
        return f"`commits` moves by {moved} with {count} events"
    if not change.run.held and not change.old.phase.finished:
        return "a run commits that the finalizer does not hold"
    if not (change.consumed or change.ends_handler):
        return "a run commits, and nothing became true"
    return None


def _events_are_consumed_once(change: Change) -> str | None:
    last, total = change.old.events.total, change.new.events.total
    numbers = [entry.sequence for entry in change.consumed]
    if numbers != list(range(last + 1, total + 1)):
        return f"gaps in sequence: {numbers} behind {last}"
    uids = {entry.uid for entry in change.consumed}
    again = uids & change.consumed_before
    if again or len(uids) < len(change.consumed):
        return f"{sorted(again or uids)} are committed a second time"
    return None


def _outbox_keeps_what_waits(change: Change) -> str | None:
    old, new, events = change.old.settled, change.new.settled, change.events
    if len(new) > max(MAX_OUTBOX_LENGTH, len(old)):
        return f"the outbox has {len(new)} entries"
    if len(new) - len(change.consumed) < len(old):
        kept = {entry.uid for entry in new}
        gone = (entry.uid for entry in old if entry.uid not in kept)
        for uid in gone:
            complete = events.is_complete(change.run.metadata.uid, change.old.commits)
            if not complete or events.find(uid):
                return f"{uid} left the outbox unsettled"
    return None


def _consumes_what_waits(change: Change) -> str | None:
    for entry in change.consumed:
        if change.events.find(entry.uid) is None:
            return f"{entry.uid} is consumed, and does not wait"
    return None


def _consumes_in_order(change: Change) -> str | None:
    """Check that the events of a commit are in order, and that the first of them is in turn.

    The first event of an outcome is the one that ended the wait. A commit without an outcome
    consumes the first events of the inbox; it passes over those that the wait does not take.
    """
    uids = [entry.uid for entry in change.consumed]
    if any(uid in change.consumed_before or not change.events.find(uid) for uid in uids):
        return None  # that breaks another invariant
    wait = change.old.wait
    if change.has_outcome and uids:
        first = [event.uid for event in islice(change.taken, 1)]
        return _fault_of_order(uids[:1], first) or _unordered(change, uids)
    if wait is None or wait.events is None:
        return _fault_of_order(uids, [event.uid for event in islice(change.waiting, len(uids))])
    return _skips_taken(change, uids) or _unordered(change, uids)


def _fault_of_order(uids: list[str], first: list[str]) -> str | None:
    return f"{uids} are consumed before {first}" if uids != first else None


def _unordered(change: Change, uids: list[str]) -> str | None:
    places = [event.place for uid in uids if (event := change.events.find(uid)) is not None]
    wrong = any(place > later for place, later in pairwise(places))
    return f"{uids} are consumed in the order {places}" if wrong else None


def _skips_taken(change: Change, uids: list[str]) -> str | None:
    last = max((event.place for uid in uids if (event := change.events.find(uid))), default=0)
    before = takewhile(lambda event: event.place < last, change.taken)
    return _fault_of_order([], [event.uid for event in before if event.uid not in uids])


def _wait_ends_in_time(change: Change) -> str | None:
    wait = change.old.wait
    if wait is None or wait.deadline is None:
        return None
    ends_by_timeout = (
        wait.timeout_step is not None
        and not change.consumed
        and not change.has_outcome
        and change.new.step is not None
        and change.new.step.name == wait.timeout_step
    )
    if ends_by_timeout:
        return _timeout_fault(change, wait.deadline)
    for entry in change.consumed:
        if entry.reason in {"Handled", "UnknownEvent"} and _is_late(change, entry, wait.deadline):
            return f"{entry.uid} came after the deadline and ended or used its wait"
    return None


def _timeout_fault(change: Change, deadline: datetime) -> str | None:
    if whole_second(change.now) <= deadline:
        return "a timeout fires too early"
    listing = change.events.listing
    if listing is None or whole_second(listing.at) <= deadline:
        return "a timeout fires without a list from after the deadline"
    in_time = [event.uid for event in change.taken if event.created <= deadline]
    if in_time:
        return f"a timeout beats {in_time}, created before the deadline"
    return None


def _is_late(change: Change, entry: Settlement, deadline: datetime) -> bool:
    """Return whether an event came after a deadline, and each event behind it did so too.

    An event behind it that is in time shows that a clock went back.
    """
    event = change.events.find(entry.uid)
    if event is None or event.created <= deadline:
        return False
    behind = (each for each in change.taken if each.place > event.place)
    return not any(each.created <= deadline for each in behind)


def _rejects_no_known_name(change: Change) -> str | None:
    old = change.old
    for entry in change.consumed:
        event = change.events.find(entry.uid)
        if entry.reason != "UnknownEvent" or event is None:
            continue
        if event.event_name in old.event_names or event.event_name in old.past_event_names:
            return f"{entry.uid} is rejected although a handler takes it"
        if old.step is not None and old.step.event_uid == entry.uid:
            return f"{entry.uid} is unknown, but its handler began"
    return None


def _phase_may_follow(change: Change) -> str | None:
    try:
        check_transition(change.old.phase, change.new.phase)
    except ValueError as error:
        return str(error)
    return None


def _ends_as_the_spec_says(change: Change) -> str | None:
    """Check that a run is cancelled or terminated only if its spec says so at that moment."""
    run, phase = change.run, change.new.phase
    if change.old.phase.finished:
        return None
    is_unasked = (phase is RunPhase.CANCELLED and not run.spec.cancel) or (
        phase is RunPhase.TERMINATED and not run.spec.terminate
    )
    if is_unasked:
        return f"the run is {phase}, which nobody asks for"
    goes_on = change.has_outcome or not phase.finished
    if run.spec.terminate and phase is not RunPhase.TERMINATED and goes_on and not run.deleting:
        return "the run goes on, and was to be terminated"
    return None


def _run_times_out_late(change: Change) -> str | None:
    timeout, created = change.run.spec.workflow.timeout, change.run.metadata.creation_timestamp
    if change.new.phase is not RunPhase.TIMED_OUT or change.old.phase.finished:
        return None
    if timeout is None or created is None:
        return "a run without a timeout times out"
    if whole_second(change.now) <= created + timeout:
        return "a run times out in its time"
    return None


Check = Callable[[Change], str | None]
CHECKS_OF_DISPLAY: tuple[tuple[str, Check], ...] = (
    ("I4", _changes_nothing_that_counts),
    ("I9", journal_lasts),
    ("phases", _phase_may_follow),
)
"""For a write that is only for people."""
CHECKS_OF_COMMITS: tuple[tuple[str, Check], ...] = (
    ("I1", _outbox_keeps_what_waits),
    ("I1", _consumes_what_waits),
    ("I2", _consumes_in_order),
    ("I4", _commits_move_with_outcomes),
    ("I4", _events_are_consumed_once),
    ("I7", _wait_ends_in_time),
    ("I7", _run_times_out_late),
    ("I8", _rejects_no_known_name),
    ("I9", journal_lasts),
    ("phases", _phase_may_follow),
    ("spec", _ends_as_the_spec_says),
)
"""For a write that makes something true."""


def _dispatches_in_turn(effect: Dispatch, change: Change) -> str | None:
    if effect.ahead:
        return _fault_ahead(effect, change)
    if effect.event is not None:
        first = next(change.taken, None)
        if first is None or first.uid != effect.event.uid:
            return f"{effect.event.uid} is dispatched before its turn"
    return None


def _fault_ahead(effect: Dispatch, change: Change) -> str | None:
    """Return what is wrong with events that are handed over ahead: their order or their names."""
    places = [event.place for event in effect.events]
    if any(place >= later for place, later in pairwise(places)):
        return f"events are handed over ahead in the order {places}"
    names = change.old.wait.events if change.old.wait else None
    if names is not None and any(event.event_name not in names for event in effect.events):
        return f"events are handed over ahead that are not among {names}"
    return None


def _settles_what_is_consumed(effect: Settle, change: Change) -> str | None:
    if effect.settlement.uid not in change.consumed_before:
        return f"{effect.settlement.uid} is settled, and no written commit consumed it"
    return None


def _lets_go_when_empty(_: LetGo, change: Change) -> str | None:
    if not change.run.deleting or len(change.events):
        return f"the run goes while {len(change.events)} events wait"
    return None


def _deletes_when_over(_: Delete, change: Change) -> str | None:
    finished, ttl = change.old.finished_at, change.run.spec.ttl_seconds_after_finished
    if not change.old.phase.finished or finished is None:
        return "an active run is deleted"
    if ttl is None:
        return "a run is deleted that is to stay"
    if change.now < finished + timedelta(seconds=ttl):
        return "a run is deleted before its time is over"
    return None


def _trims_the_surplus(effect: Trim, change: Change) -> str | None:
    keep = change.run.spec.keep_events
    kept = DEFAULT_KEPT_EVENTS_COUNT if keep is None else max(keep, 0)
    if effect.through > change.old.events.total - kept:
        return f"events up to {effect.through} are removed, and the last {kept} are to stay"
    return None


CHECKS_OF_EFFECTS: dict[type, tuple[tuple[str, Callable[[Any, Change], str | None]], ...]] = {
    Dispatch: (("I2", _dispatches_in_turn), ("hold", dispatches_what_is_not_held)),
    Settle: (("I1", _settles_what_is_consumed),),
    LetGo: (("I1", _lets_go_when_empty),),
    Delete: (("retention", _deletes_when_over),),
    Trim: (("retention", _trims_the_surplus),),
}
"""For an effect that needs no write before it."""

CHECKED_INVARIANTS = tuple(
    sorted(
        {
            name
            for name, _ in (
                *CHECKS_OF_DISPLAY,
                *CHECKS_OF_COMMITS,
                *(row for rows in CHECKS_OF_EFFECTS.values() for row in rows),
            )
        }
    )
)
"""The names of all invariants that are checked."""
