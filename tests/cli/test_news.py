"""The news that a command writes while it waits."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from grctl.cli.news import INTERVALS_PER_LOOK, News
from grctl.kube.errors import api_error

if TYPE_CHECKING:
    from grctl.client.access import Access

Json = dict[str, Any]


class ManualClock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self._turns: asyncio.Queue[None] = asyncio.Queue()
        self._sleeping = asyncio.Event()

    async def sleep(self, _seconds: float) -> None:
        self._sleeping.set()
        await self._turns.get()

    async def advance(self, count: int = 1) -> None:
        """Advance the time. Return when the tasks that wake up have run."""
        for _ in range(count):
            await self._sleeping.wait()
            self._sleeping.clear()
            self._turns.put_nowait(None)
            await self._sleeping.wait()


class StubAccess:
    """An access that can only follow one run and search for Leases."""

    namespace = "shop"

    def __init__(self) -> None:
        self.followed = False
        self.show: Callable[[Json | None], Any] = lambda _run: None
        self.lease_reads = 0
        self.is_forbidden = False

    async def follow(self, _kind: Any, _name: str, judge: Callable[[Json | None], Any]) -> None:
        if self.is_forbidden:
            raise api_error(403, {"reason": "Forbidden", "message": "may not list runs"})
        self.followed = True
        self.show = judge
        await asyncio.Event().wait()

    async def named_everywhere(self, *_what: Any) -> list[Json]:
        self.lease_reads += 1
        return []

    def message(self, text: str, phase: str = "WaitEvent") -> None:
        self.show({"status": {"phase": phase, "message": text}})


class NewsSetup:
    """The news of a run on a stub access, and the lines that were written."""

    def __init__(self) -> None:
        self.access = StubAccess()
        self.clock = ManualClock()
        self.lines: list[str] = []
        access = cast("Access", self.access)
        self.news = News(access, "order-1", self.lines.append, self.clock.sleep)


@pytest.fixture
def setup() -> NewsSetup:
    return NewsSetup()


async def test_a_message_is_written_once_and_again_when_it_changes(setup: NewsSetup) -> None:
    telling = asyncio.create_task(setup.news.tell())
    await setup.clock.advance()
    setup.access.message("Waits for an event: approve.")
    await setup.clock.advance(3)
    setup.access.message("Runs step pay on worker w.", "Running")
    await setup.clock.advance()
    telling.cancel()
    assert setup.lines == [
        "order-1: Waits for an event: approve.",
        "order-1: Runs step pay on worker w.",
    ]


async def test_only_the_last_of_many_changes_within_a_second_is_written(setup: NewsSetup) -> None:
    telling = asyncio.create_task(setup.news.tell())
    await setup.clock.advance()
    for number in range(5):
        setup.access.message(f"step {number}")
    await setup.clock.advance()
    telling.cancel()
    assert setup.lines == ["order-1: step 4"]


async def test_a_wait_that_ends_within_a_second_makes_no_request(setup: NewsSetup) -> None:
    telling = asyncio.create_task(setup.news.tell())
    for _ in range(5):
        await asyncio.sleep(0)
    telling.cancel()
    assert not setup.access.followed
    assert setup.lines == []


async def test_the_reason_why_a_run_is_not_taken_up_is_looked_for_again_later(
    setup: NewsSetup,
) -> None:
    telling = asyncio.create_task(setup.news.tell())
    await setup.clock.advance()
    setup.access.show({"status": {"phase": "Pending"}})
    await setup.clock.advance(INTERVALS_PER_LOOK + 1)
    setup.access.message("Goes on with the start handler.", "Pending")
    await setup.clock.advance()
    telling.cancel()
    nobody, then = setup.lines
    assert nobody.startswith("order-1: No operator has taken it up yet: the cluster has no Lease")
    assert then == "order-1: Goes on with the start handler."
    assert setup.access.lease_reads == 2


async def test_no_news_are_written_without_a_run_or_the_right_to_read_it(setup: NewsSetup) -> None:
    setup.access.is_forbidden = True
    telling = asyncio.create_task(setup.news.tell())
    await setup.clock.advance(3)
    assert not telling.done()
    telling.cancel()
    assert setup.lines == []


async def test_no_news_are_written_of_a_deleted_run(setup: NewsSetup) -> None:
    telling = asyncio.create_task(setup.news.tell())
    await setup.clock.advance()
    setup.access.show(None)
    await setup.clock.advance(2)
    setup.access.show({"metadata": {}})
    await setup.clock.advance()
    telling.cancel()
    assert setup.lines == [setup.lines[0]]
    assert "No operator has taken it up" in setup.lines[0]
