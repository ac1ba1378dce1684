"""Users' code that changes its process: a worker as a process of its own, as people start it.

A handler changes something of the process and completes. Then the worker must still execute another
handler, be found again after its connection is lost, and end by SIGTERM with exit code 0.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from grctl.models import HandlerKind
from grctl.models.wire import Drain, Execute, Execution, Outcome, Succeeded
from tests.worker.fake_operator import Conversation, FakeOperator

MODULE = """
import asyncio, os, signal, sys, threading
from grctl.workflow import Workflow

odd = Workflow(workflow_type="Odd")

@odd.start()
async def start(ctx):
    return ctx.next.complete("started")

@odd.event()
async def change(ctx, program: str):
    scope = {"ctx": ctx}
    lines = ("async def run():", *(f"    {line}" for line in program.splitlines()))
    exec("\\n".join(lines), globals(), scope)
    await scope["run"]()
    return ctx.next.complete("changed")
"""


class Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def stops(self, worker: Conversation) -> None:
        """Ask it to stop until it does: it takes its signals back within a second."""
        draining = asyncio.create_task(worker.next(Drain))
        while not draining.done():
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait([draining], timeout=0.2)
        draining.result()

    async def writes(self, message: str) -> None:
        """Wait for a line on standard error that holds a message."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            while message not in (line := await self.process.stderr.readline()).decode():
                assert line, f"{message!r} was not written"

    async def ended(self) -> tuple[int, str]:
        async with asyncio.timeout(60):
            _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


@asynccontextmanager
async def working(operator: FakeOperator, directory: Path) -> AsyncIterator[Process]:
    (directory / "odd_users.py").write_text(MODULE, encoding="utf-8")
    command = ("-m", "grctl.cli", "worker", "--operator-url", operator.url, "--name", "w")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        *command,
        "odd_users:odd",
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def execute(kind: HandlerKind, name: str, payload: Any = None) -> Execute:
    execution = Execution(
        id=name,
        namespace="default",
        workflow_id=name,
        workflow_type="Odd",
        run_uid=name,
        commits=0,
        handler_kind=kind,
        handler_name=name,
    )
    return Execute(execution=execution, payload=payload)


def changing(program: str) -> Execute:
    return execute(HandlerKind.EVENT, "change", {"program": program})


CHANGES = {
    "nothing": "pass",
    "chdir": "os.chdir('/')",
    "the directory is gone": "import shutil; shutil.rmtree(os.getcwd())",
    "environment": "os.environ.clear()",
    "import path": "sys.path.clear()",
    "modules": "[sys.modules.pop(each) for each in list(sys.modules) if 'http' in each]",
    "recursion limit": "sys.setrecursionlimit(150)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "event loop policy": "asyncio.set_event_loop_policy(None); asyncio.set_event_loop(None)",
    "exception handler": "asyncio.get_running_loop().set_exception_handler(lambda *a: 1 / 0)",
    "debug": "asyncio.get_running_loop().set_debug(True)",
    "task factory": (
        "asyncio.get_running_loop().set_task_factory(\\n"
        "    lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))"
    ),
    "another default executor": (
        "from concurrent.futures import ThreadPoolExecutor as Pool\\n"
        "asyncio.get_running_loop().set_default_executor(Pool(1))"
    ),
    "socket timeout": "import socket; socket.setdefaulttimeout(0.000001)",
    "standard streams": "sys.stdout.close(); sys.stderr.close()",
    "no logging": "import logging; logging.disable(); logging.shutdown()",
    "signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "signals by a library": "signal.set_wakeup_fd(-1)",
    "blocked signals": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
    "trace": "sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
    "collector": "import gc; gc.disable(); gc.freeze()",
    "daemon thread": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "thread": "threading.Thread(target=threading.Event().wait).start()",
    "excepthook": "sys.excepthook = threading.excepthook = None",
    "umask": "os.umask(0o777)",
    "priority": "os.nice(19)",
    "child that returns": ("if os.fork() == 0:\\n    return\\nos.wait()"),
    "child that exits": "if os.fork() == 0:\\n    sys.exit(3)\\nos.wait()",
    "exit in a task": (
        "async def child(): sys.exit(3)\\nawait asyncio.gather(child(), return_exceptions=True)"
    ),
    "exit in a task that nobody awaits": (
        "async def child(): sys.exit(3)\\n"
        "ctx.child = asyncio.create_task(child()); await asyncio.sleep(0)"
    ),
    "exit in a callback": "asyncio.get_running_loop().call_soon(sys.exit, 3)",
    "exit in a thread": (
        "await asyncio.gather(asyncio.to_thread(sys.exit, 3), return_exceptions=True)"
    ),
    "interrupt in a task": (
        "async def child(): raise KeyboardInterrupt\\n"
        "await asyncio.gather(child(), return_exceptions=True)"
    ),
    "exit handler": "import atexit; atexit.register(lambda: 1 / 0)",
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_worker_goes_on_and_ends_after_a_change_of_its_process(
    operator: FakeOperator, tmp_path: Path, name: str
) -> None:
    async with working(operator, tmp_path) as process:
        worker, _ = await operator.welcomed()
        await worker.execute(changing(CHANGES[name].replace("\\n", "\n")))
        await worker.next(Outcome)
        await worker.release("change")
        await worker.end()

        again, _ = await operator.welcomed()
        await again.execute(execute(HandlerKind.START, "start"))
        assert isinstance((await again.next(Outcome)).result, Succeeded)
        await again.release("start")
        await process.stops(again)
        code, log = await process.ended()
    assert code == 0, log
    assert worker.nothing_more_came
    assert again.nothing_more_came


ENDS = {
    "all tasks cancelled": (
        "[each.cancel() for each in asyncio.all_tasks()]",
        1,
        "cancelled by users' code",
    ),
    "loop stopped": ("asyncio.get_running_loop().stop()", 1, "Event loop stopped"),
    "process ended": ("os._exit(3)", 3, ""),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
    "alarm": ("signal.alarm(1); await asyncio.sleep(60)", -signal.SIGALRM, ""),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_worker_that_users_code_ends_logs_that_and_has_an_exit_code(
    operator: FakeOperator, tmp_path: Path, name: str
) -> None:
    program, code, line = ENDS[name]
    async with working(operator, tmp_path) as process:
        worker, _ = await operator.welcomed()
        await worker.execute(changing(program))
        ended, log = await process.ended()
    assert ended == code, log
    assert line in log


async def test_a_worker_that_is_asked_to_stop_twice_logs_no_failure_of_a_handler_it_gave_up(
    operator: FakeOperator, tmp_path: Path
) -> None:
    fails = (
        "try:\n    await asyncio.sleep(3600)\nfinally:\n    raise LookupError('clean-up failed')"
    )
    async with working(operator, tmp_path) as process:
        worker, _ = await operator.welcomed()
        await worker.execute(changing(f"print('sleeping', file=sys.stderr, flush=True)\n{fails}"))
        await process.writes("sleeping")
        process.process.send_signal(signal.SIGTERM)
        await worker.next(Drain)
        process.process.send_signal(signal.SIGTERM)
        code, log = await process.ended()
    assert code == 0, log
    assert "execution given up" in log
    assert "handler failed" not in log
    assert "Traceback" not in log
