"""The end of a worker's process, whatever its handlers have left behind."""

import subprocess
import sys

import pytest

BEGIN = """
import asyncio, atexit, logging, multiprocessing, sys, threading, time
from grctl.cli.leaving import leaving
from grctl.logs.setup import set_up
set_up("info", "console")

def for_ever():
    threading.Event().wait()

async def main():
    with leaving({left_behind_s}):
        {program}

asyncio.run(main())
"""
LONG_TIMEOUT_S = 60


def run_program(program: str, left_behind_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN.format(program=program, left_behind_s=left_behind_s)],
        capture_output=True,
        check=False,
        text=True,
        timeout=LONG_TIMEOUT_S,
    )


@pytest.mark.parametrize(
    ("program", "named"),
    [
        (
            "threading.Thread(target=for_ever, name='mine').start()",
            'threads="mine: ',
        ),
        ("await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(for_ever))], timeout=0)", ""),
        ("asyncio.get_running_loop().run_in_executor(None, for_ever)", "asyncio_0: "),
        (
            "multiprocessing.get_context('fork').Process(target=for_ever, name='child').start()",
            'processes="child (',
        ),
        ("atexit.register(for_ever)", "leaving"),
    ],
)
def test_threads_and_children_left_behind_do_not_delay_the_end(program: str, named: str) -> None:
    done = run_program(program, 0.2)
    assert done.returncode == 0
    assert "leaving without what handlers left behind" in done.stderr
    assert named in done.stderr


def test_a_failure_is_still_the_exit_code() -> None:
    done = run_program("threading.Thread(target=for_ever).start(); raise OSError('port')", 0.2)
    assert done.returncode == 1


@pytest.mark.parametrize(
    "program", ["pass", "threading.Thread(target=for_ever, daemon=True).start()"]
)
def test_a_process_that_can_end_ends_at_once_without_a_warning(program: str) -> None:
    done = run_program(program, LONG_TIMEOUT_S)
    assert (done.returncode, done.stderr) == (0, "")
