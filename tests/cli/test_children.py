import asyncio
import os

import pytest

from grctl.cli import children as children_module
from grctl.cli.children import Children

STUBBORN = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]
OBEDIENT = ["sh", "-c", "trap 'echo down; exit 0' TERM; echo up; while :; do sleep 0.05; done"]


class RecordedLines:
    """The lines that were shown, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    async def until(self, name: str, line: str) -> None:
        async with asyncio.timeout(60):
            while (name, line) not in self.lines:  # noqa: ASYNC110  written by a plain callback
                await asyncio.sleep(0.01)


async def test_the_child_that_was_started_last_is_stopped_first() -> None:
    lines = RecordedLines()
    async with Children(lines) as children:
        for name in ("a", "b"):
            await children.start(name, OBEDIENT, os.environ)
            await lines.until(name, "up")
    assert lines.lines == [("a", "up"), ("b", "up"), ("b", "down"), ("a", "down")]
    assert not children.ended.done()


async def test_a_child_that_does_not_stop_can_be_killed() -> None:
    lines = RecordedLines()
    async with Children(lines) as children:
        child = await children.start("a", STUBBORN, os.environ)
        await lines.until("a", "up")
        stopping = asyncio.create_task(children.stop())
        children.kill()
        await stopping
    assert child.process.returncode == -9


async def test_a_child_that_does_not_stop_in_time_is_killed() -> None:
    lines = RecordedLines()
    async with Children(lines, grace=0) as children:
        child = await children.start("a", STUBBORN, os.environ)
        await lines.until("a", "up")
    assert child.process.returncode == -9
    assert lines.lines[-1] == ("a", "does not stop within 0 s: killed")


async def test_the_last_line_of_a_child_that_ends_by_itself_is_shown() -> None:
    lines = RecordedLines()
    async with Children(lines) as children:
        started = await children.start("a", ["sh", "-c", "echo gone >&2; exit 3"], os.environ)
        async with asyncio.timeout(60):
            ended = await children.ended
            await lines.until("a", "gone")
    assert ended is started
    assert ended.process.returncode == 3


async def test_a_line_that_is_too_long_is_left_out_and_the_next_one_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children_module, "LONGEST_LINE_BYTES", 2**16)
    lines = RecordedLines()
    long = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after"
    async with Children(lines) as children:
        await children.start("a", ["sh", "-c", long], os.environ)
        await lines.until("a", "after")
    assert ("a", "(a line of over 0 MiB is left out)") in lines.lines
