"""A run as text for people: names on the left, and what matters most comes first.

Pure: no I/O, no clock.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from grctl.models import RunInfo, Wait, WorkflowEvent

WIDTH = 11  # columns of the names on the left
SHOWN = 10  # events: the last ones
LONGEST_VALUE = 200  # characters of a value of the store

Row = tuple[str, str]
"""A name and what it is; more lines of the same have no name."""


def text_of(info: RunInfo, events: Sequence[WorkflowEvent], now: datetime) -> str:
    """Write a run, and the last of its events."""
    rows = [
        *_head(info),
        *_times(info, now),
        *_progress(info, now),
        *_values("Store", info.store),
        *_end(info),
    ]
    lines = [f"{name:{WIDTH}}{text}".rstrip() for name, text in rows]
    return "\n".join(lines + _table(events))


def _head(info: RunInfo) -> Iterator[Row]:
    yield "Run", f"{info.workflow_id} (namespace {info.namespace})"
    yield "Workflow", info.workflow_type
    yield "Phase", info.phase
    if info.message:
        yield "Message", info.message


def _times(info: RunInfo, now: datetime) -> Iterator[Row]:
    if info.created_at:
        yield "Created", _moment(info.created_at, now)
    if info.finished_at:
        began = info.started_at or info.created_at
        took = f", after {_length(info.finished_at - began)}" if began else ""
        yield "Finished", _moment(info.finished_at, now) + took


def _progress(info: RunInfo, now: datetime) -> Iterator[Row]:
    """Say what it does and what it waits for; a finished run does neither."""
    if info.step and not info.phase.finished:
        step = info.step
        handler = "start handler" if step.kind == "start" else f"{step.kind} handler {step.name}"
        attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
        worker = f" on {step.worker}" if step.worker else ""
        yield "Runs", f"{handler}{worker}{attempt}, since {_moment(step.since, now)}"
    if info.wait and not info.phase.finished:
        yield "Waits", f"since {_moment(info.wait.since, now)}"
        yield from _deadline(info.wait, now)
    counts = info.events
    kinds = [("processed", counts.processed), ("failed", counts.failed)]
    kinds += [("rejected", counts.rejected), ("waiting", info.inbox_length)]
    told = ", ".join(f"{number} {name}" for name, number in kinds if number)
    yield "Events", told or "none yet"


def _deadline(wait: Wait, now: datetime) -> Iterator[Row]:
    if wait.deadline:
        yield "Until", f"{_moment(wait.deadline, now)}, then step {wait.timeout_step}"


def _values(name: str, values: dict[str, Any]) -> Iterator[Row]:
    width = max(map(len, values), default=0)
    for key, value in values.items():
        yield name, f"{key:{width}} = {_short(value)}"
        name = ""


def _end(info: RunInfo) -> Iterator[Row]:
    if info.result is not None:
        text = json.dumps(info.result, ensure_ascii=False)
        yield from _paragraph("Result", text if len(text) <= LONGEST_VALUE else _long(info.result))
    if info.error:
        yield from _paragraph("Error", f"{info.error.type}: {info.error.message}")
        yield from _paragraph("", (info.error.stack_trace or "").rstrip())


def _paragraph(name: str, text: str) -> Iterator[Row]:
    for line in text.splitlines():
        yield name, line
        name = ""


def _table(events: Sequence[WorkflowEvent]) -> list[str]:
    """List the last events: number, name, what became of them."""
    if not events:
        return []
    shown = events[-SHOWN:]
    rows = [_event_row(each) for each in shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    earlier = len(events) - len(shown)
    title = f"Last {SHOWN} events ({earlier} earlier: kubectl get wfe)" if earlier else "Events"
    return ["", title, *(_aligned(row, widths) for row in rows)]


def _event_row(event: WorkflowEvent) -> tuple[str, str, str, str]:
    status = event.status
    number = str(status.sequence) if status.sequence else "-"
    told = "" if status.reason == "Handled" else status.message or status.reason or ""
    return number, event.spec.event_name, status.phase, told


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
    return "  ".join(["", *cells]).rstrip()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... ({len(text)} long)"


def _long(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _moment(moment: datetime, now: datetime) -> str:
    """Write a time, and how far away it is."""
    ahead = moment - now
    away = f"in {_length(ahead)}" if ahead > timedelta(0) else f"{_length(-ahead)} ago"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({away})"


def _length(length: timedelta) -> str:
    """Write a length of time in its two largest units."""
    rest, parts = int(length.total_seconds()), []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2]) or "0s"
