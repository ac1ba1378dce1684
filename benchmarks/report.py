"""The medians of the rounds, as a table for people and as JSON for programs."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.measures import AT_ONCE, ONE_BY_ONE, Round
from benchmarks.testbed import PARTS, MeasuredApi

Value = Callable[[Round], float]


def median(rounds: Sequence[Round], value: Value) -> str:
    """Return the text of the median of a figure and its range."""
    return _median([value(each) for each in rounds])


def _median(values: Sequence[float]) -> str:
    middle = _short(statistics.median(values))
    return f"{middle} ({_short(min(values))}-{_short(max(values))})" if len(values) > 1 else middle


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 50 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def show(server: MeasuredApi, machine: dict[str, Any], rounds: Sequence[Round]) -> None:
    """Print everything."""
    console = _begin(server, machine, len(rounds))
    for table in (_loads(rounds), _processors(rounds), _others(rounds)):
        console.print(table)


def show_large(
    server: MeasuredApi, machine: dict[str, Any], rounds: Sequence[dict[str, float]]
) -> None:
    """Print what many runs and events cost."""
    table = _table("many runs and events", "figure")
    for name in rounds[0]:
        table.add_row(name, _median([each[name] for each in rounds]))
    _begin(server, machine, len(rounds)).print(table)


def _begin(server: MeasuredApi, machine: dict[str, Any], rounds: int) -> Console:
    console = Console(width=150)
    about = f"{machine['processors']} x {machine['processor']}, commit {machine['commit']}"
    load = " ".join(f"{each:.1f}" for each in machine["load_average"])
    console.print(f"\n{server.kind} API server {machine['kubernetes']}, {about}")
    console.print(f"Medians of {rounds} rounds (range); load average before: {load}")
    return console


def _loads(rounds: Sequence[Round]) -> Table:
    table = _table("load", "events/s", "drained/s", "p50 ms", "p99 ms", "requests", "repeated")
    for name in rounds[0].loads:
        shown = (field for field in FIELDS if (name, field) not in NO_MEANING)
        cells = {field: median(rounds, _field(name, field)) for field in shown}
        table.add_row(name, *(cells.get(field, "") for field in FIELDS))
    return table


FIELDS = ("rate", "drained", "p50", "p99", "requests", "repeated")
NO_MEANING = {("full inbox", field) for field in ("rate", "p50", "p99")}
"""Its events wait until a worker has started, and that time is not what is measured."""


def _field(load: str, field: str) -> Value:
    return lambda each: float(getattr(each.loads[load], field))


def _processors(rounds: Sequence[Round]) -> Table:
    """Return the table of what each part uses for an event, and the ratio to the bare writes.

    Each load is compared with the bare writes of the same round and at its own pace.
    """
    table = _table("CPU-ms an event", *PARTS, "all", "x floor")
    for name in rounds[0].loads:
        parts = [median(rounds, _part(name, part)) for part in PARTS]
        table.add_row(name, *parts, median(rounds, _all(name)), median(rounds, _ratio(name)))
    for pace in rounds[0].floors:
        cells = [median(rounds, _floor(pace, field)) for field in ("server", "client", "total")]
        table.add_row(f"floor: 3 bare writes, {pace}", cells[0], "", "", *cells[1:], "1")
    return table


def _floor(pace: str, field: str) -> Value:
    return lambda each: float(getattr(each.floors[pace], field))


def _part(load: str, part: str) -> Value:
    return lambda each: each.loads[load].cpu[part]


def _all(load: str) -> Value:
    return lambda each: sum(each.loads[load].cpu.values())


def _ratio(load: str) -> Value:
    pace = ONE_BY_ONE if load.startswith(("W3", "W4")) else AT_ONCE
    return lambda each: sum(each.loads[load].cpu.values()) / each.floors[pace].total


def _others(rounds: Sequence[Round]) -> Table:
    table = _table("other", "figure")
    for name, value in _figures(rounds[0]):
        table.add_row(name, median(rounds, value))
    return table


def _figures(first: Round) -> Iterator[tuple[str, Value]]:
    for pace in first.floors:
        yield f"floor {pace}, events/s", _floor(pace, "rate")
    yield "runs started and finished a second", lambda each: each.finished
    yield "worker killed and started again: next event, s", lambda each: each.killed
    yield "handlers repeated after a kill in the middle of W1", lambda each: each.repeated
    yield "one run beside a full inbox: p50, ms", lambda each: each.beside
    yield "bytes of a settled event, as served", lambda each: each.event_bytes
    yield "bytes of a run, as served", lambda each: each.run_bytes
    for process in first.memory:
        yield f"memory of {process}, MB", _memory(process)


def _memory(process: str) -> Value:
    return lambda each: each.memory[process]


def _table(*columns: str) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def write(path: Path, server: MeasuredApi, machine: dict[str, Any], **found: Any) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    everything = {"api_server": server.kind, "machine": machine, **found}
    path.write_bytes(orjson.dumps(everything, option=orjson.OPT_INDENT_2))
