"""What must be true of every history. Each check yields one line for each violation.

The invariants are those of docs/architecture.md ("What must always hold"). Pure: no I/O, no clock.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain, pairwise

from grctl.models.phases import EventPhase
from tests.history.history import EventVersion, History, OutboxEntry
from tests.history.ledger import Commit, Ledger
from tests.history.recorded import (
    recorded_tasks_are_not_called_again,
    records_stay,
    tasks_are_called,
)
from tests.history.rejections import rejected_for_a_reason

SECOND = timedelta(seconds=1)

Check = Callable[[Ledger], Iterator[str]]


def violations(history: History, *, without: Check | None = None) -> list[str]:
    """Return one line for each violation in a history.

    Args:
        history: The history.
        without: A check that the history has no facts for.
    """
    ledger = Ledger(history)
    checks = [check for check in CHECKS if check is not without]
    return [f"{check.__name__}: {text}" for check in checks for text in check(ledger)]


def assert_allowed(history: History, *, without: Check | None = None) -> None:
    """Raise an AssertionError that shows all violations, if there are any."""
    found = violations(history, without=without)
    assert not found, "\n".join(["The history is not allowed:", *found])


def seen_as_answered(ledger: Ledger) -> Iterator[str]:
    """I1 (no loss): an accepted event is there, from the revision that the API server answered."""
    for answer in ledger.history.answers:
        versions = ledger.events.get(answer.uid)
        missed = not ledger.history.complete and answer.uid in ledger.history.withdrawals
        if versions is None and missed:
            continue  # it was created and withdrawn while the watch was away
        if versions is None:
            yield f"{answer.name} was accepted and never seen"
        elif ledger.history.complete and versions[0].revision != answer.revision:
            yield (
                f"{answer.name} was accepted at {answer.revision},"
                f" and first seen at {versions[0].revision}"
            )


def settled_once(ledger: Ledger) -> Iterator[str]:
    """I1 (no loss): each event ends in exactly one final phase, or is withdrawn."""
    for uid, versions in ledger.events.items():
        finals = {_final(version) for version in versions if version.phase.settled}
        name, fates = ledger.name(uid), ledger.fates.get(uid, [])
        if len(finals) > 1:
            yield f"{name} has {len(finals)} final states: {sorted(map(str, finals))}"
        yield from _agree(name, finals, fates)
        waits = not finals and versions[-1].exists
        if waits and uid not in ledger.history.waiting:
            yield f"{name} is still {versions[-1].phase}"
        if not waits and uid in ledger.history.waiting:
            yield f"{name} must still wait, and does not"


def _final(version: EventVersion) -> tuple[str, str, int]:
    return version.phase.value, version.reason or "", version.sequence or 0


def _agree(name: str, finals: set[tuple[str, str, int]], fates: list[OutboxEntry]) -> Iterator[str]:
    """Compare an event's own status with the commit that consumed it."""
    told = {(fate.phase.value, fate.reason, fate.sequence) for fate in fates}
    if finals and told and finals != told:
        yield f"{name} says {sorted(finals)}, the commit {sorted(told)}"
    for phase, reason, sequence in finals:
        if sequence and not told:
            yield f"{name} is {phase} ({reason}), and no commit consumed it"
        if not sequence and reason not in {"RunGone", "NoSuchRun"}:
            yield f"{name} is {phase} ({reason}) without a sequence"


def withdrawn_where_asked(ledger: Ledger) -> Iterator[str]:
    """I1 (no loss): an event that vanished before it was settled was deleted by the test."""
    for uid, versions in ledger.events.items():
        vanished = not versions[-1].exists and not any(each.phase.settled for each in versions)
        if vanished and uid not in ledger.history.withdrawals and uid not in ledger.fates:
            yield f"{ledger.name(uid)} vanished, and nobody had asked to delete it"


def in_order(ledger: Ledger) -> Iterator[str]:
    """I2 (one order): a run's events are numbered without a gap, in the order of their creation.

    Where waits choose, that is the order of the events of one name.
    """
    for run, consumed in ledger.consumed.items():
        numbers = [each.sequence for each in consumed]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"run {run} numbered its events {numbers}"
        kept = [each.event for each in consumed if each.event not in ledger.history.may_move]
        queues: dict[str, list[str]] = defaultdict(list)
        for uid in kept:
            queues[ledger.event_name(uid) if ledger.chooses(run) else ""].append(uid)
        for earlier, later in chain.from_iterable(map(pairwise, queues.values())):
            if ledger.places.get(earlier, 0) > ledger.places.get(later, 0):
                yield (
                    f"{ledger.name(earlier)} was committed before {ledger.name(later)},"
                    " which came first"
                )


def waits_take_what_they_chose(ledger: Ledger) -> Iterator[str]:
    """I2 (one order): a wait that chooses is ended by an event of a name that it chose."""
    for commit in chain.from_iterable(ledger.commits.values()):
        chosen = commit.before.wait_events
        if chosen is None or commit.after.commits != commit.before.commits + 1:
            continue
        for each in commit.consumed:
            name = ledger.event_name(each.event)
            if each.reason == "Handled" and name not in chosen:
                yield f"{ledger.name(each.event)} ({name}) ended a wait for {sorted(chosen)}"


