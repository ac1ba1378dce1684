"""Whether recorded tasks are called as a journal promises, as far as a history shows.

The journal of a run is durable from the version that shows it. The write of a further attempt comes
before its dispatch, so everything in the journal of that version was durable before.
"""

from collections import defaultdict
from collections.abc import Iterator

from tests.history.history import RunVersion
from tests.history.ledger import Commit, Ledger


def tasks_are_called(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): a handler that is committed has called all of its tasks."""
    ended: dict[str, set[str]] = defaultdict(set)
    for call in ledger.history.calls:
        if call.result is not None:
            ended[call.handler].add(call.key)
    for each in ledger.processed:
        name = ledger.event_name(each.event)
        wanted, found = ledger.history.tasks.get(name, 0), len(ended[f"{each.run}-{each.event}"])
        if found < wanted:
            yield f"{ledger.name(each.event)} is handled after {found} of {wanted} task calls"


def recorded_tasks_are_not_called_again(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): what was durable before an execution was dispatched is not called by it."""
    if not ledger.history.complete:
        return  # a version that was missed may have shown the attempt first
    durable = durable_before(ledger)
    for call in ledger.history.calls:
        if call.result is None and call.attempt > durable.get((call.handler, call.key), 10**9):
            yield f"attempt {call.attempt} of {call.handler} called {call.name} ({call.key}) again"


def durable_before(ledger: Ledger) -> dict[tuple[str, str], int]:
    """Return the last attempt at a handler that may call each task, by handler and key of the call.

    Only calls are named whose record was durable before a further attempt was dispatched.
    """
    made_by = {
        (call.handler, call.result): call
        for call in ledger.history.calls
        if call.result is not None
    }
    last: dict[tuple[str, str], int] = {}
    for versions in ledger.runs.values():
        for run in _first_of_each_attempt(versions):
            for _, result in run.journal:
                call = made_by.get((run.handler, result))
                if call is not None and call.attempt < run.attempt:
                    last.setdefault((run.handler, call.key), run.attempt - 1)
    return last


def _first_of_each_attempt(versions: list[RunVersion]) -> Iterator[RunVersion]:
    seen: set[tuple[str, int]] = set()
    for run in versions:
        if run.step and (run.handler, run.attempt) not in seen:
            seen.add((run.handler, run.attempt))
            yield run


def records_stay(ledger: Ledger) -> Iterator[str]:
    """I4 (one commit): what is recorded stays as it is until the handler is committed."""
    for commits in ledger.commits.values():
        for commit in commits:
            gone = set(commit.before.journal) - set(commit.after.journal)
            if gone and _is_still_due(ledger, commit):
                names = sorted(key for key, _ in gone)
                yield f"run {commit.after.name} at {commit.after.revision} lost its records {names}"


def _is_still_due(ledger: Ledger, commit: Commit) -> bool:
    """Return whether nothing happened that ends a journal: a commit, a withdrawal, an end."""
    before, after = commit.before, commit.after
    withdrawn = before.journal_event in ledger.history.withdrawals
    ends = after.phase.finished or after.deleting or not after.exists
    return not commit.is_one and not withdrawn and not ends
