"""Processor time and memory of processes, as the kernel of this machine counts them (Linux only).

The API server of a real cluster is found by the names of its processes on this machine. If it runs
elsewhere, $BENCH_CPU_COMMAND is a command that prints what its components used: processor
milliseconds by component, as JSON.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
CPU_COMMAND_VARIABLE = "BENCH_CPU_COMMAND"
API_SERVER_COMPONENTS = ("kube-apiserver", "etcd")
"""The components of a real cluster that use processor time for events."""

Reading = Callable[[], float]
"""Returns the processor milliseconds that were used so far."""


class NotMeasurableError(Exception):
    """The processor time of the API server cannot be measured."""


def cpu_of(pids: Iterable[int]) -> float:
    """Return the processor milliseconds that processes have used, in all their threads."""
    return sum(map(_cpu, pids))


def _cpu(pid: int) -> float:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


def memory_of(pids: Iterable[int]) -> float:
    """Return the resident memory of processes in MB, shared memory included."""
    return sum(map(_memory, pids))


def _memory(pid: int) -> float:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024 / 1e6


def api_server_pids() -> tuple[int, ...]:
    """Return the processes of a real API server; none if it runs on another machine."""
    return tuple(
        int(each.name) for each in PROC.glob("[0-9]*") if _component(each) in API_SERVER_COMPONENTS
    )


def _component(process: Path) -> str | None:
    """Return the component of a process: `kube-apiserver ...` or `anything kube-apiserver ...`."""
    try:
        words = (process / "cmdline").read_text().split("\0")[:2]
    except OSError:
        return None  # it has ended
    return next(
        (name for word in words if (name := Path(word).name) in API_SERVER_COMPONENTS), None
    )


def api_server_cpu() -> Reading:
    """Return the function that reads what the API server and its etcd have used.

    Raises:
        NotMeasurableError: their processes are not here, and no command is set.
    """
    command = os.environ.get(CPU_COMMAND_VARIABLE)
    if command:
        return lambda: _run_cpu_command(command)
    pids = api_server_pids()
    if not pids:
        raise NotMeasurableError(
            f"No {' or '.join(API_SERVER_COMPONENTS)} runs on this machine. Set"
            f" {CPU_COMMAND_VARIABLE} to a command that prints what they used in processor"
            ' milliseconds: {"kube-apiserver": 1200, ...}'
        )
    return lambda: cpu_of(pids)


def _run_cpu_command(command: str) -> float:
    said = subprocess.run(shlex.split(command), capture_output=True, check=True).stdout
    used = json.loads(said)
    return sum(float(used.get(name, 0)) for name in API_SERVER_COMPONENTS)