def committed_once(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): no event and no execution is committed twice; `commits` counts outcomes."""
    for uid, fates in ledger.fates.items():
        if len(fates) > 1:
            yield f"{ledger.name(uid)} is committed {len(fates)} times"
    commits = list(chain.from_iterable(ledger.commits.values()))
    for commit in commits:
        yield from _counts(ledger, commit)
    executions = Counter(
        commit.after.last_execution
        for commit in commits
        if commit.after.last_execution != commit.before.last_execution
    )
    for execution, times in executions.items():
        if times > 1:
            yield f"execution {execution} is committed {times} times"


def _counts(ledger: Ledger, commit: Commit) -> Iterator[str]:
    before, after = commit.before, commit.after
    where = f"run {after.name} at {after.revision}"
    step = after.commits - before.commits
    several = len(commit.consumed) > 1 and step == len(commit.consumed)
    if step < 0 or (step > 1 and not several and ledger.history.complete):
        yield f"{where}: commits went from {before.commits} to {after.commits}"
    if step == 0 and (commit.consumed or after.payloads != before.payloads):
        yield f"{where}: something was committed without counting it"
    if before.phase.finished and after.phase is not before.phase:
        yield f"{where}: it had finished ({before.phase}), and is {after.phase}"


def store_is_the_fold(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): the store holds what the committed events brought, and no more."""
    for run, commits in ledger.commits.items():
        handled = [each for each in ledger.consumed[run] if each.phase is EventPhase.PROCESSED]
        brought = [_brought(ledger, each) for each in handled]
        numbers = [each.sequence for each in handled]
        for after in (commit.after for commit in commits):
            count = bisect_right(numbers, after.settled)
            if list(after.payloads) != brought[:count]:
                yield (
                    f"run {after.name} at {after.revision} holds {_short(after.payloads)},"
                    f" its events brought {_short(brought[:count])}"
                )
                break


def _brought(ledger: Ledger, consumed: OutboxEntry) -> object:
    versions = ledger.events.get(consumed.event)
    return versions[0].fingerprint if versions else f"the payload of {consumed.event}, never seen"


def _short(values: object) -> str:
    text = str(values)
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-100:]}"


def executed_before_committed(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): a worker began each execution and each event that is committed."""
    started = {each.execution for each in ledger.history.started}
    for commit in chain.from_iterable(ledger.commits.values()):
        execution = commit.after.last_execution
        refused = any(each.reason == "BadPayload" for each in commit.consumed)
        new = execution != commit.before.last_execution
        if execution and new and execution not in started and not refused:
            yield f"run {commit.after.name}: execution {execution} is committed, no worker ran it"
        for each in commit.consumed:
            if each.phase is not EventPhase.REJECTED and each.event not in ledger.begun:
                yield f"{ledger.name(each.event)} is {each.phase}, and no worker had it"


def no_timeout_beats_an_event(ledger: Ledger) -> Iterator[str]:
    """I7 (deadlines): a wait times out only if no event waits that was there by the deadline."""
    for commit in chain.from_iterable(ledger.commits.values()):
        deadline = commit.before.deadline
        if deadline is None:
            continue
        for each in commit.consumed:
            created = ledger.events[each.event][0].created
            if each.reason in {"Handled", "UnknownEvent", "BadPayload"} and created > deadline:
                yield f"{ledger.name(each.event)} came after {deadline}, and ended or used the wait"
        if _timed_out(commit):
            for uid in _in_time(ledger, commit):
                yield f"{ledger.name(uid)} came by {deadline}, and the timeout won"


def _timed_out(commit: Commit) -> bool:
    after = commit.after
    return commit.is_one and not commit.consumed and after.deadline is None and bool(after.step)


def _in_time(ledger: Ledger, commit: Commit) -> Iterator[str]:
    """Yield the events that should have won over the timeout.

    An event whose create was under way when the deadline's second ended may win or lose.
    """
    after, deadline = commit.after, commit.before.deadline
    if deadline is None:
        return
    for uid, versions in ledger.events.items():
        first = versions[0]
        mine = first.workflow_id == after.name and first.wanted_run in {None, after.uid}
        taken = commit.before.wait_events is None or first.event_name in commit.before.wait_events
        stored = first.created <= deadline and ledger.stored[uid] < deadline + SECOND
        there = first.revision < after.revision and not _is_over(ledger, versions, commit)
        if mine and taken and stored and there:
            yield uid


def _is_over(ledger: Ledger, versions: list[EventVersion], commit: Commit) -> bool:
    """Return whether an event was consumed, settled or withdrawn before a commit."""
    before = commit.before
    consumed = any(
        each.run != before.uid or each.sequence <= before.settled
        for each in ledger.fates.get(versions[0].uid, [])
    )
    return consumed or any(
        each.revision < commit.after.revision and (each.phase.settled or not each.exists)
        for each in versions
    )


CHECKS: tuple[Check, ...] = (
    seen_as_answered,
    settled_once,
    withdrawn_where_asked,
    in_order,
    waits_take_what_they_chose,
    committed_once,
    store_is_the_fold,
    executed_before_committed,
    no_timeout_beats_an_event,
    rejected_for_a_reason,
    tasks_are_called,
    recorded_tasks_are_not_called_again,
    records_stay,
)
