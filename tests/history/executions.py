"""The executions that workers began: each writes one line before its handler does anything.

A line is written by one system call at the end of the file, so lines of several workers do not mix,
and a line outlives a kill -9 of its worker.
"""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from grctl.worker.context import Context

EXECUTIONS_FILE = "executions.jsonl"


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """An execution that a worker began."""

    execution: str
    """Id of the execution: another for each attempt."""
    run: str
    """Uid of the run."""
    event: str | None
    """Uid of the event; None for a start handler and a step."""
    attempt: int
    pid: int
    """Process of the worker."""
    at: float = 0.0
    """When, by this machine's clock: seconds since the epoch."""


def record_execution(ctx: Context, directory: Path) -> None:
    """Write that this handler runs."""
    run = ctx.run
    event = run.event.uid if run.event else None
    start = ExecutionStart(run.execution_id, run.uid, event, run.attempt, os.getpid(), time.time())
    file = os.open(directory / EXECUTIONS_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, orjson.dumps(asdict(start)) + b"\n")
    finally:
        os.close(file)


def read_executions(directory: Path) -> tuple[ExecutionStart, ...]:
    """Return what workers wrote, in that order."""
    path = directory / EXECUTIONS_FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    return tuple(ExecutionStart(**orjson.loads(line)) for line in lines)
