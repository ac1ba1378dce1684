import asyncio
import os

import pytest

from grctl.cli import children as children_module
from grctl.cli.children import Children

STUBBORN = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]
OBEDIENT = ["sh", "-c", "trap 'echo down; exit 0' TERM; echo up; while :; do sleep 0.05; done"]


class Shown:
    """What was shown, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    async def until(self, name: str, line: str) -> None:
        async with asyncio.timeout(60):
            while (name, line) not in self.lines:  # noqa: ASYNC110  written by a plain callback
                await asyncio.sleep(0.01)


async def test_the_last_started_is_stopped_first() -> None:
    shown = Shown()
    async with Children(shown) as children:
        for name in ("a", "b"):
            await children.start(name, OBEDIENT, os.environ)
            await shown.until(name, "up")
    assert shown.lines == [("a", "up"), ("b", "up"), ("b", "down"), ("a", "down")]
    assert not children.ended.done()


async def test_one_that_does_not_stop_can_be_killed() -> None:
    shown = Shown()
    async with Children(shown) as children:
        child = await children.start("a", STUBBORN, os.environ)
        await shown.until("a", "up")
        stopping = asyncio.create_task(children.stop())
        children.kill()
        await stopping
    assert child.process.returncode == -9


async def test_one_that_does_not_stop_in_time_is_killed() -> None:
    shown = Shown()
    async with Children(shown, grace=0) as children:
        child = await children.start("a", STUBBORN, os.environ)
        await shown.until("a", "up")
    assert child.process.returncode == -9
    assert shown.lines[-1] == ("a", "does not stop within 0 s: killed")


async def test_one_that_ends_by_itself_is_told_with_its_last_line() -> None:
    shown = Shown()
    async with Children(shown) as children:
        started = await children.start("a", ["sh", "-c", "echo gone >&2; exit 3"], os.environ)
        async with asyncio.timeout(60):
            ended = await children.ended
            await shown.until("a", "gone")
    assert ended is started
    assert ended.process.returncode == 3


async def test_a_line_without_end_is_left_out_and_the_process_is_read_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children_module, "LONGEST_LINE", 2**16)
    shown = Shown()
    long = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo after"
    async with Children(shown) as children:
        await children.start("a", ["sh", "-c", long], os.environ)
        await shown.until("a", "after")
    assert ("a", "(a line of over 0 MiB is left out)") in shown.lines
