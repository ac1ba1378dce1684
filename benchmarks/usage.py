"""Processor time and memory of processes, as this machine's kernel counts them (Linux only).

The API server of a real cluster is found by the names of its processes on this machine; where it
runs elsewhere, $BENCH_CPU_COMMAND names a command that prints what its components used, as JSON:
processor milliseconds by the names of the components.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")
TICK = 1000 / os.sysconf("SC_CLK_TCK")  # ms
CPU_COMMAND = "BENCH_CPU_COMMAND"
API_SERVER = ("kube-apiserver", "etcd")
"""The components of a real cluster that events cost something."""

Reading = Callable[[], float]
"""Gives processor milliseconds used so far."""


class NotMeasurableError(Exception):
    """Nothing says what the API server uses."""


def cpu_of(pids: Iterable[int]) -> float:
    """Give the processor milliseconds that processes have used, all their threads together."""
    return sum(map(_cpu, pids))


def _cpu(pid: int) -> float:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def memory_of(pids: Iterable[int]) -> float:
    """Give the memory that processes hold now, in MB: what only they use, and what they share."""
    return sum(map(_memory, pids))


def _memory(pid: int) -> float:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024 / 1e6


def api_server_pids() -> tuple[int, ...]:
    """Find the processes of a real API server on this machine; none: it runs elsewhere."""
    return tuple(int(each.name) for each in PROC.glob("[0-9]*") if _component(each) in API_SERVER)


def _component(process: Path) -> str | None:
    """Say which component a process is: `kube-apiserver ...`, or `anything kube-apiserver ...`."""
    try:
        words = (process / "cmdline").read_text().split("\0")[:2]
    except OSError:
        return None  # it has ended
    return next((name for word in words if (name := Path(word).name) in API_SERVER), None)


def api_server_cpu() -> Reading:
    """Give a way to read what the API server and its etcd use.

    Raises:
        NotMeasurableError: there is none.
    """
    command = os.environ.get(CPU_COMMAND)
    if command:
        return lambda: _asked(command)
    pids = api_server_pids()
    if not pids:
        raise NotMeasurableError(
            f"No {' or '.join(API_SERVER)} runs on this machine. Set {CPU_COMMAND} to a command"
            ' that prints what they used in processor milliseconds: {"kube-apiserver": 1200, ...}'
        )
    return lambda: cpu_of(pids)


def _asked(command: str) -> float:
    said = subprocess.run(shlex.split(command), capture_output=True, check=True).stdout
    used = json.loads(said)
    return sum(float(used.get(name, 0)) for name in API_SERVER)
