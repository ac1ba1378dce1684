"""The commands with an operator and a worker: waits that end, and names that are known."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from examples.orders import order
from grctl.models import RunPhase
from tests.examples.conftest import Stage, staged
from tests.news import without_news

START = ("start", "ProcessOrder", "order-1", "--input", '{"order_id": "1"}')
PROCESS_TIMEOUT_S = 60.0  # for an interpreter on a busy machine, and the wait of its command


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    exit_code: int | None
    stdout: str
    stderr: str


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(tmp_path, order) as stage:
        monkeypatch.setenv("KUBECONFIG", str(stage.kubeconfig))
        yield stage


async def run_command(*arguments: str, stdout: int | IO[bytes] = asyncio.subprocess.PIPE) -> Done:
    """Run a command in a process of its own: the operator runs in this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "grctl.cli", *arguments),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PROCESS_TIMEOUT_S):
        printed, stderr = await process.communicate()
    return Done(process.returncode, (printed or b"").decode(), without_news(stderr.decode()))


async def test_an_event_name_with_a_typing_mistake_is_not_sent(stage: Stage) -> None:
    await run_command(*START)
    await stage.until("order-1", RunPhase.WAIT_EVENT)

    mistyped = await run_command("send", "order-1", "aprove")

    assert (mistyped.exit_code, mistyped.stdout) == (1, "")
    assert mistyped.stderr == (
        'grctl: ProcessOrder has no event handler "aprove". Did you mean "approve"? It has'
        ' "approve", "reject", "update_quantity", "set_priority". Nothing was sent; --force sends'
        " it nevertheless.\n"
    )
    assert (await stage.until("order-1", RunPhase.WAIT_EVENT)).events.total == 0


async def test_an_event_name_that_may_be_new_is_sent_with_a_warning(stage: Stage) -> None:
    await run_command(*START)
    await stage.until("order-1", RunPhase.WAIT_EVENT)

    sent = await run_command("send", "order-1", "pay", "--wait")

    warned, rejected = sent.stderr.splitlines()
    assert (sent.exit_code, sent.stdout[:20]) == (1, "Sent pay to order-1 ")
    assert warned.startswith('grctl: ProcessOrder had no event handler "pay" when its workers were')
    assert rejected.startswith('grctl: Rejected: ProcessOrder has no event handler "pay"; it has')


async def test_a_forced_event_name_is_sent_and_the_operator_rejects_it(stage: Stage) -> None:
    await run_command(*START)
    await stage.until("order-1", RunPhase.WAIT_EVENT)

    done = await run_command("send", "order-1", "aprove", "--force", "--wait", "-o", "json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["reason"] == "UnknownEvent"
    assert done.stderr.startswith('grctl: Rejected: ProcessOrder has no event handler "aprove"')


async def test_a_start_with_wait_prints_the_result(stage: Stage) -> None:
    await stage.client.send(workflow_id="order-1", event_name="approve")

    done = await run_command(*START, "--wait", "--timeout", "30s", "-o", "json")

    info: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, done.stderr, info["phase"]) == (0, "", "Completed")
    assert info["result"]["status"] == "fulfilled"


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """Yield a stream that cannot be written, as on a full disk."""
    with Path("/dev/full").open("wb") as stream:
        yield stream


async def test_a_run_whose_result_cannot_be_written_is_reported_as_completed(
    stage: Stage, full: IO[bytes]
) -> None:
    await stage.client.send(workflow_id="order-1", event_name="approve")

    done = await run_command(*START, "--wait", "--timeout", "30s", stdout=full)

    assert done.exit_code == 1
    assert done.stderr == (
        "Started order-1 in namespace default\n"
        "grctl: standard output cannot be written: No space left on device. order-1 is Completed:"
        " grctl describe order-1 shows more.\n"
    )


@pytest.mark.usefixtures("stage")
async def test_the_exit_code_of_a_run_without_a_result_is_1() -> None:
    done = await run_command("start", "ProcessOrder", "order-1", "--wait")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "grctl: order-1 failed: BadInput: start(order_id: str) does not take" in done.stderr


@pytest.mark.parametrize(
    ("command", "phase"), [("cancel", "Cancelled"), ("terminate", "Terminated")]
)
async def test_cancel_and_terminate_wait_for_the_end(
    stage: Stage, command: str, phase: str
) -> None:
    await run_command(*START)
    await stage.until("order-1", RunPhase.WAIT_EVENT)

    done = await run_command(command, "order-1", "--wait")

    report = f"Asked to {command} order-1\norder-1: {phase} by spec.\n"
    assert (done.exit_code, done.stdout) == (0, report)


async def test_an_event_to_a_finished_run_is_sent_with_a_warning(stage: Stage) -> None:
    await run_command(*START)
    await run_command("cancel", "order-1", "--wait")

    done = await run_command("send", "order-1", "approve", "--wait", "--timeout", "30s")

    finished, rejected = done.stderr.splitlines()
    assert finished == "grctl: order-1 is finished (Cancelled) and takes no events any more"
    assert rejected.startswith('grctl: Rejected: The run "order-1" had finished (Cancelled).')


async def test_a_description_shows_the_history_of_the_run(stage: Stage) -> None:
    await run_command(*START)
    sent = await run_command("send", "order-1", "set_priority", "--payload", '"high"', "--wait")

    assert sent.stdout.endswith("\nProcessed: Handled\n")
    lines = (await run_command("describe", "order-1")).stdout.splitlines()

    past = [line.split()[2:] for line in lines[lines.index("History") + 1 :]]
    assert past == [
        ["start", "waits", "for", "an", "event"],
        ["set_priority", "waits", "for", "an", "event"],
    ]
    assert '           priority = "high"' in lines
