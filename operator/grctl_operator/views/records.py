"""Records: what a handler recorded, for as long as its worker was not told that it is durable.

1. Records stay with their execution, also if it is lost: a further attempt needs them.
2. Of two entries of one key the one that counts is kept (`grctl.models.journal`). So a worker may
   send its records again, in any order.
3. A record is dropped only if the journal holds it, or holds an entry that counts instead of it. A
   newer record of that key, which came while the journal was written, stays.
4. What one execution may have here is bounded.

Pure: no I/O, no clock.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from grctl.json.raw_json import dumps
from grctl.json.serialization import in_kib
from grctl.models.journal import Entries, merge, which_counts
from grctl.models.limits import MAX_JOURNAL_BYTES, MAX_JOURNAL_ENTRIES
from grctl.models.wire import RecordOperations
from grctl_operator.engine.observation import Held
from grctl_operator.views.execution_index import KnownExecution

RECORDS_ROOM_FACTOR = 2
"""Workers keep to the limits of a journal and name the task that is too much. So this limit only
has to bound what a worker that does not keep to them can make the operator hold."""


class TooMuchRecordedError(Exception):
    """An execution recorded more than the operator keeps for it. The text is for people."""


def add_records(known: KnownExecution, message: RecordOperations, now: datetime) -> None:
    """Note records of an execution.

    Raises:
        TooMuchRecordedError: this is more than the operator keeps for one execution.
    """
    held = known.held
    records = merge(held.records, message.entries)
    _check_size(held.execution.handler_name, records)
    recorded_at = held.recorded_at or now if records else None
    known.held = replace(held, records=records, recorded_at=recorded_at)
    if message.awaited and held.outcome is None:
        set_awaited(known, frozenset(records))
    elif not known.awaited:
        set_awaited(known, None)  # a handler that records does not wait for its base any more


def drop_durable(known: KnownExecution, durable: frozenset[str]) -> None:
    """Note that records of an execution are durable."""
    left = {key: record for key, record in known.held.records.items() if key not in durable}
    recorded_at = known.held.recorded_at if left else None
    known.held = replace(known.held, records=left, recorded_at=recorded_at)
    set_awaited(known, known.awaited - durable or None)


def set_awaited(known: KnownExecution, keys: frozenset[str] | None) -> None:
    """Note the records until whose durability a handler waits; None: it does not wait.

    Without keys it waits for the commit of the outcome that it is built on.
    """
    if known.held.awaits_records != (keys is not None):
        known.held = replace(known.held, awaits_records=keys is not None)
    known.awaited = keys or frozenset()


def find_durable(held: Held, journal: Entries, keys: Iterable[str]) -> tuple[str, ...]:
    """Return those of the keys whose record the journal makes superfluous: see 3."""
    return tuple(key for key in keys if key in journal and _is_durable(journal, held.records, key))


def count_failures(known: Entries, sent: Entries) -> int:
    """Return how many failed attempts at tasks these entries tell that were not known."""
    return sum(
        ("failed" in record or "error" in record) and record != known.get(key)
        for key, record in sent.items()
    )


def _is_durable(journal: Entries, records: Entries, key: str) -> bool:
    record = records.get(key)
    return record is None or which_counts(journal[key], record) is journal[key]


def _check_size(handler: str, records: Entries) -> None:
    entries, size = (
        MAX_JOURNAL_ENTRIES * RECORDS_ROOM_FACTOR,
        MAX_JOURNAL_BYTES * RECORDS_ROOM_FACTOR,
    )
    if len(records) > entries:
        raise TooMuchRecordedError(
            f"{handler} recorded {len(records)} operations at once; a handler may record"
            f" {MAX_JOURNAL_ENTRIES}. Use @task(record=False), or a step that returns itself"
        )
    if (taken := len(dumps(records))) > size:
        raise TooMuchRecordedError(
            f"{handler} recorded {in_kib(taken)}; a handler may record {in_kib(MAX_JOURNAL_BYTES)}."
            " Use @task(record=False), or a step that returns itself"
        )
