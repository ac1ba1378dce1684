"""TaskInfo: a task of the handler that is due, as the run's journal has it. Pure.

The journal is free JSON, and somebody may have written it by hand: what cannot be read is left out.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from grctl.models.base import Model, Moment
from grctl.models.journal import Entry, is_final
from grctl.models.run import RunError, RunStatus


class TaskInfo(Model):
    """One call of a task, as far as it is recorded."""

    name: str
    call: int = 1
    """Which call of the task with the same arguments it is, from 1."""
    state: str
    """`done`, `failed` for good, `cancelled`, `retrying`, or `begun` if its end is not known."""
    attempts: int
    max_attempts: int | None = None
    error: RunError | None = None
    """The last error."""
    at: Moment | None = None
    """When this was recorded."""
    next_attempt: Moment | None = None
    """When it is tried again."""


def tasks_of(status: RunStatus) -> tuple[TaskInfo, ...]:
    """Return the tasks in a run's journal, in the order in which they were recorded."""
    entries = (status.journal or {}).get("entries")
    if not isinstance(entries, dict):
        return ()
    found = list(_readable(entries))
    dated = [each for each in found if each.at is not None]
    undated = [each for each in found if each.at is None]
    return (*sorted(dated, key=lambda each: (each.at, each.name, each.call)), *undated)


def _readable(entries: dict[str, Any]) -> Iterator[TaskInfo]:
    for key, entry in entries.items():
        if isinstance(entry, dict):
            try:
                yield _task_info(key, entry)
            except ValidationError:
                continue


def _task_info(key: str, entry: Entry) -> TaskInfo:
    call = key.rpartition("/")[2]
    return TaskInfo(
        name=key.partition("/")[0],
        call=int(call) if call.isdecimal() and len(call) < 10 else 1,
        state=_state(entry),
        attempts=entry.get("failed", entry.get("n", 1)),
        max_attempts=entry.get("of"),
        error=entry.get("error"),
        at=entry.get("at"),
        next_attempt=entry.get("next"),
    )


def _state(entry: Entry) -> str:
    if not is_final(entry):
        return "retrying" if "failed" in entry else "begun"
    if "ok" in entry:
        return "done"
    return "failed" if "error" in entry else "cancelled"
