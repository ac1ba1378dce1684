"""A lab ends the processes that it starts, and waits for what its tests wait for."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.lab import Lab, new_lab
from tests.lab.processes import ROOT, Process, Processes, is_alive
from tests.lab.waiting import eventually

ALL_PROCESSES = """
import asyncio, sys
from pathlib import Path
from tests.lab.api_server import api_server
from tests.lab.lab import new_lab

async def play(directory):
    async with (
        api_server(directory) as server,
        new_lab(server.kubeconfig, directory, server.processes) as lab,
    ):
        await lab.start_both()
        print(*[each.pid for each in server.processes.all], flush=True)
        sys.stdin.read()

asyncio.run(play(Path(sys.argv[1])))
"""


async def test_an_event_goes_through_all_processes(lab: Lab) -> None:
    await lab.start_both()
    handle = await lab.start("a")
    await handle.send("append", "one")
    await lab.grctl("send", "a", "append", "--payload", '"two"')
    await (await handle.send("done")).settled()
    assert await handle.result() == 3
    assert (await lab.run("a")).status.store["payloads"] == ["one", "two", None]
    assert "Completed" in await lab.kubectl("get", "wfr", "a")


async def test_a_test_that_fails_leaves_no_process(kubeconfig: Path, tmp_path: Path) -> None:
    started: list[Process] = []

    async def fail() -> None:
        async with new_lab(kubeconfig, tmp_path) as lab:
            started.extend(await lab.start_both())
            started[0].signal(signal.SIGSTOP)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(started) == 2
    assert not any(is_alive(process.pid) for process in started)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of that death")
def test_a_test_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ALL_PROCESSES, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as test:
        assert test.stdout is not None
        pids = [int(pid) for pid in test.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(is_alive, pids))
        test.kill()
    asyncio.run(eventually(lambda: not any(map(is_alive, pids)), f"{pids} have ended"))


async def test_a_process_killed_and_started_again_is_the_same_but_for_its_pid(lab: Lab) -> None:
    operator, worker = await lab.start_both()
    operator.kill()
    assert not operator.is_running
    await operator.start().until_logged("operator ready")
    await operator.until_logged("worker connected")
    assert operator.pids[0] != operator.pids[1]
    assert operator.log.count("operator ready") == 2
    assert worker.is_running


async def test_a_process_that_ends_too_early_fails_the_test_with_its_output(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.add("greeter", [sys.executable, "-c", "print('hello')"]).start()
        with pytest.raises(AssertionError, match="greeter ended before it logged 'bye':\nhello"):
            await process.until_logged("bye")
    assert not process.is_running
