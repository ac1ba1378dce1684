"""The history of a run, put together of its object and its events. Pure.

1. The sources: `status.history` (the last commits), the settled events, the outbox (events whose
   own status does not say yet what became of them), the events that wait, and the journal.
2. Settled events are in the order of their sequence. A commit without an event stands between its
   neighbours by number, or else by time. All other items stand where their time is.
3. Nothing is left out without a word. Sequences that no event has, and numbers of commits that
   neither an entry nor an event explains, are gaps.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from grctl.json.serialization import size_of
from grctl.models.event import WorkflowEvent
from grctl.models.history import (
    MAX_HISTORY_PAYLOAD_BYTES,
    HistoryEvent,
    HistoryItem,
    HistoryKind,
)
from grctl.models.phases import EventPhase
from grctl.models.run import HistoryEntry, RunStatus, Settlement, WorkflowRun
from grctl.models.task_info import TaskInfo, tasks_of

OWN_COMMIT = frozenset({EventPhase.PROCESSED, EventPhase.FAILED})
"""Phases of events that are consumed by the commit of an outcome, which is theirs alone."""
KINDS_OF_COMMITS = frozenset(
    {
        HistoryKind.START,
        HistoryKind.STEP,
        HistoryKind.EVENT,
        HistoryKind.REJECTION,
        HistoryKind.TIMEOUT,
        HistoryKind.SPEC,
    }
)


@dataclass
class Past:
    """What is known of the events of a run, without large payloads.

    Attributes:
        settled: The items of the events that are settled, by their uids.
        waiting: The items of the others, by their uids.
    """

    uid: str
    settled: dict[str, HistoryItem] = field(default_factory=dict)
    waiting: dict[str, HistoryItem] = field(default_factory=dict)

    def note(self, event: WorkflowEvent, sender: str | None = None) -> None:
        """Take an event, or its newer version. Events of other runs of the id are left out."""
        uid = event.metadata.uid
        self.waiting.pop(uid, None)
        if event.status.phase.settled:
            if event.status.run_uid in {None, self.uid}:
                self.settled[uid] = _settled_item(event, sender)
        elif event.spec.run_uid in {None, self.uid}:
            self.waiting[uid] = _waiting_item(event, sender)

    def forget(self, uid: str) -> None:
        """Forget an event that waited and was deleted. A settled one stays known."""
        self.waiting.pop(uid, None)


def timeline(
    run: WorkflowRun, past: Past, earlier: Iterable[HistoryEntry] = ()
) -> list[HistoryItem]:
    """Return the history of a run, in order.

    Args:
        run: The run. It was read before its events, or they say at least as much as it does.
        past: What is known of its events.
        earlier: Entries of `status.history` that were seen before, and that it may have lost.
    """
    settled = _in_order(run.status, past)
    entries = {each.commit: each for each in (*earlier, *run.status.history)}
    items = _with_entries(settled, [entries[number] for number in sorted(entries)])
    items = _with_start(run.status, items)
    items = _with_gaps(run.status, items)
    for item in sorted(_undated_by_commits(run, past), key=_time_of):
        _insert_by_time(items, item)
    return [_created(run), *items, *_end(run)]


def _in_order(status: RunStatus, past: Past) -> list[HistoryItem]:
    """Return the items of all consumed events by their sequence, also of those in the outbox."""
    found = dict(past.settled)
    for entry in status.settled:
        if entry.uid not in found:
            found[entry.uid] = _consumed_item(entry, past.waiting.get(entry.uid))
    return sorted(found.values(), key=_sequence_of)


def _sequence_of(item: HistoryItem) -> tuple[bool, int]:
    sequence = item.event.sequence if item.event else None
    return sequence is None, sequence or 0


def _settled_item(event: WorkflowEvent, sender: str | None) -> HistoryItem:
    status = event.status
    return HistoryItem(
        kind=HistoryKind.EVENT,
        at=status.settled_at,
        text=_fate(status.phase, status.reason, status.message),
        commit=status.commit,
        handler=status.handler or (event.spec.event_name if status.phase in OWN_COMMIT else None),
        event=_event(event, sender),
        worker=status.worker,
        began_at=status.started_at,
        attempts=status.attempts,
        tasks=status.tasks,
    )


def _waiting_item(event: WorkflowEvent, sender: str | None) -> HistoryItem:
    return HistoryItem(
        kind=HistoryKind.WAITING,
        at=event.metadata.creation_timestamp,
        text="waits for its turn",
        event=_event(event, sender),
    )


def _consumed_item(entry: Settlement, seen: HistoryItem | None) -> HistoryItem:
    """Return the item of an event in the outbox, with its payload if the event was seen."""
    known = seen.event if seen and seen.event else HistoryEvent(name=entry.name, uid=entry.uid)
    fields = {"phase": entry.phase, "reason": entry.reason, "message": entry.message}
    return HistoryItem(
        kind=HistoryKind.EVENT,
        at=entry.at,
        text=_fate(entry.phase, entry.reason, entry.message),
        handler=known.event_name if entry.phase in OWN_COMMIT else None,
        event=known.model_copy(update={**fields, "sequence": entry.sequence}),
    )


def _event(event: WorkflowEvent, sender: str | None) -> HistoryEvent:
    payload, status = event.spec.payload, event.status
    size = 0 if payload is None else size_of(payload)
    return HistoryEvent(
        name=event.metadata.name,
        uid=event.metadata.uid,
        event_name=event.spec.event_name,
        payload=payload if size <= MAX_HISTORY_PAYLOAD_BYTES else None,
        payload_bytes=size,
        sender=sender,
        created_at=event.metadata.creation_timestamp,
        sequence=status.sequence,
        phase=status.phase,
        reason=status.reason,
        message=status.message,
    )


def _fate(phase: EventPhase, reason: str | None, message: str | None) -> str:
    if phase is EventPhase.PROCESSED:
        return "handled"
    why = message or reason
    return f"{phase.lower()}: {why}" if why else phase.lower()


def _with_entries(settled: list[HistoryItem], entries: Sequence[HistoryEntry]) -> list[HistoryItem]:
    """Return the items of the events together with the commits of `status.history`."""
    items = list(settled)
    for entry in entries:
        place = _place_of_event(items, entry)
        if place is not None:
            items[place] = _merged(items[place], entry)
        elif not _explains_rejections(items, entry):
            items.insert(_place_by_commit(items, entry), _entry_item(entry))
    return items


def _place_of_event(items: list[HistoryItem], entry: HistoryEntry) -> int | None:
    """Return the index of the item about the event that a commit consumed."""
    if entry.event is None:
        return None
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        is_same = item.event is not None and item.event.name == entry.event
        if is_same and item.commit in {None, entry.commit} and item.at in {None, entry.at}:
            return place
    return None


def _merged(item: HistoryItem, entry: HistoryEntry) -> HistoryItem:
    """Return the item of an event with what the run's commit says of it."""
    handled = item.event is not None and item.event.phase is EventPhase.PROCESSED
    return item.model_copy(
        update={
            "commit": entry.commit,
            "text": entry.outcome if handled else item.text,
            "handler": item.handler or entry.handler or None,
            "tasks": item.tasks or entry.tasks,
        }
    )


