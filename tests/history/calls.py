"""The calls that tasks made: a task writes one line when it begins and one when it ends.

A recorded result is told from all others by its text, which no other call has. So the journal of a
run shows which call it is of.
"""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from grctl.worker.context import CurrentRun
from tests.history.executions import append_line, read_lines

CALLS_FILE = "calls.jsonl"


@dataclass(frozen=True, slots=True)
class TaskCall:
    """The beginning of a call, or its end."""

    name: str
    key: str
    """The idempotency key of the call."""
    handler: str
    """The idempotency key of the handler that calls."""
    execution: str
    """Id of the execution whose handler calls."""
    attempt: int
    """The attempt at the handler: of this execution."""
    result: str | None = None
    """What it returned, or the message of its error; None: it begins."""
    pid: int = 0
    """Process of the worker."""
    at: float = 0.0
    """When, by this machine's clock: seconds since the epoch."""


def record_call(
    run: CurrentRun, directory: Path, name: str, key: str, result: str | None = None
) -> None:
    """Write that a task of a handler begins, or that it ended with a result."""
    call = TaskCall(
        name=name,
        key=key,
        handler=run.idempotency_key,
        execution=run.execution_id,
        attempt=run.attempt,
        result=result,
        pid=os.getpid(),
        at=time.time(),
    )
    append_line(directory / CALLS_FILE, asdict(call))


def read_calls(directory: Path) -> tuple[TaskCall, ...]:
    """Return what tasks wrote, in that order."""
    return tuple(TaskCall(**line) for line in read_lines(directory / CALLS_FILE))
