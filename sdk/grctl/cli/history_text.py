"""The history of a run as text for people: a line for each item, the time first. Pure."""

import json
from collections.abc import Sequence
from datetime import datetime

from grctl.cli.table import wrapped_table
from grctl.cli.times import length
from grctl.models import HistoryEvent, HistoryItem, HistoryKind
from grctl.terminal import printable

HISTORY_COLUMNS = ("TIME (UTC)".ljust(19), "#", "WHAT", "HOW")
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
UNKNOWN_TIME = "?".ljust(len("2026-11-28 12:00:00"))
FOLLOWED_COMMIT_CHARS = 4
FOLLOWED_SUBJECT_CHARS = 20
LONGEST_SHOWN_PAYLOAD_CHARS = 80
WIDEST_SUBJECT_CHARS = 36
"""Columns before the last one are not cut, so one long name would leave no room for the others."""


def history_lines(items: Sequence[HistoryItem], width: int | None) -> list[str]:
    """Return the lines of a history, with the titles of the columns.

    Args:
        items: The items, in order.
        width: Columns of the terminal; None: lines may be of any length.
    """
    return wrapped_table([HISTORY_COLUMNS, *map(_row, items)], width)


def followed_lines(item: HistoryItem, width: int | None, *, is_first: bool) -> list[str]:
    """Return the lines of one item of a history that is followed, in columns of fixed widths."""
    rows = [HISTORY_COLUMNS, _row(item)] if is_first else [_row(item)]
    padded = [
        (time, commit.ljust(FOLLOWED_COMMIT_CHARS), what.ljust(FOLLOWED_SUBJECT_CHARS), how)
        for time, commit, what, how in rows
    ]
    return wrapped_table(padded, width)


def _row(item: HistoryItem) -> tuple[str, str, str, str]:
    time = f"{item.at:{TIME_FORMAT}}" if item.at else UNKNOWN_TIME
    commit = "" if item.commit is None else str(item.commit)
    subject = _subject(item)
    if len(subject) > WIDEST_SUBJECT_CHARS:
        subject = f"{subject[: WIDEST_SUBJECT_CHARS - 3]}..."
    return time, commit, printable(subject), printable("; ".join(_how(item)))


def _subject(item: HistoryItem) -> str:
    event = item.event
    match item.kind:
        case HistoryKind.EVENT:
            return f"event {_event_name(event)}"
        case HistoryKind.WAITING:
            return f"waits: {_event_name(event)}"
        case HistoryKind.START | HistoryKind.STEP | HistoryKind.TASK | HistoryKind.HELD:
            handler = item.handler or ""
            return item.kind.value if handler == item.kind else f"{item.kind} {handler}".rstrip()
    return item.kind.value


def _event_name(event: HistoryEvent | None) -> str:
    return (event.event_name or event.name) if event else "?"


def _how(item: HistoryItem) -> list[str]:
    """Return the parts of the last column, the most important first."""
    parts = [item.text]
    if item.worker:
        parts.append(f"on {item.worker}{_duration(item.began_at, item.at)}")
    elif item.kind is HistoryKind.EVENT and item.handler:
        parts.append("worker not known")
    if item.attempts and item.attempts > 1 and item.kind is not HistoryKind.TASK:
        parts.append(f"attempt {item.attempts}")
    if item.tasks:
        parts.append(f"tasks: {item.tasks}")
    if item.event is not None:
        parts += _sent(item.event)
    return parts


def _duration(began: datetime | None, ended: datetime | None) -> str:
    return f" in {length(ended - began)}" if began and ended and ended > began else ""


def _sent(event: HistoryEvent) -> list[str]:
    """Return what was sent, and by which program."""
    parts = []
    if event.payload is not None:
        text = json.dumps(event.payload, ensure_ascii=False)
        is_long = len(text) > LONGEST_SHOWN_PAYLOAD_CHARS
        parts.append(f"{text[:LONGEST_SHOWN_PAYLOAD_CHARS]}..." if is_long else text)
    elif event.payload_bytes:
        parts.append(f"payload of {event.payload_bytes / 1024:.0f} KiB, in wfe {event.name}")
    if event.sender:
        parts.append(f"sent by {event.sender}")
    return parts