def _explains_rejections(items: list[HistoryItem], entry: HistoryEntry) -> bool:
    """Write the number of a commit that rejected events into their items.

    Return whether any of them is known.
    """
    found = [
        place
        for place, item in enumerate(items)
        if entry.kind == HistoryKind.REJECTION
        and item.commit is None
        and item.at == entry.at
        and item.event
        and item.event.phase is EventPhase.REJECTED
    ]
    for place in found:
        items[place] = items[place].model_copy(update={"commit": entry.commit})
    return bool(found)


def _place_by_commit(items: list[HistoryItem], entry: HistoryEntry) -> int:
    """Return the index at which a commit without a known event belongs."""
    place = 0
    for number, item in enumerate(items):
        if item.commit is not None and item.commit < entry.commit:
            place = number + 1
    while (
        place < len(items)
        and items[place].commit is None
        and (at := items[place].at) is not None
        and at < entry.at
    ):
        place += 1
    return place


def _entry_item(entry: HistoryEntry) -> HistoryItem:
    kinds = {kind.value for kind in KINDS_OF_COMMITS}
    return HistoryItem(
        kind=HistoryKind(entry.kind) if entry.kind in kinds else HistoryKind.STEP,
        at=entry.at,
        text=entry.outcome,
        commit=entry.commit,
        handler=entry.handler or None,
        event=HistoryEvent(name=entry.event) if entry.event else None,
        tasks=entry.tasks,
    )


def _with_start(status: RunStatus, items: list[HistoryItem]) -> list[HistoryItem]:
    """Add the first commit, if it is no longer in `status.history`: the start handler's."""
    if not status.commits or status.started_at is None or any(item.commit == 1 for item in items):
        return items
    start = HistoryItem(
        kind=HistoryKind.START,
        at=status.started_at,
        text="had an outcome; more is not known any more",
        commit=1,
    )
    return [start, *items]


