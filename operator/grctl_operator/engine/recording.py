"""Records: what a handler has recorded becomes durable in the journal, and its worker is told.

1. Only records of executions that pass the fence are taken, I4 (one commit), and only those of the
   handler that is due. A record moves neither `commits` nor `lastExecution`: it makes nothing true
   but what has happened anyway.
2. A handler that waits for its records is not kept waiting: they are written at once. Otherwise
   they are written like a change for people, or with any other write that comes first.
3. An execution is told of its records after they are written, or at once if the journal holds them
   already. Each live attempt at the handler is told, so that all go on with the same values.
4. Records of a lost execution are kept: with the further attempt, or with the next write.
5. Records with which the run would be too large fail it, as an outcome does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grctl.models.journal import Entries, Entry, is_final, merge, which_counts
from grctl.models.phases import EventPhase, RunPhase
from grctl.models.reasons import EventReason, RunReason
from grctl.models.run import HistoryEntry, RunError
from grctl.models.wire import Failed
from grctl_operator.engine.decision import ConfirmRecords, Release
from grctl_operator.engine.draft import Draft
from grctl_operator.engine.due import Due, due_handler
from grctl_operator.engine.journal import entries_for, journal_of, same_entry
from grctl_operator.engine.observation import Held
from grctl_operator.engine.situation import Situation
from grctl_operator.engine.size import oversize_journal
from grctl_operator.engine.task_message import retrying_text


@dataclass(frozen=True, slots=True)
class _Journal:
    """What is durable of the handler that is due, and what is to be written of it."""

    event_uid: str | None
    durable: dict[str, Entry]
    merged: dict[str, Entry]

    @property
    def written(self) -> dict[str, Entry]:
        """The entries that the present write adds or replaces."""
        known = self.durable
        return {key: entry for key, entry in self.merged.items() if known.get(key) is not entry}


def write_records(situation: Situation, draft: Draft) -> bool:
    """Write what the handler that is due has recorded, at once if it waits for that."""
    if not any(map(_has_news, situation.executions.held)):
        return False
    due = due_handler(situation, draft)
    attempts = attempts_at(situation, due) if due else ()
    if due is None or not attempts:
        return False
    journal = _merge_records(situation, due, attempts)
    alive = [held for held in attempts if not held.lost and held.outcome is None]
    _confirm_durable(draft, journal, alive)
    if not journal.written:
        return False
    written = journal_of(journal.event_uid, journal.merged)
    if text := oversize_journal(situation.run, written):
        _fail(situation, draft, due, attempts, text)
        return True
    draft.change(journal=written)
    draft.show_since(min(held.recorded_at or situation.now for held in attempts))
    _confirm_written(draft, journal, alive)
    _announce_failed_tasks(draft, due.name, journal.written)
    return False


def _has_news(held: Held) -> bool:
    return bool(held.records or held.awaits_records or sent_with_outcome(held))


def records_of(held: Held) -> Entries:
    """Return what an execution recorded and was not told to be durable, as far as it counts.

    The entries that a failed attempt wants to be done again are not recorded (see `Failed.forget`).
    """
    sent, result = sent_with_outcome(held), held.outcome.result if held.outcome else None
    records = merge(held.records, sent) if sent else held.records
    if not isinstance(result, Failed) or not result.forget:
        return records
    return {key: entry for key, entry in records.items() if key not in result.forget}


def sent_with_outcome(held: Held) -> Entries:
    """Return the records that came with an outcome: a return does not wait for them."""
    return (held.outcome.records if held.outcome else None) or {}


def attempts_at(situation: Situation, due: Due) -> tuple[Held, ...]:
    """Return the executions of the handler that is due that pass the fence, also the lost ones."""
    return tuple(
        held
        for held in situation.executions.held
        if held.execution.event_uid == due.event_uid
        and situation.is_current(held.execution)
        and not situation.is_contradicted(held)
    )


def release_once_recorded(situation: Situation, draft: Draft, held: Held, why: str) -> None:
    """Release an attempt that does not count, once what it recorded is durable.

    An execution that is released takes its records with it. So they are written before.
    """
    release = Release(held.execution.id, False, why)
    (draft.before if _is_recorded(situation, held) else draft.after).append(release)


def _is_recorded(situation: Situation, held: Held) -> bool:
    """Return whether the journal holds all that an execution recorded."""
    durable = entries_for(situation.run.status, held.execution.event_uid)
    return all(
        which_counts(durable.get(key), sent) is durable.get(key)
        for key, sent in records_of(held).items()
    )


def _merge_records(situation: Situation, due: Due, attempts: Iterable[Held]) -> _Journal:
    durable = entries_for(situation.run.status, due.event_uid)
    merged = dict(durable)
    for held in attempts:
        merged = merge(merged, records_of(held))
    return _Journal(due.event_uid, durable, merged)


def _confirm_durable(draft: Draft, journal: _Journal, alive: Iterable[Held]) -> None:
    """Tell each attempt which of its records the journal holds already."""
    for held in alive:
        known = {
            key: entry
            for key, entry in journal.merged.items()
            if key in held.records and journal.durable.get(key) is entry
        }
        if known or (held.awaits_records and not held.records):  # it waited for its base's commit
            draft.before.append(_confirmation(held, known))


def _confirm_written(draft: Draft, journal: _Journal, alive: Iterable[Held]) -> None:
    """Tell each live attempt what the present write makes durable, and do not keep it waiting."""
    for held in alive:
        draft.after.append(_confirmation(held, journal.written))
        draft.is_awaited |= held.awaits_records and not journal.written.keys().isdisjoint(
            held.records
        )


def _confirmation(held: Held, entries: Entries) -> ConfirmRecords:
    """Return what an execution is told. A key alone confirms only what does not change any more.

    The entry of a call that goes on is told as it is: when the answer arrives, the worker may have
    recorded the next attempt, or the end, under the same key.
    """
    sent = held.records
    as_sent = [
        key
        for key, entry in entries.items()
        if key in sent and is_final(entry) and same_entry(sent[key], entry)
    ]
    others = {key: entry for key, entry in entries.items() if key not in as_sent}
    return ConfirmRecords(held.execution.id, tuple(as_sent), others)


def _fail(
    situation: Situation, draft: Draft, due: Due, attempts: Iterable[Held], text: str
) -> None:
    """Fail a run that would be too large with what its handler recorded."""
    message = f"{due.name} recorded too much. {text}"
    if due.event:
        draft.consume(due.event, EventPhase.FAILED, EventReason.HANDLER_FAILED, message)
    entry = HistoryEntry(
        commit=situation.run.status.commits + 1,
        at=situation.second,
        handler=due.name,
        kind=due.kind.value,
        event=due.event.name if due.event else None,
        outcome="failed",
    )
    draft.record(entry)
    error = RunError(type=RunReason.BAD_OUTCOME, message=message)
    draft.finish(RunPhase.FAILED, RunReason.BAD_OUTCOME, f"Failed: {message}", error=error)
    draft.commit()
    draft.after += [Release(held.execution.id, False, message) for held in attempts]


def _announce_failed_tasks(draft: Draft, handler: str, written: Entries) -> None:
    for key, entry in written.items():
        text = retrying_text(key, entry)
        if text is not None:
            draft.announce(RunReason.TASK_RETRYING, f"In {handler}: {text}.", warning=True)
