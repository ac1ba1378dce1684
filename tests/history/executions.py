"""The executions that workers began: each writes one line before its handler does anything.

A line is written by one system call at the end of the file, so lines of several workers do not mix,
and a line outlives a kill -9 of its worker.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from grctl.worker.context import Context

EXECUTIONS_FILE = "executions.jsonl"

Json = dict[str, Any]


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
    append_line(directory / EXECUTIONS_FILE, asdict(start))


def read_executions(directory: Path) -> tuple[ExecutionStart, ...]:
    """Return what workers wrote, in that order."""
    return tuple(ExecutionStart(**line) for line in read_lines(directory / EXECUTIONS_FILE))


def append_line(path: Path, item: Json) -> None:
    """Append an object to a file as one line, which outlives a kill of this process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, orjson.dumps(item) + b"\n")
    finally:
        os.close(file)


def read_lines(path: Path) -> Iterator[Json]:
    """Return the objects of a file, in the order in which they were appended."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return map(orjson.loads, lines)
