"""Texts about recorded tasks: what a handler's journal says of those that are tried again.

The entries are free JSON, so each part is read only if it has the type that it should have.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from grctl.json.serialization import cut
from grctl.models.journal import Entries, Entry

MAX_ERROR_BYTES = 300
"""Of the error of a failed attempt: a message names several tasks."""
MAX_SHOWN_TASKS = 3


def tasks_clause(entries: Entries) -> str:
    """Return a clause about the tasks that failed and are tried again; empty if there are none."""
    texts = [text for key, entry in entries.items() if (text := retrying_text(key, entry))]
    more = [f"{len(texts) - MAX_SHOWN_TASKS} more"] if len(texts) > MAX_SHOWN_TASKS else []
    return "; ".join(texts[:MAX_SHOWN_TASKS] + more)


def retrying_text(key: str, entry: Entry) -> str | None:
    """Return how often a task has failed and when it is tried again; None if that is not so.

    Example:
        >>> retrying_text("charge/5f/1", {"failed": 2, "of": 5, "next": "2026-11-23T12:04:10Z"})
        'task charge failed 2 of 5 times, next attempt at 12:04:10Z'
    """
    failed, most = entry.get("failed"), entry.get("of")
    if not isinstance(failed, int):
        return None
    times = f"{failed} of {most} times" if isinstance(most, int) else count_times(failed)
    text = f"task {name_of_task(key)} failed {times}{_error(entry.get('error'))}"
    return f"{text}{''.join(_next_attempt(entry.get('next')))}"


def count_times(count: int) -> str:
    """Return how often something happened.

    Example:
        >>> count_times(1), count_times(2)
        ('once', '2 times')
    """
    return "once" if count == 1 else f"{count} times"


def shorten(text: str) -> str:
    """Return the text of an error, cut to what a message for people has room for."""
    return cut(text, MAX_ERROR_BYTES)


def name_of_task(key: str) -> str:
    """Return the name of the task in a key of the journal."""
    return key.rsplit("/", 2)[0]


def _error(error: Any) -> str:
    if not isinstance(error, dict) or not isinstance(error.get("type"), str):
        return ""
    message = error.get("message")
    text = f"{error['type']}: {message}" if isinstance(message, str) else error["type"]
    return f" ({shorten(text)})"


def _next_attempt(moment: Any) -> Iterator[str]:
    try:
        at = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return
    yield f", next attempt at {at:%H:%M:%SZ}"
