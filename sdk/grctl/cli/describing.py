"""A run as text for people: names on the left, and the most important rows first.

Pure: no I/O, no clock.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from grctl.cli.table import paragraph, wrapped_table
from grctl.cli.times import age, moment
from grctl.models import RunReason, Wait, WorkflowEvent, WorkflowRun
from grctl.models.answers import answered_values, query_errors
from grctl.models.run import HistoryEntry, Stall
from grctl.models.task_info import TaskInfo, tasks_of
from grctl.terminal import printable

NAME_WIDTH_COLUMNS = 11  # of the names on the left
SHOWN_EVENTS_COUNT = 10  # the first ones that wait, and the last ones that were settled
LONGEST_SHOWN_VALUE_CHARS = 200  # of a value of the store
TABLE_INDENT = "  "

REASONS_OF_PHASES = frozenset({RunReason.STARTING, RunReason.RUNNING, RunReason.WAITING_FOR_EVENT})
"""Reasons that add nothing to the phase."""

Row = tuple[str, str]
"""A name and its text. Further lines of the same text have an empty name."""


def text_of(
    run: WorkflowRun,
    events: Sequence[WorkflowEvent],
    now: datetime,
    width: int | None,
    unseen: str = "",
) -> list[str]:
    """Write a run, the events that wait for it, its last settled events, and its last commits.

    Args:
        run: The run.
        events: The events of its id, in order.
        now: The present time.
        width: Columns of the terminal; None: lines may be of any length.
        unseen: The message for a run that has none, because no operator has seen it.
    """
    rows = [
        *_head(run, unseen),
        *_times(run, now),
        *_progress(run, now),
        *_values("Answers", answered_values(run.status.answers)),
        *_unanswered(run),
        *_values("Store", run.status.store),
        *_end(run),
    ]
    lines = [
        line
        for name, text in rows
        for line in paragraph(f"{name:{NAME_WIDTH_COLUMNS}}", text, width)
    ]
    for title, table in _tables(run, events, now):
        lines += ["", title, *wrapped_table(table, width, TABLE_INDENT)]
    return lines


def waiting_events(run: WorkflowRun, events: Sequence[WorkflowEvent]) -> list[WorkflowEvent]:
    """Return the events that wait, without the one that is being handled."""
    handled = run.status.step.event_uid if run.status.step else None
    return [
        each for each in events if not each.status.phase.settled and each.metadata.uid != handled
    ]


def settled_events(events: Sequence[WorkflowEvent]) -> list[WorkflowEvent]:
    """Return the events that have their final phase."""
    return [each for each in events if each.status.phase.settled]


def _head(run: WorkflowRun, unseen: str) -> Iterator[Row]:
    yield "Run", f"{run.metadata.name} (namespace {run.metadata.namespace})"
    yield "Workflow", printable(run.spec.workflow.type)
    if run.spec.workflow.input is not None:
        yield "Input", printable(_short(run.spec.workflow.input))
    yield "Phase", run.status.phase
    if message := run.status.message or unseen:
        yield "Message", printable(message)
    reason = next((each.reason for each in run.status.conditions), "")
    if reason and reason not in REASONS_OF_PHASES and reason != run.status.phase:
        yield "Reason", reason
    asked = [field for field in ("cancel", "terminate") if getattr(run.spec, field)]
    if asked and not run.status.phase.finished:
        yield "Asked", f"to {' and '.join(asked)}"


def _times(run: WorkflowRun, now: datetime) -> Iterator[Row]:
    created, finished = run.metadata.creation_timestamp, run.status.finished_at
    if created:
        yield "Created", moment(created, now)
    if created and run.spec.workflow.timeout is not None and not finished:
        yield "Times out", _after(created, run.spec.workflow.timeout, now)
    if finished:
        took = f", after {age(created, finished)}" if created else ""
        yield "Finished", moment(finished, now) + took


def _after(created: datetime, timeout: timedelta, now: datetime) -> str:
    try:
        return moment(created + timeout, now)
    except OverflowError:
        return "never: its timeout is beyond the calendar"


def _progress(run: WorkflowRun, now: datetime) -> Iterator[Row]:
    """Yield what an active run does and waits for, and how many events there were."""
    status = run.status
    if status.step and not status.phase.finished:
        step = status.step
        handler = "start handler" if step.kind == "start" else f"{step.kind} handler {step.name}"
        attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
        worker = f" on {step.worker}" if step.worker else ""
        waits = step.not_before is not None and step.not_before > now
        verb = "Held at" if step.stall else "Next" if waits else "Runs"
        yield verb, f"{handler}{worker}{attempt}, since {moment(step.since, now)}"
        if step.not_before and waits:
            yield "Not before", moment(step.not_before, now)
        if step.stall:
            yield from _stall(run, step.stall, now)
    if status.wait and not status.phase.finished:
        yield from _wait(status.wait, now)
    yield "Events", _counts(run)


def _stall(run: WorkflowRun, stall: Stall, now: datetime) -> Iterator[Row]:
    """Yield why a run is held, and what a person does about it."""
    asked = (run.spec.retry or 0) > run.status.observed_retry
    to_do = "a retry is asked for" if asked else f"`grctl retry {run.metadata.name}` goes on"
    if stall.message != run.status.message:
        yield "", printable(stall.message)
    yield "", f"{stall.reason}, since {moment(stall.since, now)}; {to_do}"


def _wait(wait: Wait, now: datetime) -> Iterator[Row]:
    if wait.prompt:
        yield from _lines("Prompt", wait.prompt)
    names = "" if wait.events is None else f"for {', '.join(wait.events)}, "
    yield "Waits", printable(f"{names}since {moment(wait.since, now)}")
    if wait.deadline:
        yield "Until", f"{moment(wait.deadline, now)}, then step {wait.timeout_step}"


def _unanswered(run: WorkflowRun) -> Iterator[Row]:
    """Yield the queries that had no answer at the last commit."""
    for name, why in query_errors(run.status.answers).items():
        yield "No answer", f"{printable(name)}: {printable(why)}"


def _counts(run: WorkflowRun) -> str:
    counts = run.status.events
    kinds = [("processed", counts.processed), ("failed", counts.failed)]
    kinds += [("rejected", counts.rejected), ("waiting", run.status.inbox_length)]
    return ", ".join(f"{number} {name}" for name, number in kinds if number) or "none yet"


def _values(name: str, values: dict[str, Any]) -> Iterator[Row]:
    width = max(map(len, values), default=0)
    for key, value in values.items():
        yield name, f"{printable(key):{width}} = {printable(_short(value))}"
        name = ""


def _end(run: WorkflowRun) -> Iterator[Row]:
    status = run.status
    if status.result is not None:
        text = _json(status.result)
        long = len(text) > LONGEST_SHOWN_VALUE_CHARS
        yield from _lines("Result", _json(status.result, indent=2) if long else text)
    if status.error:
        yield from _lines("Error", f"{status.error.type}: {status.error.message}")
        yield from _lines("", (status.error.stack_trace or "").rstrip())


def _lines(name: str, text: str) -> Iterator[Row]:
    for line in text.splitlines():
        yield name, printable(line)
        name = ""


def _tables(
    run: WorkflowRun, events: Sequence[WorkflowEvent], now: datetime
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    waiting, settled = waiting_events(run, events), settled_events(events)
    history, tasks = run.status.history, tasks_of(run.status)
    if tasks:
        handler = run.status.step.name if run.status.step else "the next handler"
        yield f"Tasks of {printable(handler)}", [_task_row(each, now) for each in tasks]
    if waiting:
        rows = [_waiting_row(each, run.status.wait, now) for each in waiting[:SHOWN_EVENTS_COUNT]]
        yield _title("Waiting events, in order", len(rows), "first", len(waiting)), rows
    if settled:
        rows = [_settled_row(each, now) for each in settled[-SHOWN_EVENTS_COUNT:]]
        yield _title("Settled events", len(rows), "last", len(settled)), rows
    if history:
        yield "History", [_history_row(each, now) for each in history]


def _title(name: str, shown: int, which: str, number: int) -> str:
    return f"{name} (the {which} {shown} of {number})" if shown < number else name


def _waiting_row(event: WorkflowEvent, wait: Wait | None, now: datetime) -> tuple[str, ...]:
    since, name = age(event.metadata.creation_timestamp, now), event.spec.event_name
    is_taken = wait is None or wait.events is None or name in wait.events
    return since, printable(name), event.metadata.name, "" if is_taken else "for a later wait"


def _settled_row(event: WorkflowEvent, now: datetime) -> tuple[str, ...]:
    status = event.status
    message = "" if status.reason == "Handled" else status.message or status.reason or ""
    number, since = str(status.sequence or "-"), age(status.settled_at, now)
    return number, since, printable(event.spec.event_name), status.phase, printable(message)


def _history_row(entry: HistoryEntry, now: datetime) -> tuple[str, ...]:
    tasks = f"; tasks: {entry.tasks}" if entry.tasks else ""
    handler, outcome = entry.handler or entry.kind, f"{entry.outcome}{tasks}"
    return str(entry.commit), age(entry.at, now), printable(handler), printable(outcome)


def _task_row(task: TaskInfo, now: datetime) -> tuple[str, ...]:
    """Return a row: the task, its attempts, how it stands, and its next attempt or last error."""
    name = task.name if task.call == 1 else f"{task.name} (call {task.call})"
    of = f" of {task.max_attempts}" if task.max_attempts else ""
    texts = []
    if task.next_attempt:
        due = task.next_attempt <= now
        texts.append(f"next attempt {'due' if due else moment(task.next_attempt, now)}")
    if task.error:
        texts.append(f"{task.error.type}: {task.error.message}")
    if not texts and task.at:
        texts.append(f"{age(task.at, now)} ago")
    return printable(name), f"{task.attempts}{of}", task.state, printable("; ".join(texts))


def _short(value: Any) -> str:
    text = _json(value)
    if len(text) <= LONGEST_SHOWN_VALUE_CHARS:
        return text
    return f"{text[:LONGEST_SHOWN_VALUE_CHARS]}... ({len(text)} long)"


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