def _with_gaps(status: RunStatus, items: list[HistoryItem]) -> list[HistoryItem]:
    """Return the items with a gap at each place where something is not known any more."""
    made: list[HistoryItem] = []
    last, sequence, unnumbered, rejected = 0, 0, 0, 0
    for item in items:
        number = item.event.sequence if item.event else None
        removed = number - sequence - 1 if number else 0
        if removed > 0:
            made.append(_removed_events(sequence + 1, removed, item.at))
        sequence = number or sequence
        unnumbered += max(0, removed)
        if item.commit is None:
            is_own = item.event is not None and _has_own_commit(item.event)
            unnumbered, rejected = unnumbered + is_own, rejected + (not is_own)
        else:
            missing = item.commit - last - 1 - unnumbered
            if missing > rejected:
                made.append(_missing_commits(last + 1, item.commit - 1, missing, item.at))
            last, unnumbered, rejected = max(last, item.commit), 0, 0
        made.append(item)
    return [*made, *_gaps_at_end(status, last + unnumbered + rejected, sequence)]


def _has_own_commit(event: HistoryEvent) -> bool:
    return event.phase in OWN_COMMIT or event.reason == "BadPayload"


def _gaps_at_end(status: RunStatus, last: int, sequence: int) -> Iterator[HistoryItem]:
    removed = max(0, status.events.total - sequence)
    if removed:
        yield _removed_events(sequence + 1, removed, None)
    missing = status.commits - last - removed
    if missing > 0:
        yield _missing_commits(last + 1, status.commits, missing, None)


def _removed_events(first: int, count: int, at: datetime | None) -> HistoryItem:
    which = f"event {first}" if count == 1 else f"events {first} to {first + count - 1}"
    verb = "is" if count == 1 else "are"
    text = f"{which} of this run {verb} not known any more: removed (spec.keepEvents), or deleted"
    return HistoryItem(kind=HistoryKind.GAP, at=at, text=text, missing=count)


def _missing_commits(first: int, last: int, count: int, at: datetime | None) -> HistoryItem:
    which = "1 commit is" if count == 1 else f"{count} commits are"
    among = f" of {first} to {last}" if first < last else f" ({first})"
    text = f"{which} not known any more{among}: steps, timeouts or rejections"
    return HistoryItem(kind=HistoryKind.GAP, at=at, text=text, missing=count)


def _undated_by_commits(run: WorkflowRun, past: Past) -> Iterator[HistoryItem]:
    """Yield what is not committed: the tasks in the journal, the stall, the waiting events."""
    consumed = {entry.uid for entry in run.status.settled}
    handled = run.status.step.event_uid if run.status.step else None
    for uid, item in past.waiting.items():
        if uid == handled:
            yield item.model_copy(update={"text": "is being handled"})
        elif uid not in consumed:
            yield item
    if run.status.phase.finished:
        return
    handler = run.status.step.name if run.status.step else None
    yield from (_task_item(each, handler) for each in tasks_of(run.status))
    if run.status.step and run.status.step.stall:
        stall = run.status.step.stall
        yield HistoryItem(
            kind=HistoryKind.HELD, at=stall.since, text=stall.message, handler=handler
        )


def _task_item(task: TaskInfo, handler: str | None) -> HistoryItem:
    of = f" of {task.max_attempts}" if task.max_attempts else ""
    tried = f", attempt {task.attempts}{of}" if task.attempts > 1 or of else ""
    error = f": {task.error.type}: {task.error.message}" if task.error else ""
    after = f"; next attempt at {task.next_attempt:%H:%M:%SZ}" if task.next_attempt else ""
    by = f" (task of {handler})" if handler else ""
    return HistoryItem(
        kind=HistoryKind.TASK,
        at=task.at,
        text=f"{task.state}{tried}{error}{after}{by}",
        handler=task.name,
        attempts=task.attempts,
    )


def _time_of(item: HistoryItem) -> tuple[bool, Any]:
    return item.at is None, item.at or 0


def _insert_by_time(items: list[HistoryItem], new: HistoryItem) -> None:
    """Insert an item behind all that were not later, and behind those whose time is not known."""
    place = len(items)
    while place and new.at is not None and (at := items[place - 1].at) is not None and at > new.at:
        place -= 1
    items.insert(place, new)


def _created(run: WorkflowRun) -> HistoryItem:
    text = f"a run of {run.spec.workflow.type}"
    return HistoryItem(kind=HistoryKind.CREATED, at=run.metadata.creation_timestamp, text=text)


def _end(run: WorkflowRun) -> Iterator[HistoryItem]:
    if run.status.phase.finished:
        text = run.status.message or run.status.phase.value
        yield HistoryItem(kind=HistoryKind.FINISHED, at=run.status.finished_at, text=text)
